"""Takes the pictures of docs/wfs.md and docs/arcgis.md from a real QGIS without a screen.

QT_QPA_PLATFORM=offscreen python3 docs/pictures/qgis_pictures.py <address of a server, e.g. http://127.0.0.1:8000>"""

import os
import sys
from pathlib import Path

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProviderRegistry,
    QgsRectangle,
    QgsSettings,
    QgsVectorLayer,
)
from qgis.gui import QgsGui
from qgis.PyQt.QtCore import QEventLoop, QSize, Qt, QTimer
from qgis.PyQt.QtGui import QColor
from qgis.PyQt.QtWidgets import QPushButton

HERE = Path(__file__).parent


def wait(ms):
    """Lets QGIS work for a while: its dialog fills itself from replies of the network."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec_()


def dialog(provider, settings, url, file):
    """The dialog that adds a layer, connected."""
    QgsSettings().setValue(f"qgis/connections-{settings}/CityMap/url", url)
    QgsSettings().setValue(f"qgis/connections-{settings}/selected", "CityMap")
    registry = QgsGui.sourceSelectProviderRegistry()
    widget = registry.createSelectionWidget(provider, None, Qt.Widget, QgsProviderRegistry.WidgetMode.None_)
    widget.resize(820, 460)
    widget.show()
    wait(300)
    next(b for b in widget.findChildren(QPushButton) if b.objectName().lower().endswith("connect")).click()
    wait(4000)
    widget.grab().save(str(HERE / file))


def view(root, file):
    """Wards and schools through WFS, on the city's VN-2000 grid."""
    uri = "url='{}/wfs' typename='citymap:{}' version='2.0.0' srsname='EPSG:9210'"
    layers = [QgsVectorLayer(uri.format(root, name), name, "WFS") for name in ("schools", "roads", "wards")]
    for layer, colour in zip(layers, ("#005c99", "#b0885a", "#f4f1ea"), strict=True):
        layer.renderer().symbol().setColor(QColor(colour))
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(QgsCoordinateReferenceSystem("EPSG:9210"))
    settings.setOutputSize(QSize(820, 460))
    settings.setExtent(QgsRectangle(585000, 1180000, 620000, 1200000))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(str(HERE / file))


def main(root):
    application = QgsApplication([], True)
    application.initQgis()
    dialog("WFS", "wfs", f"{root}/wfs", "qgis-wfs.png")
    dialog("arcgisfeatureserver", "arcgisfeatureserver", f"{root}/arcgis/rest/services", "qgis-arcgis.png")
    view(root, "qgis-wfs-map.png")
    os._exit(0)


main(*sys.argv[1:])

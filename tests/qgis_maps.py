"""Pictures that QGIS makes of WMS and WMTS layers: run by the Python that the distribution's QGIS belongs to.

python3 tests/qgis_maps.py <target folder> <west,south,east,north> <CRS> <name>=<source of the wms provider> …"""

import os
import sys

from qgis.core import (
    QgsApplication,
    QgsCoordinateReferenceSystem,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsRasterLayer,
    QgsRectangle,
)
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def main(target: str, box: str, crs: str, *sources: str) -> None:
    application = QgsApplication([], False)
    application.initQgis()
    for name, source in (pair.split("=", 1) for pair in sources):
        layer = QgsRasterLayer(source, name, "wms")
        assert layer.isValid(), (source, layer.error().message())
        settings = QgsMapSettings()
        settings.setLayers([layer])
        settings.setDestinationCrs(QgsCoordinateReferenceSystem(crs))
        settings.setExtent(QgsRectangle(*map(float, box.split(","))))
        settings.setOutputSize(QSize(512, 512))
        settings.setOutputDpi(96)
        settings.setBackgroundColor(QColor(255, 255, 255))
        job = QgsMapRendererParallelJob(settings)
        job.start()
        job.waitForFinished()
        assert job.renderedImage().save(f"{target}/{name}.png"), name
    os._exit(0)  # taking QGIS down while layers are open ends in a segmentation fault


main(*sys.argv[1:])

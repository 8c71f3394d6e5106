"""Pictures that QGIS draws of a GeoJSON with QML and SLD files: run by the Python of the distribution's QGIS.

python3 tests/qgis_styles.py <folder> <name of the .json> <style file> …"""

import os
import sys

from qgis.core import QgsApplication, QgsMapRendererParallelJob, QgsMapSettings, QgsVectorLayer
from qgis.PyQt.QtCore import QSize
from qgis.PyQt.QtGui import QColor


def main(folder: str, name: str, *files: str) -> None:
    application = QgsApplication([], False)
    application.initQgis()
    for file in files:
        layer = QgsVectorLayer(f"{folder}/{name}.json", name, "ogr")
        assert layer.isValid()
        loaded = layer.loadNamedStyle if file.endswith(".qml") else layer.loadSldStyle
        said, good = loaded(f"{folder}/{file}")
        assert good, (file, said)
        settings = QgsMapSettings()
        settings.setLayers([layer])
        settings.setDestinationCrs(layer.crs())
        settings.setOutputSize(QSize(1200, 1200))
        settings.setOutputDpi(96)
        settings.setBackgroundColor(QColor(255, 255, 255))
        extent = layer.extent()
        extent.scale(2.0)
        settings.setExtent(extent)
        job = QgsMapRendererParallelJob(settings)
        job.start()
        job.waitForFinished()
        assert job.renderedImage().save(f"{folder}/{file}.png"), file
    os._exit(0)  # taking QGIS down while layers are open ends in a segmentation fault


main(*sys.argv[1:])

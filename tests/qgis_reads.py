"""What QGIS reads from a server, as JSON: run by the Python that the distribution's QGIS belongs to.

python3 tests/qgis_reads.py <address> <layer> <filter> <west,south,east,north> <address of GeoJSON on a grid>"""

import json
import os
import sys

from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsFeatureRequest, QgsRectangle, QgsVectorLayer

PAGE = 20


def opened(url: str, name: str) -> QgsVectorLayer:
    """A collection through the OGC API Features provider, in pages small enough to be turned."""
    layer = QgsVectorLayer(f"pageSize='{PAGE}' typename='{name}' url='{url}'", name, "OAPIF")
    assert layer.isValid(), layer.error().message()
    return layer


def told(layer: QgsVectorLayer, request: QgsFeatureRequest | None = None) -> list:
    """Attributes and place of every feature that is asked for."""
    names = [field.name() for field in layer.fields()]
    return [
        {
            **dict(zip(names, ["" if value is None else str(value) for value in feature.attributes()], strict=True)),
            "at": [feature.geometry().centroid().asPoint().x(), feature.geometry().centroid().asPoint().y()],
        }
        for feature in (layer.getFeatures(request) if request else layer.getFeatures())
    ]


def main(url: str, name: str, expression: str, box: str, grid: str) -> None:
    application = QgsApplication([], False)
    application.initQgis()
    layer = opened(url, name)
    inside = told(layer, QgsFeatureRequest().setFilterRect(QgsRectangle(*map(float, box.split(",")))))
    everything, fields, count = told(layer), {f.name(): f.typeName() for f in layer.fields()}, layer.featureCount()
    crs = layer.crs().authid()
    assert layer.setSubsetString(expression), expression
    chosen, counted = told(layer), layer.featureCount()
    metres = QgsVectorLayer(f"/vsicurl/{grid}", "grid", "ogr")
    metres.setCrs(QgsCoordinateReferenceSystem("EPSG:9210"))
    kept = {"all": everything, "inside": inside, "chosen": chosen, "grid": told(metres)}
    print(json.dumps({**kept, "fields": fields, "count": count, "counted": counted, "crs": crs}), flush=True)
    os._exit(0)  # taking QGIS down while layers are open ends in a segmentation fault


main(*sys.argv[1:])

"""What QGIS reads from the WFS and the ArcGIS door, as JSON: run by the Python of the distribution's QGIS.

python3 tests/qgis_wfs.py <root address> <layer> <expression> <west,south,east,north>"""

import json
import os
import sys

from qgis.core import QgsApplication, QgsFeatureRequest, QgsRectangle, QgsVectorLayer

AFS = "arcgisfeatureserver"


def opened(uri, provider):
    """A layer of a provider."""
    layer = QgsVectorLayer(uri, "layer", provider)
    assert layer.isValid(), layer.error().message()
    return layer


def told(layer, request=None):
    """Key, name and place of every feature that is asked for."""
    return [
        [feature["source_id"], feature["name"], *feature.geometry().centroid().asPoint()]
        for feature in (layer.getFeatures(request) if request else layer.getFeatures())
    ]


def read(layer, box):
    """What a desk does with a layer: all of it, and what is in view."""
    view = QgsFeatureRequest().setFilterRect(QgsRectangle(*map(float, box.split(","))))
    return {"all": told(layer), "inside": told(layer, view), "count": layer.featureCount(), "crs": layer.crs().authid()}


def through_wfs(root, name, version, expression, box):
    """A layer through WFS, then with a query of its own."""
    uri = f"url='{root}/wfs' typename='citymap:{name}' version='{version}' srsname='EPSG:4326'"
    layer = opened(uri, "WFS")
    kept = read(layer, box)
    assert layer.setSubsetString(expression), expression
    return {**kept, "chosen": told(layer)}


def through_arcgis(root, name, box):
    """A layer of the ArcGIS door."""
    return read(opened(f"crs='EPSG:4326' url='{root}/arcgis/rest/services/{name}/FeatureServer/0'", AFS), box)


def main(root, name, expression, box):
    application = QgsApplication([], False)
    application.initQgis()
    out = {v: through_wfs(root, name, v, expression, box) for v in ("1.0.0", "1.1.0", "2.0.0")}
    out["arcgis"] = through_arcgis(root, name, box)
    metres = opened(f"url='{root}/wfs' typename='citymap:{name}' version='2.0.0' srsname='EPSG:9210'", "WFS")
    out["grid"] = {"all": told(metres), "crs": metres.crs().authid()}
    print(json.dumps(out), flush=True)
    os._exit(0)  # taking QGIS down while layers are open ends in a segmentation fault


main(*sys.argv[1:])

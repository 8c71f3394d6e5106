"""Writes a QGIS project of the five tables, for QGIS Server; run by the system's Python, which has QGIS.

`python3 qgis_project.py postgresql://… project.qgs`"""

import sys
from urllib.parse import unquote, urlsplit

from qgis.core import QgsApplication, QgsCoordinateReferenceSystem, QgsProject, QgsVectorLayer

KINDS = {"addresses": "Point", "petitions": "Point", "facilities": "Point", "roads": "LineString", "wards": "Polygon"}

database, target = urlsplit(sys.argv[1]), sys.argv[2]
application = QgsApplication([], False)
application.initQgis()
project = QgsProject.instance()
project.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
login = f"user='{database.username}' password='{unquote(database.password or '')}' sslmode=disable"
where = f"dbname='{database.path[1:]}' host={database.hostname} port={database.port} {login}"
ids = []
for name, kind in KINDS.items():
    source = f"{where} key='id' estimatedmetadata=true srid=4326 type={kind} checkPrimaryKeyUnicity='0'"
    layer = QgsVectorLayer(f'{source} table="public"."{name}" (geom)', name, "postgres")
    if not layer.isValid():
        sys.exit(f"QGIS cannot read public.{name}")
    layer.setShortName(name)
    project.addMapLayer(layer)
    ids.append(layer.id())
project.writeEntry("WFSLayers", "/", ids)
for each in ids:
    project.writeEntry("WFSLayersPrecision", f"/{each}", 8)
if not project.write(target):
    sys.exit(f"QGIS cannot write {target}")
application.exitQgis()

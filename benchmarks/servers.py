"""The project, its peers and the two floors: installed, configured for the five tables, started and stopped.

Peers from PyPI live in environments of their own, MapServer and QGIS Server come from the distribution."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from dataset import EAST, NORTH, SOUTH, TABLES, WEST
from psycopg.conninfo import conninfo_to_dict
from workloads import CityMap, Dialect, Fast, Floor, MapServer, Pygeoapi, Qgis, Tipg

from mapserver.settings import ROOT

HERE = Path(__file__).parent
PORT = 8840
START_S = 300
WEB = ["uvicorn", "uvloop", "httptools"]
ENVIRONMENTS = {
    "pygeoapi": ["pygeoapi", "psycopg2-binary", "sqlalchemy>2", "geoalchemy2", "pygeofilter[backend-sqlalchemy]",
                 "starlette", *WEB],
    "tipg": ["tipg", *WEB],
    "floors": ["fastapi", "asyncpg", "matplotlib", *WEB],
}  # fmt: skip
PACKAGES = {"/usr/bin/mapserv": "cgi-mapserver", "/usr/lib/cgi-bin/qgis_mapserv.fcgi": "qgis-server",
            "/usr/lib/python3/dist-packages/qgis": "python3-qgis", "/usr/sbin/lighttpd": "lighttpd"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: its process, and how it is asked."""

    name: str
    pid: int
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class Ground:
    """Where everything of the benchmark lives, and the database it asks."""

    home: Path
    dsn: str

    def program(self, environment: str, name: str) -> str:
        return str(self.home / environment / "bin" / name)

    @property
    def parts(self) -> dict[str, str]:
        """The database over TCP, which every peer understands."""
        parts = conninfo_to_dict(self.dsn)
        return {name: str(parts[name]) for name in ("port", "dbname", "user", "password")} | {"host": "127.0.0.1"}

    @property
    def url(self) -> str:
        """The same as a URL."""
        return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**self.parts)


def installed(home: Path) -> None:
    """Installs what is missing of the peers. Raises CalledProcessError when that fails."""
    missing = [package for path, package in PACKAGES.items() if not Path(path).exists()]
    if missing:
        print(f"apt-get install {' '.join(missing)}", flush=True)
        sudo = [] if os.geteuid() == 0 else ["sudo"]
        command = [*sudo, "apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for name, packages in ENVIRONMENTS.items():
        stamp = home / name / "installed"
        if not stamp.exists():
            print(f"pip install {' '.join(packages)}", flush=True)
            subprocess.run([sys.executable, "-m", "venv", home / name], check=True)
            pip = [home / name / "bin/pip", "install", "-q", "--disable-pip-version-check"]
            subprocess.run([*pip, *packages], check=True)
            stamp.touch()


@contextmanager
def running(ground: Ground, wanted: list[str]) -> Iterator[list[Server]]:
    """The wanted servers, each answering; ended afterwards."""
    with ExitStack() as house:
        yield [house.enter_context(_server(ground, name, PORT + place)) for place, name in enumerate(wanted)]


@contextmanager
def _server(ground: Ground, name: str, port: int) -> Iterator[Server]:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            sys.exit(f"somebody listens on port {port}; what {name} answers there would not be its own")
    base = f"http://127.0.0.1:{port}"
    command, environment, folder, dialect = LAUNCHES[name](ground, port, base)
    with (ground.home / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _answers(name, process, dialect)
        yield Server(name, process.pid, dialect)
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


def _answers(name: str, process: subprocess.Popen[bytes], dialect: Dialect) -> None:
    url = urlsplit(dialect.items("wards", "limit=1") or dialect.tile("wards", 10, 815, 481) or "")
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        client = HTTPConnection(url.hostname or "", url.port, timeout=30)
        try:
            client.request("GET", f"{url.path}?{url.query}")
            if client.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        finally:
            client.close()
        time.sleep(0.2)
    sys.exit(f"{name} does not answer at {url.geturl()}; see {name}.log in the folder of the benchmark")


Launch = tuple[list[str], dict[str, str], Path, Dialect]


def _citymap(ground: Ground, port: int, base: str) -> Launch:
    own = {"CITYMAP_LAYERS": str(HERE / "layers"), "DATABASE_URL": ground.url, "CITYMAP_CACHE": "off",
           "CITYMAP_DATA": str(ground.home / "citymap")}  # fmt: skip
    command = [sys.executable, "-m", "mapserver.cli", "serve", "--workers", "2", "--port", str(port)]
    return command, own, ROOT, CityMap(base)


def _fast(ground: Ground, port: int, base: str) -> Launch:
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--no-ws", "--log-level", "error"]
    command += ["--workers", "2", "--port", str(port), "fast:app"]
    return command, {"DATABASE_URL": ground.url, "PYTHONPATH": str(ROOT)}, HERE / "floors", Fast(base)


def _uvicorn(ground: Ground, environment: str, app: str, port: int) -> list[str]:
    command = [ground.program(environment, "uvicorn"), app, "--port", str(port), "--workers", "2", "--loop", "uvloop"]
    return [*command, "--http", "httptools", "--no-access-log", "--log-level", "warning"]


def _limit(ground: Ground, port: int, base: str) -> Launch:
    command = _uvicorn(ground, "floors", "limit:app", port)
    return command, {"DATABASE_URL": ground.url}, HERE / "floors", Floor(base)


def _tipg(ground: Ground, port: int, base: str) -> Launch:
    own = {"DATABASE_URL": ground.url, "TIPG_DB_SCHEMAS": '["public"]', "TIPG_MAX_FEATURES_PER_QUERY": "10000",
           "TIPG_MAX_FEATURES_PER_TILE": "10000000"}  # fmt: skip
    return _uvicorn(ground, "tipg", "tipg.main:app", port), own, ground.home, Tipg(base)


def _pygeoapi(ground: Ground, port: int, base: str) -> Launch:
    data = ground.parts | {"port": int(ground.parts["port"])}
    resources = {name: _pygeoapi_collection(name, data | {"search_path": ["public"]}) for name in TABLES}
    server = {"bind": {"host": "127.0.0.1", "port": port}, "url": base, "mimetype": "application/json",
              "encoding": "utf-8", "languages": ["en-US"], "cors": True, "pretty_print": False, "gzip": False,
              "limits": {"default_items": 10, "max_items": 10_000},
              "map": {"url": "https://tile.openstreetmap.org/{z}/{x}/{y}.png", "attribution": "-"}}  # fmt: skip
    contact = dict.fromkeys(("name", "position", "address", "city", "stateorprovince", "postalcode", "country", "phone",
                             "fax", "email", "hours", "instructions", "role"), "-")  # fmt: skip
    texts = {"title": {"en": "benchmark"}, "description": {"en": "benchmark"}, "keywords": {"en": ["benchmark"]}}
    metadata = {
        "identification": {**texts, "keywords_type": "theme", "terms_of_service": "-", "url": base},
        "license": {"name": "CC0", "url": base},
        "provider": {"name": "-", "url": base},
        "contact": {**contact, "url": base},
    }
    file, openapi = ground.home / "pygeoapi.yml", ground.home / "pygeoapi.openapi.yml"
    config = {"server": server, "logging": {"level": "ERROR"}, "metadata": metadata, "resources": resources}
    file.write_text(yaml.safe_dump(config))
    own = {"PYGEOAPI_CONFIG": str(file), "PYGEOAPI_OPENAPI": str(openapi)}
    made = [ground.program("pygeoapi", "pygeoapi"), "openapi", "generate", str(file), "--output-file", str(openapi)]
    subprocess.run(made, env={**os.environ, **own}, check=True, stdout=subprocess.DEVNULL)
    return _uvicorn(ground, "pygeoapi", "pygeoapi.starlette_app:APP", port), own, ground.home, Pygeoapi(base)


def _pygeoapi_collection(name: str, data: dict[str, object]) -> dict[str, object]:
    crs84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
    provider = {"type": "feature", "name": "PostgreSQL", "data": data, "id_field": "id", "table": name,
                "geom_field": "geom"}  # fmt: skip
    box = {"spatial": {"bbox": [WEST, SOUTH, EAST, NORTH], "crs": crs84}}
    told = {"title": name, "description": name, "keywords": [name], "links": [], "extents": box}
    return {"type": "collection", **told, "providers": [provider]}


def _mapserver(ground: Ground, port: int, base: str) -> Launch:
    address = " ".join(f"{name}={value}" for name, value in ground.parts.items())
    kinds = {"wards": "POLYGON", "roads": "LINE"}
    layers = "".join(_map_layer(name, kinds.get(name, "POINT"), address) for name in TABLES)
    templates = "/usr/share/mapserver/ogcapi/templates/html-bootstrap4/"
    (ground.home / "city.map").write_text(MAP.format(base=base, templates=templates, layers=layers, **BOX))
    pattern = f'CONFIG ENV MS_MAP_PATTERN "^{ground.home}/" MS_MODE "PRODUCTION" END'
    file = ground.home / "mapserver.conf"
    file.write_text(
        f'{pattern} MAPS CITY "{ground.home}/city.map" END END\n'.replace(" ENV", "\nENV\n").replace('" ', '"\n')
    )
    own = {"MAPSERVER_CONFIG_FILE": str(file)}
    return _lighttpd(ground, "/usr/bin/mapserv", own, MapServer(base))


BOX = {"west": WEST, "south": SOUTH, "east": EAST, "north": NORTH}
MAP = """MAP NAME "CITY" EXTENT {west} {south} {east} {north} SIZE 256 256 PROJECTION "init=epsg:4326" END
OUTPUTFORMAT NAME "mvt" DRIVER MVT FORMATOPTION "EDGE_BUFFER=4" EXTENSION "pbf" END
OUTPUTFORMAT NAME "geojson" DRIVER "OGR/GEOJSON" MIMETYPE "application/geo+json" FORMATOPTION "FORM=SIMPLE"
  FORMATOPTION "STORAGE=memory" END
WEB METADATA "ows_title" "city" "ows_onlineresource" "{base}/ms/CITY/" "oga_onlineresource" "{base}/ms/CITY/ogcapi"
  "ows_srs" "EPSG:4326 EPSG:3857" "ows_enable_request" "*" "ows_extent" "{west} {south} {east} {north}"
  "oga_max_limit" "10000" "oga_html_template_directory" "{templates}" "tile_map_edge_buffer" "4" END END
{layers}END
"""


def _map_layer(name: str, kind: str, address: str) -> str:
    told = {"ows_title": name, "ows_enable_request": "*", "gml_include_items": "all", "gml_featureid": "id",
            "ows_featureid": "id", "ows_include_items": "all", "oga_max_limit": "10000", "ows_srs": "EPSG:4326",
            "ows_extent": f"{WEST} {SOUTH} {EAST} {NORTH}",
            "wfs_use_default_extent_for_getfeature": "false"}  # fmt: skip
    said = " ".join(f'"{key}" "{value}"' for key, value in told.items())
    return f"""LAYER NAME "{name}" TYPE {kind} STATUS ON CONNECTIONTYPE POSTGIS CONNECTION "{address}"
  DATA "geom from {name} using unique id using srid=4326" PROCESSING "CLOSE_CONNECTION=DEFER" TEMPLATE "void"
  PROJECTION "init=epsg:4326" END EXTENT {WEST} {SOUTH} {EAST} {NORTH}
  METADATA {said} END
  CLASS STYLE COLOR 0 0 0 END END END
"""


def _qgis(ground: Ground, port: int, base: str) -> Launch:
    project = ground.home / "city.qgs"
    system = shutil.which("python3", path="/usr/bin") or "python3"
    told = {"QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8", "HOME": str(ground.home)}
    subprocess.run([system, HERE / "qgis_project.py", ground.url, project], env={**os.environ, **told}, check=True)
    own = {**told, "QGIS_PROJECT_FILE": str(project), "QGIS_SERVER_API_WFS3_MAX_LIMIT": "10000",
           "XDG_RUNTIME_DIR": str(ground.home), "QGIS_SERVER_LOG_LEVEL": "2"}  # fmt: skip
    return _lighttpd(ground, "/usr/lib/cgi-bin/qgis_mapserv.fcgi", own, Qgis(base))


def _lighttpd(ground: Ground, program: str, own: dict[str, str], dialect: Dialect) -> Launch:
    """Two FastCGI processes behind lighttpd, as their manuals set them up."""
    name, port, prefix = Path(program).name, urlsplit(dialect.base).port, "/" + dialect.base.split("/")[3]
    told = ", ".join(f'"{key}" => "{value}"' for key, value in own.items())
    file = ground.home / f"{name}.lighttpd"
    file.write_text(
        f'server.document-root = "{ground.home}"\nserver.bind = "127.0.0.1"\nserver.port = {port}\n'
        'server.modules = ( "mod_fastcgi" )\nserver.max-keep-alive-requests = 100000\n'
        f'fastcgi.server = ( "{prefix}" => (( "bin-path" => "{program}", "socket" => "{ground.home}/{name}.sock",\n'
        f'  "check-local" => "disable", "max-procs" => 2, "bin-environment" => ( {told} ) )) )\n'
    )
    return ["/usr/sbin/lighttpd", "-D", "-f", str(file)], {}, ground.home, dialect


LAUNCHES = {
    "citymap": _citymap,
    "fast-pq": _fast,
    "limit": _limit,
    "pygeoapi": _pygeoapi,
    "TiPg": _tipg,
    "MapServer": _mapserver,
    "QGIS Server": _qgis,
}
"""How each server is started, in the order of the table's columns."""

"""A source file on this machine: fetched, unpacked, told by its content, and summed up."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import httpx

from mapserver.errors import BadLoad
from mapserver.layer import Layer

SPATIAL = (".shp", ".tab", ".mif", ".gpkg", ".gdb", ".geojson", ".json", ".csv", ".xlsx", ".parquet", ".pbf", ".kml",
           ".gml", ".fgb", ".tif", ".tiff")  # fmt: skip
"""What an archive is searched for, best first."""
KNOWN = (
    "OSM PBF, GeoPackage, GeoJSON, Shapefile (.shp or .zip), MapInfo TAB/MIF, File Geodatabase (.gdb), CSV, XLSX, "
    "GeoParquet"
)
_OGR = frozenset(
    {".shp", ".tab", ".mif", ".gpkg", ".gdb", ".kml", ".gml", ".fgb", ".geojson", ".json", ".dxf", ".sqlite"}
)
_HEADS: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "parquet"),
    (b"SQLite format 3\x00", "ogr"),
    (b"\x00\x00\x27\x0a", "ogr"),
    (b"fgb\x03", "ogr"),
    (b"II*\x00", "raster"),
    (b"MM\x00*", "raster"),
    (b"\xd0\xcf\x11\xe0", "workbook"),
    (b"PK\x03\x04", "zip"),
)


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read for one layer. name: as the person named it, for messages."""

    path: Path
    layer: Layer
    name: str = ""
    encoding: str | None = None
    crs: str | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        object.__setattr__(self, "name", self.name or str(self.path))


def content(source: Source) -> str:
    """What a file really is: `osm`, `csv`, `workbook`, `parquet`, `raster` or `ogr`. Raises BadLoad when none."""
    path, suffix = source.path, source.path.suffix.lower()
    if not path.exists():
        raise BadLoad(source.name, "there is no such file")
    if path.is_dir():
        if suffix != ".gdb":
            raise BadLoad(source.name, "is a folder; expected a file, or a File Geodatabase (.gdb)")
        return "ogr"
    head = _head(path)
    if not head.strip():
        raise BadLoad(source.name, "is empty (0 bytes of data)" if not head else "holds only blanks")
    if head.lstrip()[:64].lower().startswith((b"<!doctype html", b"<html")):
        raise BadLoad(source.name, f"is a web page, not a {suffix or 'data'} file; was a login page downloaded?")
    kind = _kind(head, suffix)
    if kind is None:
        raise BadLoad(source.name, f"is not a format this reads; expected {KNOWN}")
    _agree(source, kind, head, suffix)
    return kind


def fetched(url: str, folder: Path) -> Path:
    """Download a URL into a folder, streaming. Raises BadLoad with the server's answer."""
    import httpx  # late: it starts in 0.1 s, and few sources are addresses

    target = folder / (Path(unquote(urlsplit(url).path)).name or "download")
    try:
        with httpx.stream("GET", url, follow_redirects=True, timeout=httpx.Timeout(30.0)) as answer:
            if answer.status_code != httpx.codes.OK:
                raise BadLoad(url, f"the server answered {answer.status_code} {answer.reason_phrase}")
            with target.open("wb") as file:
                for chunk in answer.iter_bytes(1 << 20):
                    file.write(chunk)
            _whole(url, answer)
    except httpx.HTTPError as error:
        raise BadLoad(url, f"could not be downloaded: {error}") from error
    except OSError as error:
        raise BadLoad(url, f"could not be kept: {error.strerror}") from error
    return target


def unpacked(path: Path, folder: Path, name: str) -> Path:
    """The spatial file inside an archive, unpacked into a folder; any other path as it is."""
    if not path.is_file() or _head(path)[:4] != b"PK\x03\x04" or path.suffix.lower() in (".xlsx", ".xlsm", ".ods"):
        return path
    try:
        with zipfile.ZipFile(path) as archive:
            inner = _inner(archive, name)
            if inner is None:
                return path
            room, needed = shutil.disk_usage(folder).free, sum(member.file_size for member in archive.infolist())
            if needed > room:
                raise BadLoad(name, f"unpacks to {needed >> 20} MiB, but only {room >> 20} MiB are free")
            archive.extractall(folder / "unpacked")
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise BadLoad(name, f"is a damaged or locked ZIP archive: {error}") from error
    return folder / "unpacked" / inner


def checksum(path: Path) -> str:
    """SHA-256 over a file, or over all files of a data set (Shapefile, TAB, geodatabase)."""
    total = hashlib.sha256()
    for file in family(path):
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                total.update(chunk)
    return total.hexdigest()


def family(path: Path) -> Iterator[Path]:
    """The files a data set is made of, in a fixed order."""
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif path.suffix.lower() in (".shp", ".tab", ".mif"):
        yield from sorted(file for file in path.parent.glob(f"{_escaped(path.stem)}.*") if file.is_file())
    else:
        yield path


def _escaped(stem: str) -> str:
    return "".join(f"[{c}]" if c in "[]*?" else c for c in stem)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise BadLoad(str(path), f"cannot be read: {error.strerror}") from error


def _kind(head: bytes, suffix: str) -> str | None:
    for start, kind in _HEADS:
        if head.startswith(start):
            return {"zip": "workbook" if suffix in (".xlsx", ".xlsm", ".ods", ".xls") else None}.get(kind, kind)
    if b"OSMHeader" in head[:64]:
        return "osm"
    if suffix in _OGR:
        return "ogr"
    if head.lstrip()[:1] in (b"{", b"["):
        return "ogr"
    return "csv" if suffix in (".csv", ".txt", ".tsv", "") and _is_text(head) else None


def _is_text(head: bytes) -> bool:
    """Hardly any control characters; UTF-16 has NULs of its own."""
    controls = sum(byte < 0x20 and byte not in b"\t\n\r" for byte in head)
    return head.startswith((b"\xff\xfe", b"\xfe\xff")) or controls <= len(head) // 20


def _agree(source: Source, kind: str, head: bytes, suffix: str) -> None:
    """A file that is not what its name says gets one clear message."""
    said = {".xlsx": "workbook", ".xlsm": "workbook", ".parquet": "parquet", ".pbf": "osm", ".gpkg": "ogr"}.get(suffix)
    if suffix == ".gpkg" and not head.startswith(b"SQLite"):
        raise BadLoad(source.name, "is named .gpkg but is not a GeoPackage (it does not begin with `SQLite format 3`)")
    if suffix == ".shp" and not head.startswith(b"\x00\x00\x27\x0a"):
        raise BadLoad(source.name, "is named .shp but is not a Shapefile (its first bytes are not 00 00 27 0A)")
    if suffix in (".geojson", ".json") and head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] not in (b"{", b"["):
        raise BadLoad(source.name, f"is named {suffix} but does not begin with {{ as JSON does")
    if said and said != kind:
        raise BadLoad(source.name, f"is named {suffix} but holds something else ({kind})")


def _whole(url: str, answer: httpx.Response) -> None:
    promised = answer.headers.get("content-length")
    if promised and promised.isdigit() and answer.num_bytes_downloaded < int(promised):
        raise BadLoad(url, f"broke off after {answer.num_bytes_downloaded} of {promised} bytes; try again")


def _inner(archive: zipfile.ZipFile, name: str) -> str | None:
    """The spatial file of an archive; an XLSX file is an archive too and has none."""
    names = [n for n in archive.namelist() if "__MACOSX" not in n]
    if "[Content_Types].xml" in names or "mimetype" in names:
        return None
    databases = sorted({n[: n.lower().index(".gdb/") + 4] for n in names if ".gdb/" in n.lower()})
    if databases:
        return databases[0]
    for suffix in SPATIAL:
        found = sorted(n for n in names if n.lower().endswith(suffix))
        if len(found) > 1:
            raise BadLoad(name, f"holds several {suffix} files: {', '.join(found[:6])}; unpack it and name one")
        if found:
            return found[0]
    raise BadLoad(name, f"holds no file of a known format; expected {KNOWN}")

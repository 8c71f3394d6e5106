"""A backup is one file: all of the schemas `citymap`, `layers` and `history`, and the rasters of the data folder.

So nothing precious can be forgotten: a table is in it by standing in the schema. A restore goes into an empty place
only; it never mixes two cities."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from mapserver import __version__, history, versions
from mapserver.cluster import programs
from mapserver.database import Database
from mapserver.errors import BadQuery, BadSetup
from mapserver.raster import FOLDER
from mapserver.tables import SCHEMA

KEPT = ("citymap", SCHEMA, history.SCHEMA)
DUMP, ABOUT = "database.dump", "about.json"
_LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "options": "PGOPTIONS",
    "sslmode": "PGSSLMODE",
}


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup file holds. rows: by table, schema-qualified."""

    version: str
    made_at: str
    rows: dict[str, int]


def backup(database: Database, data: Path, file: Path) -> Backup:
    """Writes one file that `restore` makes the whole city of; an interrupted one leaves nothing. Raises BadQuery."""
    if file.exists():
        raise BadQuery("FILE", f"{file} is there already; choose another name")
    if not file.parent.is_dir():
        raise BadQuery("FILE", f"there is no folder {file.parent}")
    about = Backup(__version__, datetime.now(UTC).isoformat(timespec="seconds"), rows(database.owner_dsn))
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=file.parent) as room:
        dump, whole = Path(room) / DUMP, Path(room) / file.name
        schemas = [f"--schema={name}" for name in KEPT]
        _program("pg_dump", database.owner_dsn, "--format=custom", *schemas, f"--file={dump}")
        (Path(room) / ABOUT).write_text(
            json.dumps({"version": about.version, "made_at": about.made_at, "rows": about.rows})
        )
        _pack(whole, Path(room), data / FOLDER)
        whole.replace(file)
    return about


def restore(admin_dsn: str, data: Path, file: Path) -> Backup:
    """Makes the city of a backup in a database that has roles and extensions, but no city yet. Raises BadQuery."""
    about = contents(file)
    with psycopg.connect(admin_dsn) as conn:
        there = conn.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY (%s)", ([*KEPT],)).fetchall()
    if there:
        raise BadQuery("CITYMAP_DATA", "a city is there already; restore into an empty data folder or database")
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=data) as room:
        _unpack(file, Path(room))
        arguments = ("--single-transaction", "--exit-on-error", f"--dbname={conninfo_to_dict(admin_dsn)['dbname']}")
        _program("pg_restore", admin_dsn, *arguments, str(Path(room) / DUMP))
        _renumber(admin_dsn, about)
        (data / FOLDER).mkdir(exist_ok=True)
        for raster in Path(room).glob("*.tif"):
            raster.replace(data / FOLDER / raster.name)
    return about


def _renumber(admin_dsn: str, about: Backup) -> None:
    """Versions that a transaction of the old cluster began or ended were, for the new one, always so."""
    kept = [name for schema, _, name in (table.partition(".") for table in about.rows) if schema == history.SCHEMA]
    with psycopg.connect(admin_dsn) as conn:
        for statement in (statement for name in kept for statement in history.restored(name)):
            conn.execute(statement.encode())
        conn.execute(versions.RESTORED.encode())


def contents(file: Path) -> Backup:
    """What a backup file says of itself. Raises BadQuery for anything that is no backup."""
    try:
        with tarfile.open(file) as tar:
            about = tar.extractfile(ABOUT)
            said = json.loads(about.read()) if about else {}
            if not tar.getmember(DUMP).isfile():
                raise KeyError(DUMP)
        return Backup(said["version"], said["made_at"], said["rows"])
    except FileNotFoundError:
        raise BadQuery("FILE", f"there is no file {file}") from None
    except (OSError, tarfile.TarError, ValueError, KeyError) as error:
        raise BadQuery("FILE", f"{file} is no whole backup of CityMap ({error})") from error


def rows(dsn: str) -> dict[str, int]:
    """Number of rows of every table that a backup holds."""
    query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY (%s) ORDER BY 1, 2"
    counted: dict[str, int] = {}
    with psycopg.connect(dsn) as conn:
        for schema, table in conn.execute(query, ([*KEPT],)).fetchall():
            row = conn.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table))).fetchone()
            counted[f"{schema}.{table}"] = row[0] if row else 0
    return counted


def _pack(whole: Path, room: Path, rasters: Path) -> None:
    with tarfile.open(whole, "w") as tar:
        for name in (ABOUT, DUMP):
            tar.add(room / name, name)
        if rasters.is_dir():
            tar.add(rasters, FOLDER)


def _unpack(file: Path, room: Path) -> None:
    """The dump and the rasters, each under its own bare name, whatever path the file gives it."""
    with tarfile.open(file) as tar:
        for member in tar:
            name, content = Path(member.name).name, tar.extractfile(member)
            if content is not None and (name == DUMP or name.endswith(".tif")):
                with (room / name).open("xb") as target:
                    shutil.copyfileobj(content, target)


def _program(name: str, dsn: str, *arguments: str) -> None:
    """Runs a program of PostgreSQL; the password goes by its environment, where no other user can read it."""
    parts = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "PGCONNECT_TIMEOUT": "10"}
    env |= {variable: parts[key] for key, variable in _LIBPQ.items() if key in parts}
    command = [str(programs() / name), "--no-password", *arguments]
    done = subprocess.run(command, env=env, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise BadSetup(name, " ".join(done.stderr.split()) or f"ended with code {done.returncode}")

"""What stands in the database: made ready at start, and compared with the catalogue before anybody is served.

On the private cluster everything is ours. On a PostGIS of somebody else's only roles, our two schemas and private
spatial reference rows are added; a row that was there is never touched, and a missing right is named in words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from mapserver import crs, existing, generalised, history, names, tables, tallies, versions
from mapserver.catalogue import Catalogue, Problem
from mapserver.cluster import APP, OLDEST, Cluster
from mapserver.datafolder import held, holder
from mapserver.errors import BadCatalogue, BadSetup
from mapserver.layer import Layer
from mapserver.settings import Settings
from mapserver.systems.areas import defaults
from mapserver.systems.petitions import drawing

LOADER, CALLERS = tables.LOADER, (tables.READER, tables.INSIDER, tables.CLERK)
SCHEMAS = ("citymap", tables.SCHEMA, history.SCHEMA, generalised.SCHEMA, "staging")
EXTENSIONS = ("postgis", "unaccent", "pg_trgm")
STEPS = Path(__file__).parent / "migrations"
ADVISORY_LOCK = 0x6369_7479
"""Two servers on one foreign database make it ready one after the other."""

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Database:
    """Addresses of a database that is ready.

    admin: for set-up and backup; owner: acts as citymap_loader, for loads and commands; app: for web workers."""

    admin_dsn: str
    owner_dsn: str
    app_dsn: str


@contextmanager
def started(settings: Settings) -> Iterator[tuple[str, str | None]]:
    """(admin, app) addresses of the database of these settings, as it is, for one command.

    The private cluster of a server is used; else it is started, then stopped. app is None on a foreign PostGIS."""
    if settings.database_url:
        yield settings.database_url, None
        return
    cluster, now = Cluster(settings.data), holder(settings.data)
    if cluster.running and now is not None and now.what == "server":
        yield cluster.owner_dsn, cluster.app_dsn
        return
    with held(settings.data, "command"):
        try:
            cluster.start()
            yield cluster.owner_dsn, cluster.app_dsn
        finally:
            cluster.stop()


@contextmanager
def opened(settings: Settings, catalogue: Catalogue, *, refuse: bool = True) -> Iterator[Database]:
    """The database of these settings, started if need be and made ready for the catalogue, for one command."""
    with started(settings) as (admin_dsn, app_dsn):
        yield prepare(admin_dsn, catalogue, app_dsn, refuse=refuse)


def found(admin_dsn: str, *, private: bool) -> None:
    """Extensions, roles and spatial references: what stands before any schema of ours does."""
    with _connected(admin_dsn) as conn:
        _found(conn, private=private)


def prepare(admin_dsn: str, catalogue: Catalogue, app_dsn: str | None = None, *, refuse: bool = True) -> Database:
    """Makes a database ready for the catalogue, whatever state it is in; quick when it already is.

    app_dsn: the web workers' login on the private cluster; None on somebody else's PostGIS.
    Raises BadSetup for a missing right or program and, unless told not to refuse, BadCatalogue naming every promise
    of a layer that its table breaks."""
    with _connected(admin_dsn) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
        _found(conn, private=app_dsn is not None)
        _schemas(conn)
        conn.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(LOADER)))
        if not _newest(conn):
            _upgrade(acting(admin_dsn, LOADER))
        for folder in {layer.folder for layer in catalogue}:
            defaults.fill(conn, folder)
        problems = _agree(conn, catalogue)
    if problems and refuse:
        raise BadCatalogue("", "\n".join(map(str, problems)))
    return Database(admin_dsn, acting(admin_dsn, LOADER), app_dsn or admin_dsn)


def renew(owner_dsn: str, layer: Layer) -> None:
    """Throws a layer's table away and makes it empty, as its file has it now; views come back at the next start."""
    with _connected(owner_dsn) as conn, conn.transaction():
        _run(conn, [f"DROP TABLE IF EXISTS {layer.table} CASCADE"])
        _run(conn, [*tables.create(layer), *tables.indexes(layer), *tables.grants(layer), *_followed(layer)])


def acting(dsn: str, role: str) -> str:
    """The same address, as a URL whose sessions act as `role` from their first statement."""
    parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    user, password = parts.pop("user", ""), parts.pop("password", "")
    name = parts.pop("dbname", user)
    parts["options"] = f"{parts.get('options', '')} -c role={role}".strip()
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    return f"postgresql://{login}@/{quote(name, safe='')}?{urlencode(parts, quote_via=quote)}"


def check(conn: Connection, catalogue: Catalogue) -> Iterator[Problem]:
    """Every difference between what the layers promise and what stands in the database, with its remedy."""
    columns, indexes = _columns(conn), _indexes(conn)
    for layer in catalogue.vector:
        file = f"{layer.name}.yml"
        if layer.name not in columns:
            yield Problem(file, "", f"{layer.table} is missing; start the server as the owner of the database once")
            continue
        if layer.existing is not None:
            yield from existing.faults(conn, layer, layer.existing)
            continue
        yield from _column_faults(layer, columns[layer.name])
        if layer.origin == "ingest":
            yield from _index_faults(layer, indexes.get(layer.name, set()))


@contextmanager
def _connected(dsn: str) -> Iterator[Connection]:
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as conn:
            if conn.info.server_version < OLDEST * 10000:
                raise BadSetup(
                    "DATABASE_URL",
                    f"PostgreSQL {OLDEST} or newer is needed, this is {conn.info.server_version // 10000}",
                )
            yield conn
    except psycopg.OperationalError as error:
        raise BadSetup("DATABASE_URL", f"the database cannot be reached: {' '.join(str(error).split())}") from error


@contextmanager
def _right(remedy: str) -> Iterator[None]:
    """Turns a refused statement into words: which right is missing, and what its giver would run."""
    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile) as error:
        raise BadSetup(
            "DATABASE_URL", f"{error.diag.message_primary}; have the database's administrator run: {remedy}"
        ) from error


def _found(conn: Connection, *, private: bool) -> None:
    _extensions(conn)
    _roles(conn, private=private)
    _references(conn, private=private)


def _extensions(conn: Connection) -> None:
    there = {name for (name,) in conn.execute("SELECT extname FROM pg_extension")}
    for name in EXTENSIONS:
        if name not in there:
            with _right(f"CREATE EXTENSION {name}"):
                conn.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(name)))


def _roles(conn: Connection, *, private: bool) -> None:
    """The roles, and who may act as them: the web workers' login as a caller, the administrator as the loader."""
    there = {name for (name,) in conn.execute("SELECT rolname FROM pg_roles")}
    for name in (LOADER, *CALLERS, *(() if private else (APP,))):
        if name not in there:
            with _right(f"CREATE ROLE {name} NOLOGIN"):
                conn.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    _memberships(conn, APP, CALLERS)
    _memberships(conn, tables.CLERK, (tables.READER,))  # a written feature is joined to its ward
    if not private:
        _memberships(conn, None, (LOADER, *CALLERS))


def _memberships(conn: Connection, member: str | None, roles: tuple[str, ...]) -> None:
    """Lets `member` (None: the connected user) act as each role."""
    name = member or conn.info.user
    for role in roles:
        row = conn.execute("SELECT pg_has_role(%s, %s, 'MEMBER')", (name, role)).fetchone()
        if row == (True,):
            continue
        grant = sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(name))
        with _right(grant.as_string()):
            conn.execute(grant)


def _schemas(conn: Connection) -> None:
    there = {name for (name,) in conn.execute("SELECT nspname FROM pg_namespace")}
    for name in SCHEMAS:
        if name not in there:
            with _right(f"CREATE SCHEMA {name} AUTHORIZATION {LOADER}"):
                conn.execute(
                    sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(name), sql.Identifier(LOADER))
                )
    conn.execute(
        sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
            sql.Identifier(tables.SCHEMA), sql.SQL(", ").join(map(sql.Identifier, (*CALLERS, APP)))
        )
    )
    for name in (history.SCHEMA, generalised.SCHEMA):
        conn.execute(
            sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(
                sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, CALLERS))
            )
        )


def _references(conn: Connection, *, private: bool) -> None:
    """Spatial reference rows that run the pinned datum operation; EPSG's own only where the cluster is ours."""
    wanted = {grid.srid: grid.proj4 or "" for grid in crs.VN2000.values()}
    if private:
        wanted |= {code: grid.proj4 or "" for code, grid in crs.VN2000.items()}
    rows = conn.execute(
        "SELECT srid, proj4text FROM spatial_ref_sys WHERE srid = ANY (%s) AND (srid > %s OR auth_name IS NULL)",
        ([*wanted], crs.PRIVATE_SRID),
    )
    there = {srid: str(text).strip() for srid, text in rows}
    strange = [srid for srid, text in there.items() if text != wanted[int(str(srid))]]
    if strange and not private:
        raise BadSetup(
            "DATABASE_URL",
            f"spatial_ref_sys holds other definitions for our private SRIDs {strange}; remove those rows",
        )
    missing = [(srid, text) for srid, text in wanted.items() if there.get(srid) != text]
    if missing:
        _insert_references(conn, missing, replace=private)


def _insert_references(conn: Connection, rows: list[tuple[int, str]], *, replace: bool) -> None:
    """auth_name and srtext stay empty, so that PROJ has nothing but our text to go by."""
    on_conflict = (
        "DO UPDATE SET auth_name = NULL, auth_srid = NULL, srtext = NULL, proj4text = excluded.proj4text"
        if replace
        else "DO NOTHING"
    )
    insert = f"INSERT INTO spatial_ref_sys (srid, proj4text) VALUES (%s, %s) ON CONFLICT (srid) {on_conflict}"
    with _right(f"GRANT INSERT ON spatial_ref_sys TO {conn.info.user}"), conn.cursor() as cursor:
        cursor.executemany(insert, rows)


def _newest(conn: Connection) -> bool:
    """Whether the last step of the precious schema was run; a step's file begins with its number."""
    if conn.execute("SELECT to_regclass('citymap.alembic_version')").fetchone() == (None,):
        return False
    last = max(file.name[:4] for file in (STEPS / "versions").glob("[0-9]*.py"))
    return conn.execute("SELECT version_num FROM citymap.alembic_version").fetchone() == (last,)


def _upgrade(dsn: str) -> None:
    """Runs the steps of the precious schema that have not been run."""
    from alembic import command  # late: it starts in half a second, and hardly any start has a step to run
    from alembic.config import Config  # as above
    from alembic.util import CommandError  # as above

    config = Config()
    config.set_main_option("script_location", str(STEPS).replace("%", "%%"))
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise BadSetup(
            "schema citymap", f"was made by a newer CityMap ({error}); use that one, or restore a backup"
        ) from error


def _agree(conn: Connection, catalogue: Catalogue) -> list[Problem]:
    """Brings tables, views and grants to what the catalogue says, unless they are there already; what is left wrong."""
    fingerprint, problems = _fingerprint(catalogue), [*check(conn, catalogue)]
    row = conn.execute("SELECT obj_description(%s::regnamespace)", (tables.SCHEMA,)).fetchone()
    if not problems and row == (fingerprint,):
        return []
    with conn.transaction() as whole:
        conn.execute("SET LOCAL lock_timeout = '30s'")
        _drop_views(conn)
        _make_tables(conn, catalogue, {problem.file.removesuffix(".yml") for problem in problems})
        stored = Catalogue({layer.name: layer for layer in catalogue.vector if layer.origin == "ingest"})
        if left := [*check(conn, stored)]:
            raise psycopg.Rollback(whole)
        served = [(layer, layer.existing) for layer in catalogue.vector if layer.existing is not None]
        if left := [fault for layer, table in served for fault in existing.faults(conn, layer, table)]:
            raise psycopg.Rollback(whole)
        if served:
            existing.shown(conn, served)
        _make_views(conn, catalogue)
        ours = [layer for layer in catalogue.vector if layer.existing is None]
        _run(conn, [*versions.ground(), *generalised.ground()])
        _run(conn, [s for layer in ours for s in (*tables.grants(layer), *_followed(layer))])
        _run(conn, [f"COMMENT ON SCHEMA {tables.SCHEMA} IS {tables.literal(fingerprint)}"])
    return left or [*check(conn, catalogue)]


def _followed(layer: Layer) -> list[str]:
    """What is kept up beside a layer's table as that changes: history, counts by ward, version, index of names."""
    followed = [*history.follow(layer), *tallies.follow(layer), *versions.follow(layer), *names.follow(layer)]
    return [*followed, *drawing.follow(layer), *generalised.follow(layer)]


def _fingerprint(catalogue: Catalogue) -> str:
    """Names everything that `_agree` would run."""
    digest = hashlib.sha256("\n".join([*versions.ground(), *generalised.ground()]).encode())
    for layer in catalogue.vector:
        made = tables.view(layer) if layer.origin == "view" else [*tables.create(layer), *tables.indexes(layer)]
        made = tables.stand_in(layer, layer.existing, whole=True) if layer.existing else made
        digest.update("\n".join([*made, *tables.grants(layer), *_followed(layer)]).encode())
    return f"CityMap layers, made from catalogue {digest.hexdigest()}"


def _make_tables(conn: Connection, catalogue: Catalogue, wrong: set[str]) -> None:
    """Makes missing tables, and those in `wrong` again that never held anything."""
    for layer in catalogue.vector:
        if layer.name in wrong and layer.origin == "ingest" and _never_filled(conn, layer):
            _run(conn, [f"DROP TABLE IF EXISTS {layer.table}", *tables.create(layer), *tables.indexes(layer)])


def _make_views(conn: Connection, catalogue: Catalogue) -> None:
    """Makes every view anew. Raises BadCatalogue naming the file that PostgreSQL refuses."""
    for layer in _ordered_views(catalogue):
        try:
            _run(conn, tables.view(layer))
        except psycopg.Error as error:
            raise BadCatalogue(f"{layer.name}.sql", " ".join(str(error).split())) from error


def _drop_views(conn: Connection) -> None:
    rows = conn.execute("SELECT viewname FROM pg_views WHERE schemaname = %s", (tables.SCHEMA,))
    names = ", ".join(f"{tables.SCHEMA}.{tables.quoted(str(name))}" for (name,) in rows)
    if names:
        _run(conn, [f"DROP VIEW {names} CASCADE"])


def _never_filled(conn: Connection, layer: Layer) -> bool:
    """Whether a layer's table is missing, or is empty and was never loaded: nothing is lost by making it again."""
    if conn.execute("SELECT to_regclass(%s)", (layer.table,)).fetchone() == (None,):
        return True
    loaded = "EXISTS (SELECT FROM citymap.load WHERE layer = %s AND finished_at IS NOT NULL)"
    query = f"SELECT {loaded} OR EXISTS (SELECT FROM {layer.table})"
    return conn.execute(query.encode(), (layer.name,)).fetchone() == (False,)


def _ordered_views(catalogue: Catalogue) -> list[Layer]:
    """View layers, each after the views that it reads."""
    views = {layer.name: layer for layer in catalogue.vector if layer.origin == "view"}
    reads = {name: (layer.reads & views.keys()) - {name} for name, layer in views.items()}
    try:
        return [views[name] for name in TopologicalSorter(reads).static_order()]
    except CycleError as error:
        raise BadCatalogue("", f"these views read each other in a circle: {', '.join(error.args[1])}") from error


def _run(conn: Connection, statements: list[str]) -> None:
    """Runs statements made of catalogue names in one round trip."""
    if statements:
        conn.execute(";\n".join(statements).encode())


def _columns(conn: Connection) -> dict[str, dict[str, str]]:
    """Type of each column, by table or view of the schema `layers`."""
    rows = conn.execute(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = %s::regnamespace AND c.relkind IN ('r', 'v', 'p', 'm')
        """,
        (tables.SCHEMA,),
    )
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        found.setdefault(str(table), {})[str(column)] = str(kind)
    return found


def _indexes(conn: Connection) -> dict[str, set[tuple[str, str, bool]]]:
    """(first column, method, unique) of each valid index, by table of the schema `layers`."""
    rows = conn.execute(
        """
        SELECT c.relname, a.attname, m.amname, i.indisunique AND i.indnkeyatts = 1
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_class x ON x.oid = i.indexrelid
        JOIN pg_am m ON m.oid = x.relam
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
        WHERE c.relnamespace = %s::regnamespace AND i.indisvalid AND i.indpred IS NULL
        """,
        (tables.SCHEMA,),
    )
    found: dict[str, set[tuple[str, str, bool]]] = {}
    for table, column, method, unique in rows:
        found.setdefault(str(table), set()).add((str(column), str(method), bool(unique)))
    return found


def _column_faults(layer: Layer, there: dict[str, str]) -> Iterator[Problem]:
    remedy = f"run `citymap layers renew {layer.name}` and load it again"
    if layer.origin == "view":
        remedy = f"mend layers/{layer.name}.sql"
    for name, kind in tables.column_types(layer).items():
        key = f"columns.{name}"
        if name not in there:
            yield Problem(f"{layer.name}.yml", key, f"{layer.table} lacks this column; {remedy}")
        elif there[name] != kind and not (kind == "geometry" and there[name].startswith("geometry(")):
            yield Problem(
                f"{layer.name}.yml", key, f"{layer.table} has {there[name]}, the layer promises {kind}; {remedy}"
            )


def _index_faults(layer: Layer, there: set[tuple[str, str, bool]]) -> Iterator[Problem]:
    statements = dict(zip(tables.index_names(layer).items(), tables.indexes(layer), strict=True))
    for (index, column), statement in statements.items():
        method = "gist" if column == "geom" else "btree"
        fits = {(column, method, True)} if column == layer.key else {(column, method, True), (column, method, False)}
        if not fits & there:
            yield Problem(
                f"{layer.name}.yml", f"columns.{column}", f"{layer.table} lacks the index {index}; run: {statement}"
            )
    if ("id", "btree", True) not in there:
        yield Problem(
            f"{layer.name}.yml", "", f"{layer.table} has no primary key on id; run `citymap layers renew {layer.name}`"
        )

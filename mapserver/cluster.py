"""A private PostgreSQL + PostGIS cluster in the data folder, made of the system's own packages.

It runs as an unprivileged user, listens on loopback and a socket only, is durable (checksums, fsync), and starts again
after any kill. It knows no table: what stands in the database is the matter of `database.py`."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from psycopg import sql

from mapserver.datafolder import folder
from mapserver.errors import BadSetup

OLDEST = 15
"""Least major version of PostgreSQL."""
PROGRAMS = Path("/usr/lib/postgresql")
EXTENSIONS = Path("/usr/share/postgresql")
FAR = Path("/var/lib/citymap")
"""Where the cluster lives when the database's user cannot reach the data folder."""
OWNER, APP, NAME = "citymap", "citymap_app", "citymap"
SOCKET_BYTES = 107
"""Longest path of a Unix socket (sun_path, less the closing zero)."""
ROOM_BYTES = 1_500_000_000
"""Free disk that a new cluster and the city in it need."""
FIRST_PORT, PORTS = 15432, 1000
START_SECONDS = 60


def programs(major: str | None = None) -> Path:
    """Folder of the programs of the newest PostgreSQL that has PostGIS, or of the one asked for."""
    found = {int(p.parent.name): p for p in PROGRAMS.glob("*/bin") if p.parent.name.isdigit()}
    usable = {
        v: p for v, p in found.items() if v >= OLDEST and (EXTENSIONS / str(v) / "extension/postgis.control").exists()
    }
    if major is not None and int(major) not in usable:
        raise BadSetup("CITYMAP_DATA", f"was made by PostgreSQL {major}; install postgresql-{major}-postgis-3")
    if not usable:
        raise BadSetup("PostgreSQL", f"no PostgreSQL {OLDEST}+ with PostGIS below {PROGRAMS}; run `make setup`")
    return usable[int(major) if major else max(usable)]


def memory_bytes() -> int:
    """Memory of this machine, or of the container around us when that is less."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def tuning(memory: int, cores: int) -> dict[str, str]:
    """Settings of the server for a machine that also runs the web workers. memory: bytes."""
    megabytes = memory >> 20

    def share(part: int, least: int, most: int) -> str:
        return f"{max(least, min(most, megabytes // part))}MB"

    return {
        "shared_buffers": share(5, 64, 8192),
        "effective_cache_size": share(2, 128, 1 << 20),
        "work_mem": share(400, 4, 64),
        "maintenance_work_mem": share(16, 64, 1024),
        "max_connections": "100",
        "max_worker_processes": str(max(8, cores)),
        "max_parallel_workers": str(cores),
        "max_parallel_workers_per_gather": str(min(4, cores // 2)),
        "max_parallel_maintenance_workers": str(min(4, cores // 2)),
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_wal_size": "2GB",
        "min_wal_size": "256MB",
        "wal_compression": "on",
        "checkpoint_timeout": "15min",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "200",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
    }


@dataclass(frozen=True, slots=True)
class Keys:
    """What a cluster keeps between starts."""

    port: int
    owner: str
    app: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the cluster lives (data/, socket/, log/ below `home`) and the user it runs as; uid None means ourselves."""

    home: Path
    uid: int | None

    @property
    def data(self) -> Path:
        return self.home / "data"

    def run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Runs a command as the cluster's user, with `text` as its input and nothing of our environment."""
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            start_new_session=True,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"},
            user=self.uid,
            group=None if self.uid is None else pwd.getpwuid(self.uid).pw_gid,
            extra_groups=None if self.uid is None else [],
        )

    def write(self, path: Path, text: str) -> None:
        """Writes a file as the cluster's user, for that user's eyes only."""
        self.run("sh", "-c", 'umask 077; cat > "$1"', "sh", str(path), text=text)


def place(data: Path) -> Place:
    """Where the cluster of a data folder is, or will be."""
    near, far = data / "postgres", FAR / f"{data.name}-{_digest(data)}"
    if os.geteuid() != 0:
        return _own(near)
    for home in (far, near):
        if (home / "data" / "PG_VERSION").exists():
            return Place(home, (home / "data").stat().st_uid)
    there = Place(near, _package_user())
    return there if there.run("test", "-x", str(data)).returncode == 0 else Place(far, there.uid)


def _own(home: Path) -> Place:
    if home.exists() and home.stat().st_uid != os.geteuid():
        user = pwd.getpwuid(home.stat().st_uid).pw_name
        raise BadSetup(
            "CITYMAP_DATA", f"{home} belongs to the user {user}; start as that user or root, or choose another folder"
        )
    return Place(home, None)


def _package_user() -> int:
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        raise BadSetup("PostgreSQL", "the user `postgres` of the Debian package is missing; run `make setup`") from None


class Cluster:
    """The private cluster of one data folder. `start` and `stop` may be called at any time, in any state."""

    def __init__(self, data: Path) -> None:
        self.data = folder(data).resolve()
        self.place = place(self.data)

    @property
    def owner_dsn(self) -> str:
        """Address of the superuser (set-up, backup)."""
        return self.dsn(OWNER)

    @property
    def app_dsn(self) -> str:
        """Address of the web workers' role."""
        return self.dsn(APP)

    def dsn(self, user: str, database: str = NAME) -> str:
        """Address of a database of this cluster for OWNER or APP."""
        keys = self._keys()
        secret = quote(keys.owner if user == OWNER else keys.app)
        host = quote(str(self._socket()), safe="")
        return f"postgresql://{user}:{secret}@/{database}?host={host}&port={keys.port}&application_name=citymap"

    @property
    def moved(self) -> bool:
        """Whether the cluster lives away from the data folder, which its user cannot reach."""
        return not self.place.home.is_relative_to(self.data)

    @property
    def running(self) -> bool:
        """Whether a PostgreSQL of this cluster runs, whoever started it."""
        return self._postmaster() is not None

    def start(self) -> None:
        """Makes the cluster when it is missing, starts it or takes a running one over. Raises BadSetup."""
        if not (self.place.data / "PG_VERSION").exists():
            self._create()
        if self.running:
            self._clear()
        else:
            self._launch()
        self._furnish()

    def stop(self) -> None:
        """Stops the cluster, cutting off whoever is connected."""
        if self.running and self._pg_ctl("stop", "-m", "fast", "-t", "60").returncode != 0:
            self._pg_ctl("stop", "-m", "immediate", "-t", "30")
        socket_folder = self._socket()
        if not socket_folder.is_relative_to(self.place.home):
            with suppress(OSError):
                socket_folder.rmdir()

    def _create(self) -> None:
        _room(self.data if not self.moved else FAR.parent)
        home = self.place.home
        for path in (home, home / "log", home / "socket"):
            path.mkdir(parents=True, exist_ok=True, mode=0o755 if path == home else 0o700)
            if self.place.uid is not None:
                os.chown(path, self.place.uid, pwd.getpwuid(self.place.uid).pw_gid)
        if not (self.data / "cluster.json").exists():
            self._keep(Keys(0, secrets.token_urlsafe(24), secrets.token_urlsafe(24)))
        self._initdb()

    def _initdb(self) -> None:
        unfinished = self.place.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = (
            "umask 077; cat > {0}.pass; trap 'rm -f {0}.pass' EXIT; "
            '"$1" -D {0} -U {1} -E UTF8 --locale=C.UTF-8 --data-checksums --auth=scram-sha-256 --pwfile={0}.pass -N '
            "&& echo \"include 'citymap.conf'\" >> {0}/postgresql.conf && sync"
        ).format('"$2"', OWNER)
        initdb, secret = str(programs() / "initdb"), self._keys().owner
        done = self.place.run("sh", "-c", command, "sh", initdb, str(unfinished), text=secret)
        if done.returncode != 0:
            raise BadSetup("PostgreSQL", f"initdb failed in {unfinished}: {_last_words(done.stderr)}")
        unfinished.rename(self.place.data)

    def _launch(self) -> None:
        self._bury()
        for _ in range(5):
            keys = self._keys()
            self._keep(
                Keys(_free_port(keys.port or FIRST_PORT + int(_digest(self.data), 16) % PORTS), keys.owner, keys.app)
            )
            self._configure()
            log = self.place.home / "log" / "start.log"
            done = self._pg_ctl("start", "-l", str(log), "-t", str(START_SECONDS))
            if done.returncode == 0:
                return
            words = self._said() or done.stderr
            if "Address already in use" not in words and "pre-existing shared memory" not in words:
                break
            time.sleep(0.5)
        raise BadSetup("PostgreSQL", f"does not start: {_last_words(words)} (more in {self.place.home / 'log'})")

    def _said(self) -> str:
        """What the last start wrote, to its terminal and to its log."""
        logs = sorted((self.place.home / "log").glob("postgres-*.log"), key=lambda path: path.stat().st_mtime)[-1:]
        start = self.place.home / "log" / "start.log"
        tail = "\n".join(logs[0].read_text(errors="replace").splitlines()[-20:]) if logs else ""
        return f"{start.read_text(errors='replace') if start.exists() else ''}\n{tail}".strip()

    def _configure(self) -> None:
        chosen = {
            **tuning(memory_bytes(), os.cpu_count() or 1),
            "listen_addresses": "127.0.0.1",
            "port": str(self._keys().port),
            "unix_socket_directories": f'"{self._socket()}"',
            "logging_collector": "on",
            "log_directory": str(self.place.home / "log"),
            "log_filename": "postgres-%u.log",
            "log_truncate_on_rotation": "on",
            "log_rotation_size": "0",
            "cluster_name": NAME,
        }
        lines = (f"{name} = '{_quoted(value)}'\n" for name, value in chosen.items())
        self.place.write(self.place.data / "citymap.conf", "".join(lines))
        (self.place.home / "log" / "start.log").unlink(missing_ok=True)

    def _furnish(self) -> None:
        """The login of the web workers and the database itself, when they are missing."""
        with psycopg.connect(self.dsn(OWNER, "postgres"), autocommit=True) as conn:
            role = sql.SQL("ALTER" if _there(conn, "pg_roles", "rolname", APP) else "CREATE")
            conn.execute(
                sql.SQL("{} ROLE {} LOGIN NOINHERIT PASSWORD {}").format(
                    role, sql.Identifier(APP), sql.Literal(self._keys().app)
                )
            )
            if not _there(conn, "pg_database", "datname", NAME):
                conn.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(NAME)))

    def _clear(self) -> None:
        """Cuts off what a killed server left connected to a PostgreSQL that went on running."""
        with psycopg.connect(self.dsn(OWNER, "postgres"), autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def _bury(self) -> None:
        """Ends what a killed PostgreSQL left running, and takes away its lock files.

        They name a process by number, which a stranger, or a zombie that nobody reaps, may have by now."""
        deadline = time.monotonic() + START_SECONDS
        while (left := _processes_in(self.place.data)) and time.monotonic() < deadline:
            for process in left:
                _terminate(process)
            time.sleep(0.1)
        if left:
            return
        for file in (self.place.data / "postmaster.pid", *self._socket().glob(".s.PGSQL.*")):
            file.unlink(missing_ok=True)

    def _postmaster(self) -> psutil.Process | None:
        """The running PostgreSQL of this folder: the pid file alone may lie after a kill or a reboot."""
        try:
            pid = int((self.place.data / "postmaster.pid").read_text().split()[0])
            process = psutil.Process(pid)
            return (
                process if Path(process.cwd()) == self.place.data and process.status() != psutil.STATUS_ZOMBIE else None
            )
        except (OSError, ValueError, IndexError, psutil.Error):
            return None

    def _pg_ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        major = (self.place.data / "PG_VERSION").read_text().strip()
        pg_ctl = str(programs(major) / "pg_ctl")
        return self.place.run(pg_ctl, "-D", str(self.place.data), "-w", *arguments)

    def _socket(self) -> Path:
        """Folder of the socket: in the cluster's home, or a short one when that path is too long for a socket."""
        near = self.place.home / "socket"
        if len(os.fsencode(near / ".s.PGSQL.65535")) <= SOCKET_BYTES:
            return near
        runtime = next(path for path in (Path(f"/run/user/{os.geteuid()}"), Path("/tmp")) if os.access(path, os.W_OK))
        runtime = Path("/run") if os.geteuid() == 0 else runtime
        short = runtime / f"citymap-{_digest(self.data)}"
        short.mkdir(mode=0o700, exist_ok=True)
        if self.place.uid is not None:
            os.chown(short, self.place.uid, -1)
        if short.lstat().st_uid != (os.geteuid() if self.place.uid is None else self.place.uid) or short.is_symlink():
            raise BadSetup("CITYMAP_DATA", f"{short} belongs to somebody else; choose a shorter data folder")
        return short

    def _keys(self) -> Keys:
        path = self.data / "cluster.json"
        try:
            return Keys(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise BadSetup(
                str(path), f"cannot be read ({error}); it holds the cluster's passwords: put it back from a copy"
            ) from error

    def _keep(self, keys: Keys) -> None:
        path = self.data / "cluster.json"
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(json.dumps(asdict(keys)))
        new.replace(path)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _room(path: Path) -> None:
    free = shutil.disk_usage(path).free
    if free < ROOM_BYTES:
        raise BadSetup(
            "CITYMAP_DATA", f"only {free >> 20} MB are free on the disk of {path}; {ROOM_BYTES >> 20} MB are needed"
        )


def _free_port(first: int) -> int:
    port: int
    for port in (first, *range(FIRST_PORT, FIRST_PORT + PORTS)):
        if _is_free(port):
            return port
    raise BadSetup("PostgreSQL", f"no free port from {FIRST_PORT} to {FIRST_PORT + PORTS}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _processes_in(path: Path) -> list[psutil.Process]:
    """Server processes that still work in a folder after their first process was killed."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and Path(process.cwd()) == path:
                found.append(process)
        except psutil.Error:
            continue
    return found


def _terminate(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.terminate()


def _there(conn: psycopg.Connection[tuple[object, ...]], table: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT FROM {} WHERE {} = {}").format(
        sql.Identifier(table), sql.Identifier(column), sql.Literal(name)
    )
    return conn.execute(query).fetchone() is not None


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "FATAL" in line or "error" in line.lower()] or lines
    return "; ".join(told[-2:]) or "it said nothing"

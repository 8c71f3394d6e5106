"""The set-up scripts: which Python they take, and what they say when they cannot go on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mapserver.settings import ROOT

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs with a space in its path, as the whole PATH: only what the scripts need."""
    folder = tmp_path / "my programs"
    folder.mkdir()
    for name in (
        "sh",
        "dirname",
        "cksum",
        "cat",
        "tr",
        "sed",
        "awk",
        "df",
        "id",
        "grep",
        "sort",
        "tail",
        "env",
        "rm",
        "ls",
    ):
        found = shutil.which(name)
        assert found, name
        script(folder / name, f'exec "{found}" "$@"')
    return folder


def script(path: Path, text: str) -> None:
    """A program of the test's own. They are files, never links, so that writing one cannot reach the system's."""
    assert not path.is_symlink()
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def setup(name: str, programs: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [programs / "sh", ROOT / "setup" / name, *arguments]
    env = {"PATH": str(programs), "HOME": "/nonexistent", **environment}
    return subprocess.run(command, env=env, text=True, capture_output=True, check=False, timeout=60)


def test_the_newest_python_that_really_runs_is_taken(programs: Path, tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    shims.mkdir()
    script(shims / "python3.13", "echo 'shim: python3.13: command not found' >&2; exit 127")
    script(shims / "python3.12", "exit 1")
    script(programs / f"python{VERSION}", f'exec "{sys.executable}" "$@"')
    done = setup("python.sh", programs, PATH=f"{shims}:{programs}")
    assert (done.returncode, done.stdout) == (0, f"{programs}/python{VERSION}\n")


def test_a_python_of_another_version_than_its_name_is_not_taken(programs: Path) -> None:
    other = "3.11" if VERSION != "3.11" else "3.12"
    script(programs / f"python{other}", f'exec "{sys.executable}" "$@"')
    script(programs / "python3", f'exec "{sys.executable}" "$@"')
    assert setup("python.sh", programs).stdout == f"{programs}/python3\n"


def test_a_python_too_old_is_said_in_one_line(programs: Path) -> None:
    script(programs / "python3", 'test "$1" = -V && echo "Python 3.9.2" || exit 1')
    done = setup("python.sh", programs)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Python 3.11 to 3.13 with ssl and venv is needed" in done.stderr
    assert done.stderr.endswith("found: Python 3.9.2\n")


def test_a_chosen_python_that_does_not_do_is_refused(programs: Path) -> None:
    done = setup("python.sh", programs, PYTHON="/bin/false")
    assert (done.returncode, done.stdout) == (1, "")
    assert "PYTHON=/bin/false is no Python 3.11 to 3.13" in done.stderr


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ("", "there is no apt-get here"),
        ("apt-get", "run `make setup` once as root, or install sudo"),
    ],
)
def test_missing_packages_that_cannot_be_installed_are_said_in_one_line(programs: Path, there: str, words: str) -> None:
    script(programs / "id", "echo 1000")
    if there:
        script(programs / there, "exit 1")
    done = setup("packages.sh", programs, "test")
    assert done.returncode == 1
    assert words in done.stderr
    assert "gdal-bin" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_network_is_said_in_one_line(programs: Path) -> None:
    script(programs / "id", "echo 0")
    script(programs / "apt-get", "echo 'E: Could not resolve the mirror' >&2; exit 100")
    done = setup("packages.sh", programs, "test")
    assert done.returncode == 1
    assert done.stdout.startswith("setup: missing: ")
    assert (
        done.stderr
        == "setup: apt-get update failed (no network, or sudo was refused): E: Could not resolve the mirror\n"
    )


def test_what_is_installed_is_said_first_and_never_makes_a_cluster_of_debians(programs: Path, tmp_path: Path) -> None:
    log = tmp_path / "apt.log"
    script(programs / "id", "echo 0")
    script(programs / "apt-get", f'echo "$*" >> "{log}"')
    for name in ("mkdir", "tee"):
        script(programs / name, f'echo {name} "$*" >> "{log}"; cat >/dev/null')
    script(programs / "rm", f'echo rm "$*" >> "{log}"')
    done = setup("packages.sh", programs, "test")
    assert done.returncode == 0, done.stderr
    asked = log.read_text().splitlines()
    assert asked[0] == "update -q"
    assert asked[-1] == "rm -f /etc/postgresql-common/createcluster.d/citymap.conf"
    install = next(line for line in asked if line.startswith("install"))
    told = next(line for line in done.stdout.splitlines() if "installing with apt: " in line)
    assert install.split("--no-install-recommends ")[1].split() == told.split("installing with apt: ")[1].split()


def test_a_full_disk_is_said(programs: Path) -> None:
    script(programs / "df", "echo head; echo '/dev/x 100 90 10 90% /'")
    done = subprocess.run(
        [programs / "sh", "-c", f". '{ROOT}/setup/words.sh'; need_room '/some where' 3000"],
        env={"PATH": str(programs)}, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1,
        "setup: only 10 MB are free on the disk of /some where; 3000 MB are needed\n",
    )


def test_an_environment_is_made_once_and_again_when_its_lock_or_place_changes(tmp_path: Path) -> None:
    """A project of its own, whose lock files name no package, in a folder with spaces and diacritics."""
    project = tmp_path / "bản đồ của tôi"
    shutil.copytree(ROOT / "setup", project / "setup")
    (project / "requirements").mkdir()
    lock = project / "requirements" / f"py{VERSION.replace('.', '')}.txt"
    lock.write_text("# nothing\n")

    def made(folder: Path) -> str:
        command = ["sh", folder / "setup" / "environment.sh"]
        env = {**os.environ, "PYTHON": sys.executable}
        done = subprocess.run(command, env=env, text=True, capture_output=True, check=True, cwd="/")
        return done.stdout

    assert "installing" in made(project)
    assert made(project) == ""
    lock.write_text("# still nothing\n")
    assert "installing" in made(project)
    project.rename(tmp_path / "elsewhere")
    assert "installing" in made(tmp_path / "elsewhere")
    path = subprocess.run(
        [tmp_path / "elsewhere/.venv/bin/python", "-c", "import sys; print(sys.path)"],
        capture_output=True, text=True, check=True, cwd="/",
    ).stdout  # fmt: skip
    assert str(tmp_path / "elsewhere") in path
    assert "bản đồ" not in path


def test_lock_files_hold_hashes_and_no_address() -> None:
    for minor in (11, 12, 13):
        text = (ROOT / f"requirements/py3{minor}.txt").read_text()
        assert "--hash=sha256:" in text
        assert "://" not in "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def test_the_make_targets_name_files_that_exist() -> None:
    named = re.findall(r"\btests/test_\w+\.py", (ROOT / "Makefile").read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []

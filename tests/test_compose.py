"""The way by Docker, as far as it can be held without an engine: the files are valid, and agree with the house."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from mapserver.cluster import tuning
from mapserver.settings import ROOT, Settings


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The Compose file."""
    read: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return read


@pytest.fixture(scope="module")
def resolved() -> dict[str, Any]:
    """The Compose file as docker-compose itself understands it."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed; run `make setup`")
    command = ["docker-compose", "-f", str(ROOT / "docker-compose.yml"), "config"]
    env = {**os.environ, "POSTGRES_PASSWORD": "s3cret"}
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = yaml.safe_load(done.stdout)
    return read


def test_docker_compose_takes_the_file(resolved: dict[str, Any]) -> None:
    assert set(resolved["services"]) == {"database", "app", "proxy"}
    assert resolved["services"]["app"]["environment"]["DATABASE_URL"] == "postgresql://citymap:s3cret@database/citymap"


def test_docker_compose_wants_a_password() -> None:
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed; run `make setup`")
    env = {name: value for name, value in os.environ.items() if name != "POSTGRES_PASSWORD"}
    command = ["docker-compose", "-f", str(ROOT / "docker-compose.yml"), "config"]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "choose one" in done.stderr


def test_every_setting_of_the_app_exists(compose: dict[str, Any]) -> None:
    known = set()
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        known |= set(alias.choices) if isinstance(alias, AliasChoices) else {alias}
    assert set(compose["services"]["app"]["environment"]) <= known


def test_only_the_proxy_is_reached_from_outside(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["proxy"]


def test_the_database_is_tuned_as_the_private_one_is(compose: dict[str, Any]) -> None:
    given = dict(pair.split("=") for pair in re.findall(r"-c (\S+)", compose["services"]["database"]["command"]))
    ours = tuning(4 << 30, 2)
    sized = {"shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem"}
    assert set(given) <= set(ours)
    assert {name: value for name, value in given.items() if name not in sized} == {
        name: ours[name] for name in given if name not in sized
    }


def test_the_proxy_asks_the_app_where_it_listens(compose: dict[str, Any]) -> None:
    nginx = (ROOT / "config/nginx.conf").read_text()
    assert f"server app:{compose['services']['app']['environment']['CITYMAP_PORT']};" in nginx
    assert "proxy_no_cache $http_authorization;" in nginx
    assert nginx.count("{") == nginx.count("}")


def test_the_image_is_made_by_the_steps_of_make_run() -> None:
    steps = (ROOT / "Dockerfile").read_text()
    assert "RUN sh setup/install.sh run" in steps
    for line in re.findall(r"^COPY --chown=citymap (.+)$", steps, re.MULTILINE):
        *sources, _ = shlex.split(line)
        assert all((ROOT / source).exists() for source in sources)
    assert re.search(r'^CMD \["\.venv/bin/citymap", "serve"\]$', steps, re.MULTILINE)

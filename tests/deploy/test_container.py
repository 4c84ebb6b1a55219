"""Containerfile and compose files: what they copy is there, what they set is a setting, and the health check checks."""

import http.server
import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from gantry import __version__
from gantry.providers.spec import load_catalog
from tests.deploy.patience import longest_end, settings_of_the_environment

ROOT = Path(__file__).resolve().parents[2]
CONTAINERFILE = ROOT / "deploy" / "container" / "Containerfile"
COMPOSE = ROOT / "deploy" / "compose"
SECRETS = {"GANTRY_MASTER_KEY": "0" * 64, "POSTGRES_PASSWORD": "p", "VALKEY_PASSWORD": "v", "PATH": "/usr/bin:/bin"}


def instructions() -> list[tuple[str, str]]:
    """Return the instructions with their arguments, continued lines joined and comments left out."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.splitlines()) if name]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    kept = {
        line[1:]
        for line in CONTAINERFILE.with_name("Containerfile.dockerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    for name, rest in instructions():
        if name == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source.rstrip("/") in kept, source


def test_it_ends_as_nobody_who_may_write() -> None:
    last = instructions()[max(index for index, (name, _) in enumerate(instructions()) if name == "FROM") :]
    said = dict(last)
    assert said["USER"] == "10001:10001"
    assert said["VOLUME"] == "/var/lib/gantry"
    assert (said["ENTRYPOINT"], said["CMD"]) == ('["gantry"]', '["serve"]')
    variables = {name for name in re.findall(r"(\w+)=", said["ENV"]) if name.startswith("GANTRY_")}
    assert variables <= settings_of_the_environment()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_asks_healthz(status: int, code: int) -> None:
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is told on stderr."""

    command = dict(instructions())["HEALTHCHECK"].partition(" CMD ")[2]
    python, *arguments = json.loads(command)
    assert python == "python"
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        environment = {"GANTRY_PORT": str(server.server_address[1])}
        done = subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False)
    assert (done.returncode, asked) == (code, ["/healthz"]), done.stderr


@pytest.mark.parametrize("name", ["compose.yml", "fleet.yml"])
def test_services_are_held_in_and_waited_for(name: str) -> None:
    services = yaml.safe_load((COMPOSE / name).read_text())["services"]
    nodes = [service for service in services.values() if "build" in service]
    assert nodes
    known = settings_of_the_environment() | {
        variable for spec in load_catalog().values() for variable in spec.environment
    }
    for node in nodes:
        assert node["read_only"] is True
        assert node["cap_drop"] == ["ALL"]
        assert float(node["stop_grace_period"].removesuffix("s")) > longest_end()
        assert set(node["environment"]) <= known
        assert [port for port in node["ports"] if not port.startswith("127.0.0.1:")] == []
        assert (COMPOSE / node["build"]["context"] / node["build"]["dockerfile"]).resolve() == CONTAINERFILE


def test_chart_and_package_have_one_version() -> None:
    chart = yaml.safe_load((ROOT / "deploy" / "helm" / "gantry" / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


def test_the_second_node_waits_for_the_first() -> None:
    """Whose clerk makes or migrates the tables."""
    services = yaml.safe_load((COMPOSE / "fleet.yml").read_text())["services"]
    assert services["node-b"]["depends_on"] == {"node-a": {"condition": "service_healthy"}}
    assert services["node-a"]["environment"] == services["node-b"]["environment"]


@pytest.mark.parametrize("name", ["compose.yml", "fleet.yml"])
def test_compose_takes_the_files(name: str) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("there is no `docker compose` here")
    command = [docker, "compose", "--file", name, "config", "--quiet"]
    done = subprocess.run(command, cwd=COMPOSE, env=SECRETS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

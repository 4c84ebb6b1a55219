"""Two machines of one database, and one console: the second sends whoever asks for it to the first."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.e2e.node import SECONDS, Server, await_true, bare_environment
from tests.sdk.roads import GANTRY, run
from tests.store.conftest import postgres_server

__all__ = ["postgres_server"]

pytestmark = pytest.mark.slow

MASTER_KEY = "5a" * 32


class Machine:
    """One home and its gateway, in a fleet of one database and one master key."""

    def __init__(self, folder: Path, database: str, settings: str = "") -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.home.chmod(0o700)
        (self.home / "master.key").write_text(MASTER_KEY)
        (self.home / "master.key").chmod(0o600)
        (self.home / "gantry.toml").write_text(f'database_url = "{database}"\n{settings}')
        serve = ("serve", "--home", str(self.home), "--port", "0", "--workers", "1")
        self.server = Server((*GANTRY, *serve), folder / "stderr")

    def ask(self, path: str, key: str = "", body: object = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=SECONDS)
        try:
            if key:
                headers["authorization"] = f"Bearer {key}"
            text = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, text, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def gantry(self, *words: str) -> str:
        return run((*GANTRY, *words, "--home", str(self.home)), bare_environment())


@pytest.fixture
def database(postgres_server: str) -> str:
    with psycopg.connect(postgres_server, autocommit=True) as admin:
        admin.execute("DROP DATABASE IF EXISTS fleet WITH (FORCE)")
        admin.execute("CREATE DATABASE fleet")
    return postgres_server.replace("/postgres?", "/fleet?")


@pytest.fixture
def first(tmp_path: Path, database: str) -> Iterator[Machine]:
    machine = Machine(tmp_path / "first", database, 'trusted_proxies = "127.0.0.1"\n')
    yield machine
    machine.server.kill()


@pytest.fixture
def second(tmp_path: Path, database: str, first: Machine) -> Iterator[Machine]:
    machine = Machine(tmp_path / "second", database, f'console_url = "{first.server.url}"\n')
    yield machine
    machine.server.kill()


def test_one_console_serves_both(first: Machine, second: Machine) -> None:
    scopes = [word for scope in ("inference", "read", "manage") for word in ("--scope", scope)]
    key = first.gantry("keys", "create", "fleet", *scopes).split()[-1]
    first.gantry("providers", "add", "mistral", "--api-key", "never sent", "--base-url", "http://127.0.0.1:9")
    await_true(lambda: second.ask("/api/health-check")[0] == 200, "the first machine's console, through the second")
    assert second.ask("/api/models/", "gk_unknown")[0] == 401
    await_true(
        lambda: second.ask("/api/models/", key)[0] == 502, "the key lets in, as far as a provider that is not there"
    )
    status, body = second.ask("/api/api-keys", key)
    assert status == 200
    assert [one["name"] for one in json.loads(body)["results"]] == ["fleet"]
    processes = json.loads(second.gantry("status", "--json"))
    assert processes["console"]["pid"] is None
    assert processes["console"]["state"] == "elsewhere"
    looked_at = second.gantry("doctor")
    assert "the control tables answer" in " ".join(looked_at.split())
    assert "the logs tables answer" in " ".join(looked_at.split())

    first.server.end()
    status, body = second.ask("/api/api-keys", key)
    assert status == 503
    assert b"console_url" in body
    assert second.ask("/api/models/", key)[0] == 502  # calls do not need it


def test_machines_that_send_each_other_round_in_circles_say_so(second: Machine) -> None:
    status, body = second.ask("/api/health-check", **{"x-gantry-forwarded": "1"})
    assert status == 503
    assert b"no console runs here" in body

"""A node whose logs are in ClickHouse, from a call to its end: shown, found, changed, exported, erased, over."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from gantry.store.clickhouse.client import Client
from gantry.store.clickhouse.compiler import Asked
from tests.clickhouse.homes import logs_where_homes_say
from tests.clickhouse.server import Shim, new_logs_url, reason_to_skip
from tests.e2e.node import Node, await_true, running_node
from tests.e2e.traffic import query

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LIST = "/api/request-logs/list/"


def make_home(folder: Path, logs_url: str) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)
    (home / "gantry.toml").write_text(f"logs_url = {json.dumps(logs_url)}\n")


class Person:
    """Who may see and change all, through the console's API."""

    def __init__(self, node: Node) -> None:
        scopes = [word for scope in ("manage", "read", "team") for word in ("--scope", scope)]
        self._key = node.gantry("keys", "create", "boss", *scopes).stdout.split()[-1]
        self._node = node
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        status, answer = self._node.ask(path, body=content, key=self._key, method=method)
        assert status < 300, answer
        return json.loads(answer) if answer else None

    def text(self, path: str) -> str:
        return self._node.ask(path, key=self._key)[1].decode()

    def ids(self, filters: str = "") -> list[str]:
        return [log["id"] for log in self.ask("GET", f"{LIST}?page_size=1000{filters}")["results"]]


def call(node: Node, customer: str, text: str) -> None:
    question = {
        "model": "mistral-small-latest",
        "messages": [{"role": "user", "content": text}],
        "customer_identifier": customer,
        "thread_identifier": f"thread of {customer}",
        "metadata": {"team": "red"},
    }
    assert node.ask("/api/chat/completions", body=json.dumps(question).encode())[0] == 200


def rows(logs_url: str, statement: str) -> list[tuple[Any, ...]]:
    client = Client(logs_url)
    try:
        return [tuple(row) for row in client.select(Asked(statement, {}, ()))]
    finally:
        client.close()


def test_a_call_from_its_log_to_its_end(tmp_path: Path, logs_url: str) -> None:
    make_home(tmp_path, logs_url)
    with running_node(tmp_path) as node:
        boss = Person(node)
        for number in range(5):
            call(node, "ada", f"canary {number} of Ada")
            call(node, "bob", f"good morning {number}")
        node.await_stored()

        assert len(boss.ids()) == 10
        found = boss.ids("&search=canary")
        assert len(found) == 5
        assert boss.ask("GET", f"/api/request-logs/{found[0]}/")["customer_identifier"] == "ada"
        first = boss.ask("GET", f"{LIST}?page_size=3&sort_by=-latency")
        second = boss.ask("GET", first["next"].removeprefix(node.server.url))
        assert not {log["id"] for log in first["results"]} & {log["id"] for log in second["results"]}
        assert boss.ask("GET", "/api/request-logs/summary/")["number_of_requests"] == 10
        assert boss.ask("GET", "/api/request-logs/summary/?metadata__team=red")["number_of_requests"] == 10

        change = {"logs": [{"unique_id": found[0], "note": "look", "metadata": {"seen": True}}]}
        marked = node.ask("/api/request-logs/batch-update/", body=json.dumps(change).encode(), method="PATCH")
        assert (marked[0], json.loads(marked[1])["updated"]) == (200, 1)
        changed = boss.ask("GET", f"/api/request-logs/{found[0]}/")
        assert (changed["note"], changed["metadata"]) == ("look", {"team": "red", "seen": True})
        assert len(boss.ids()) == 10
        exported = boss.text("/api/request-logs/export?format=jsonl")
        assert {json.loads(line)["id"] for line in exported.splitlines()} == set(boss.ids())
        said = json.loads(node.gantry("logs", "list", "--json", "--limit", "3").stdout.splitlines()[0])
        assert said["log_id"] in boss.ids()

        receipt = boss.ask("POST", "/api/erasures/", {"customer_identifier": "ada"})
        path = f"/api/erasures/{receipt['id']}/"
        await_true(lambda: boss.ask("GET", path)["state"] == "done", "the erasure")
        assert boss.ask("GET", path)["erased"]["logs"] == 5
        assert boss.ids("&search=canary") == []
        assert len(boss.ids()) == 5
        hidden = "SELECT count() FROM request_logs WHERE customer_identifier = 'ada' SETTINGS apply_deleted_mask = 0"
        assert rows(logs_url, hidden) == [(0,)], "nothing is only hidden"
        assert boss.ask("GET", "/api/request-logs/summary/")["number_of_requests"] == 10, "sums stay"

        old = {"model": "m", "input": "long ago", "timestamp": "2020-01-01T00:00:00Z"}
        assert node.ask("/api/request-logs/create/", body=json.dumps(old).encode())[0] < 300
        node.await_stored()
        assert len(boss.ids(f"&start_time={quote('2019-12-31')}")) == 6
        node.gantry("retention", "set", "--days", "30")
        node.await_another("clerk", node.kill("clerk"))
        parts = "SELECT DISTINCT partition FROM system.parts WHERE active AND database = currentDatabase()"
        await_true(lambda: ("20200101",) not in rows(logs_url, parts), "the day is dropped")
        assert len(boss.ids(f"&start_time={quote('2019-12-31')}")) == 5
        await_true(lambda: query(node.logs_db, "SELECT count(*) FROM log_ids") == [(5,)], "ids that are free again")
        findings = {one["subject"]: one["verdict"] for one in json.loads(node.gantry("doctor", "--json").stdout)}
        said = node.gantry("backup", str(tmp_path / "backup.tar")).stderr
        assert "Request logs are not in it" in said
        assert "logs_url is set" in node.gantry("migrate-store", "--to", "postgresql://x/y", code=1).stderr
        assert (findings["clickhouse"], findings["books"], findings["logs.db"]) == ("ok", "ok", "ok")


def test_a_clickhouse_that_stops_and_comes_back_loses_and_doubles_nothing(tmp_path: Path) -> None:
    if find_spec("chdb") is None or reason_to_skip() is not None:
        pytest.skip("needs chDB, which can be stopped")
    shim = Shim(tmp_path / "clickhouse")
    make_home(tmp_path, new_logs_url(shim.url))
    with logs_where_homes_say(), running_node(tmp_path) as node:
        boss = Person(node)
        call(node, "ada", "before")
        node.await_stored()
        shim.stop()
        for number in range(5):
            call(node, "ada", f"meanwhile {number}")
        assert node.ask("/readyz")[0] == 200
        await_true(lambda: bool(node.status()["clerk"]["lag"]), "the journal holds what cannot be stored")
        shim.start()
        node.await_stored()
        assert len(boss.ids()) == len(set(boss.ids())) == 6
        assert boss.ask("GET", "/api/request-logs/summary/")["number_of_requests"] == 6
    shim.stop()

"""Limits of machines that count together, as people see them: the same everywhere, right when a server is back."""

import json
import shutil
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("redis", reason="the extra `redis` is not installed")

from gantry.board.shared_ledger import SharedLedger
from tests.board.test_shared_counters import SERVER, Server, server
from tests.e2e.node import Node, await_true
from tests.e2e.test_budget_race import site
from tests.e2e.till import WAYS, Till, crowd, toml

__all__ = ["server"]

pytestmark = [
    pytest.mark.skipif(SERVER is None, reason="there is no redis-server here"),
    pytest.mark.slow,
    pytest.mark.timeout(240),
]
CENT = 0.01
LIMIT = "all of it"
SHARED = 'redis_url = "{}"\nredis_timeout = 0.5\n\n'
LIMITED = f'\n[[limits]]\nname = "{LIMIT}"\norganization = true\ncost = 5.0\n'


def answers(node: Node, count: int) -> Counter[int]:
    way = WAYS["mistral"]
    path, body = way.request(way.named(stream=False), stream=False)
    return crowd([node.port], node.key, path, body, count)


def ask(node: Node, count: int) -> None:
    assert answers(node, count) == {200: count}


def used(node: Node) -> float | None:
    listed: list[dict[str, Any]] = json.loads(node.gantry("limits", "list", "--json").stdout)
    value: float | None = next(one["current_value"] for one in listed if one["name"] == LIMIT)
    return value


def await_used(node: Node, cents: int) -> None:
    node.await_stored()
    await_true(lambda: used(node) == pytest.approx(cents * CENT), f"{cents} cents, and not {used(node)} dollars")


def silent_workers(node: Node) -> float:
    lines = node.ask("/metrics")[1].decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("gantry_shared_counters_silent "))


def test_what_calls_through_one_machine_used_is_shown_and_begins_anew_on_the_other(
    tmp_path: Path, server: Server
) -> None:
    configuration = SHARED.format(server.url.reveal()) + toml("mistral") + LIMITED
    with Till() as till, site(tmp_path / "a", configuration, till, workers=1) as first:
        first.server.end()
        shutil.copytree(first.home, tmp_path / "b" / "home", ignore=shutil.ignore_patterns("*.sock"))
        first.serve()
        first.port = first.server.port
        second = Node(tmp_path / "b", workers=1)
        try:
            second.key = first.key
            first.await_ready()
            second.await_ready()
            ask(first, 3)
            ask(second, 4)
            for node in (first, second):
                await_used(node, 7)
            shown = json.loads(second.gantry("limits", "show", LIMIT).stdout)
            assert shown["current_value"] == pytest.approx(0.07)
            assert "had counted $0.07" in second.gantry("limits", "reset", LIMIT).stderr
            assert used(first) == 0
        finally:
            second.close()


def test_books_balance_after_the_server_stood_still_and_was_killed(tmp_path: Path, server: Server) -> None:
    configuration = SHARED.format(server.url.reveal()) + toml("mistral") + LIMITED
    with Till() as till, site(tmp_path, configuration, till, workers=1) as node:
        await_true(lambda: answers(node, 1) == {200: 1}, "a key that is live")
        ask(node, 4)
        await_used(node, 5)
        await_true(lambda: silent_workers(node) == 0, "shared counters that answer")
        server.signal(signal.SIGSTOP)
        ask(node, 5)
        await_true(lambda: silent_workers(node) == 1, "a scrape that says they do not")
        node.await_stored()
        assert used(node) is None
        listed = node.gantry("limits", "list")
        assert "not known" in listed.stdout
        assert "the shared counters" in listed.stderr
        assert "Traceback" not in node.gantry("limits", "show", LIMIT, code=1).stderr
        assert "until they do, each machine counts alone" in node.gantry("doctor").stdout
        server.signal(signal.SIGCONT)
        await_used(node, 10)
        await_true(lambda: silent_workers(node) == 0, "a scrape that says they do again")
        server.kill()
        ask(node, 5)
        node.await_stored()
        server.start()
        await_used(node, 15)
        ask(node, 1)
        await_used(node, 16)
        with SharedLedger(server.url) as ledger:
            ledger._client.flushall()
        await_used(node, 16)
        said = json.loads(node.gantry("doctor", "--json").stdout)
        assert {one["subject"]: one["verdict"] for one in said if one["subject"] in ("books", "counters")} == {
            "books": "ok",
            "counters": "ok",
        }
        node.server.end()

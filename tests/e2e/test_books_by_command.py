"""Limits and credits, whole: said by command, API and gantry.toml while a gateway runs, and live when that is told.

And a platform credential serves an organization that has none of its own, but nothing on the account behind it.
"""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from gantry.core.limits import Books, CreditTerms, LimitUnit
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import Snapshot, read_snapshot
from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

A_DOLLAR = {"scope": "organization", "unit": "cost", "amount": 1.0, "period": "month", "name": "all"}


def snapshot(node: Node) -> Snapshot:
    home = Home(node.home)
    return read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)


def live(node: Node) -> Books:
    """Return the books that the workers count by: the answer to a change came after they had them."""
    return next(iter(snapshot(node).body.books.values()), Books())


def ask(node: Node, method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
    status, answer = node.ask(path, body=None if body is None else json.dumps(body).encode(), key=key, method=method)
    return status, json.loads(answer) if answer else None


def make_key(node: Node, name: str, *options: str) -> str:
    return node.gantry("keys", "create", name, *options).stdout.split()[-1]


def test_limits_are_live_when_that_is_told(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        manager = make_key(node, "boss", "--scope", "manage")
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")
        status, made = ask(node, "POST", "/api/limits/", manager, A_DOLLAR)
        assert (status, made["amount"], made["current_value"]) == (201, 1.0, 0.0), made
        assert [limit.amount for limit in live(node).limits] == [10**9]
        assert ask(node, "PATCH", f"/api/limits/{made['id']}/", manager, {"amount": 2})[0] == 200
        assert [limit.amount for limit in live(node).limits] == [2 * 10**9]
        said = node.gantry("limits", "add", "--key", "load", "--tokens", "1000000", "--per", "day").stderr
        assert "Live: 2 of 2 workers route by version" in said
        assert {limit.unit for limit in live(node).limits} == {LimitUnit.COST, LimitUnit.TOKENS}
        assert node.chat("hello")[0] == 200
        assert ask(node, "DELETE", f"/api/limits/{made['id']}/", manager)[0] == 204
        node.gantry("books", "set", "--stop-streams")
        assert live(node).stop_streams

        (node.home / "gantry.toml").write_text('[[limits]]\nname = "fair"\ncustomer = "*"\ncost = 0.5\nper = "day"\n')
        os.kill(node.pid_of("clerk"), signal.SIGHUP)
        await_true(lambda: "fair" in [limit.name for limit in live(node).limits], "a limit that is declared")
        refused = node.gantry("limits", "remove", "fair", code=1).stderr
        assert "The limit fair is declared in gantry.toml; change it there." in refused
        assert ask(node, "DELETE", "/api/limits/fair/", manager)[0] == 403


def test_pain_14_a_key_that_manages_calls_no_model(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        manager = make_key(node, "boss", "--scope", "manage", "--scope", "read")
        before = len(node.seen_upstream())
        status, answer = node.chat("hello", manager)
        assert (status, b"lacks the scope" in answer) == (403, True)
        assert len(node.seen_upstream()) == before


def test_a_platform_credential_serves_another_organization_and_nothing_on_its_account(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        node.gantry("providers", "add", "mistral", "--api-key", "p", "--base-url", node.simulator.url, "--platform")
        acme = node.gantry("organizations", "add", "Acme").stdout.split()[-1]
        node.gantry("credits", "add", "grant", "5", "--organization", "Acme")
        theirs = make_key(node, "theirs", "--organization", "Acme", "--scope", "inference", "--scope", "native")
        assert snapshot(node).books_of(acme).credits == CreditTerms(5 * 10**9)
        assert node.chat("hello", theirs)[0] == 200
        files, answer = node.ask("/api/v1/files", key=theirs)
        assert (files, b"there is no credential for one that is yours alone" in answer) == (503, True), answer
        assert node.ask("/api/v1/something/opaque", key=theirs)[0] == 503
        assert node.ask("/api/v1/files", key=node.key)[0] == 200  # the first organization has a credential of its own
        upstream = [request["path"] for request in node.seen_upstream()]
        assert not any("opaque" in path for path in upstream)

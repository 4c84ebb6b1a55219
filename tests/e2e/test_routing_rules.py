"""Routing rules, whole: changed by API, by command and in gantry.toml under a gateway that runs, and live when told."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from gantry.core.routing_rules import RoutingRules
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import Snapshot, read_snapshot
from gantry.store.control import ControlStore, default_organization
from gantry.store.control_tables import routing_rules
from tests.e2e.node import Node, await_true, running_node
from tests.e2e.traffic import query

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

GROUP = {
    "group_id": "fast",
    "models": [
        {"model": "mistral/mistral-small-latest", "weight": 3},
        {"model": "mistral/mistral-large-latest", "weight": 1, "credential": "default"},
    ],
}


def snapshot(node: Node) -> Snapshot:
    home = Home(node.home)
    return read_snapshot(home.snapshot.read_bytes(), load_keyring(home).snapshot)


def live(node: Node) -> RoutingRules:
    """Return the rules that the workers route by: the answer to a change came after they had them."""
    held = snapshot(node)
    return next(iter(held.body.routing_rules.values()), RoutingRules())


def ask(node: Node, method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
    status, answer = node.ask(path, body=None if body is None else json.dumps(body).encode(), key=key, method=method)
    return status, json.loads(answer) if answer else None


def manager_of(node: Node) -> str:
    manager = node.gantry("keys", "create", "boss", "--scope", "manage", "--scope", "read").stdout.split()[-1]
    await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")
    return manager


def test_rules_changed_by_api_and_by_command_are_live_when_that_is_said(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        manager = manager_of(node)
        assert ask(node, "POST", "/api/load-balance-groups/", node.key, GROUP)[0] == 403
        status, made = ask(node, "POST", "/api/load-balance-groups/", manager, GROUP)
        assert (status, made["strategy"]) == (201, "weighted"), made
        assert [member.weight for member in live(node).groups[0].members] == [3.0, 1.0]

        said = node.gantry("routing", "retries", "--count", "2", "--note", "they fail at night").stderr
        assert "Live: 2 of 2 workers route by version" in said
        rules = live(node).retries
        assert rules is not None
        assert rules.num_retries == 2
        status, item = ask(node, "GET", "/api/routing/", manager)
        assert (status, item["version"], item["note"]) == (200, 2, "they fail at night")
        assert list(item["document"]) == ["groups", "retries"]

        stale = {"document": {}, "version": 1}
        assert ask(node, "PUT", "/api/routing/", manager, stale)[0] == 412
        assert ask(node, "PUT", "/api/routing/", manager, {"document": {"groups": [{}]}, "version": 2})[0] == 400
        assert len(live(node).groups) == 1

        assert "Live: 2 of 2" in node.gantry("groups", "remove", "fast").stderr
        assert live(node).groups == ()
        status, back = ask(node, "POST", "/api/routing/rollback/", manager, {"version": 1})
        assert (status, back["version"]) == (200, 4)
        assert live(node).groups[0].id == "fast"
        assert live(node).retries is None
        texts: dict[int, str] = dict(query(node.home / "control.db", "SELECT version, document FROM routing_rules"))
        assert texts[4] == texts[1]

        # A credential that leaves a model out gets no call for it, at once.
        assert (
            "Live: 2 of 2" in node.gantry("providers", "set", "mistral", "--exclude-models", "mistral-small-*").stderr
        )
        for _ in range(4):
            status, answer = node.chat("ping")
            assert status == 503, answer
            assert b"take it out of one's excluded models" in answer
        changes = {"exclude_models": ["mistral-large-*"], "weight": 0.5}
        status, changed = ask(node, "PATCH", "/api/credentials/mistral/default/", manager, changes)
        assert (status, changed["weight"]) == (200, 0.5)
        assert [node.chat("ping")[0] for _ in range(4)] == [200] * 4
        assert ask(node, "PATCH", "/api/credentials/mistral/default/", manager, {"weight": 0})[0] == 200
        assert node.chat("ping")[0] == 503


def test_declared_rules_hold_and_only_the_file_changes_them(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        manager = manager_of(node)
        node.gantry("routing", "fallback", "mistral/by-hand")

        def declare(toml: str) -> None:
            (node.home / "gantry.toml").write_text(toml)
            os.kill(node.pid_of("supervisor"), signal.SIGHUP)

        def fallbacks() -> tuple[str, ...]:
            return live(node).fallback_models

        declare('[routing]\nfallback_models = ["mistral/declared"]\n')
        await_true(lambda: fallbacks() == ("mistral/declared",), "declared rules")
        status, answer = ask(node, "PATCH", "/api/routing/", manager, {"document": {}})
        assert (status, answer["detail"]) == (403, "The routing rules are declared in gantry.toml; change them there.")
        assert "declared in gantry.toml" in node.gantry("routing", "rollback", "1", code=1).stderr

        declare('[routing]\nfallback_modles = ["mistral/mistyped"]\n')
        await_true(lambda: "did you mean `fallback_models`?" in node.stderr.read_text(), "a word about the mistake")
        declare('[[routing.groups]]\nid = "g"\nmembers = [{ model = "mistral/x", credential = "nobody" }]\n')
        await_true(lambda: "routing is not applied: what held before it stays" in node.stderr.read_text(), "another")
        assert fallbacks() == ("mistral/declared",)

        declare("")
        await_true(lambda: fallbacks() == ("mistral/by-hand",), "the rules that people wrote last")
        assert ask(node, "GET", "/api/routing/", manager)[1]["managed_by"] is None


def test_rules_that_this_version_does_not_read_stop_no_revocation(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        node.gantry("routing", "fallback", "mistral/a")
        other = node.gantry("keys", "create", "other").stdout.split()[-1]
        assert node.chat("ping", other)[0] == 200
        with ControlStore(node.home / "control.db") as control, control.changing() as change:
            values = {"version": 2, "document": '{"of tomorrow":1}', "author": "tomorrow", "note": "", "created_at": 1}
            organization = default_organization(change.connection)
            change.connection.execute(insert(routing_rules).values(organization_id=organization, **values))
        await_true(lambda: snapshot(node).version >= change.version, "a snapshot without them")
        assert "Live: 2 of 2" in node.gantry("keys", "revoke", "other").stderr
        assert node.chat("ping", other)[0] == 401
        assert node.chat("ping")[0] == 200
        assert live(node).fallback_models == ("mistral/a",)
        assert "version 2 of the routing rules" in node.stderr.read_text()
        shown = json.loads(node.gantry("routing", "show", "--json").stdout)
        assert "this version of Gantry does not read it" in shown["warnings"][0]

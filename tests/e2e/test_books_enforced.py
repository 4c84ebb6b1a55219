"""Limits and credits as they bite: said by command, refused with numbers, shown as why, and never passed by rights."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import Node, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def make_key(node: Node, name: str, *options: str) -> str:
    return node.gantry("keys", "create", name, *options).stdout.split()[-1]


def shown(node: Node, *arguments: str) -> Any:
    return json.loads(node.gantry(*arguments, "--json").stdout)


def test_pain_14_rights_pass_no_limit(tmp_path: Path) -> None:
    every = [option for scope in ("inference", "manage", "read", "native", "ingest") for option in ("--scope", scope)]
    with running_node(tmp_path) as node:
        boss = make_key(node, "boss", *every)
        node.gantry("limits", "add", "--key", "boss", "--requests", "1")
        before = len(node.seen_upstream())
        assert [node.chat("hello", boss)[0] for _ in range(3)] == [200, 429, 429]
        assert len(node.seen_upstream()) == before + 1


def test_pain_10_what_refuses_a_call_is_what_is_shown_and_lifting_it_lets_the_next_one_pass(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        node.gantry("limits", "add", "--key", "load", "--requests", "2", "--per", "day", "--name", "two a day")
        assert [node.chat("hello")[0] for _ in range(3)] == [200, 200, 429]
        refusal = node.chat("hello")[1].decode()
        assert "the limit two a day is reached: 2 requests of 2 requests a day are used" in refusal
        view = shown(node, "limits", "show", "--key", "load")
        assert (view["blocked_by"], view["limits"][0]["current_value"]) == ("two a day", 2)
        node.gantry("limits", "set", "two a day", "--amount", "3")
        assert [node.chat("hello")[0] for _ in range(2)] == [200, 429]
        node.gantry("limits", "reset", "two a day")
        assert node.chat("hello")[0] == 200
        node.gantry("limits", "remove", "two a day")
        assert [node.chat("hello")[0] for _ in range(4)] == [200] * 4


def test_credits_pay_for_platform_calls_alone_and_the_books_balance(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        node.gantry("providers", "add", "mistral", "--api-key", "p", "--base-url", node.simulator.url, "--platform")
        node.gantry("organizations", "add", "Acme")
        node.gantry("books", "set", "--organization", "Acme", "--markup", "0.5")
        theirs = make_key(node, "theirs", "--organization", "Acme")
        status, answer = node.chat("hello", theirs)
        assert (status, b"credits are used up" in answer) == (402, True), answer
        node.gantry("credits", "add", "grant", "5", "--organization", "Acme")
        assert node.chat("hello", theirs)[0] == 200
        assert node.chat("hello")[0] == 200  # the first organization has a credential of its own, and no credits
        node.await_stored()
        balance = shown(node, "credits", "balance", "--organization", "Acme")
        assert balance["charged"] > 0
        assert balance["balance"] == pytest.approx(5 - balance["charged"])
        (charge,) = shown(node, "credits", "list", "--organization", "Acme", "--type", "usage")
        assert charge["amount"] == -balance["charged"]
        assert shown(node, "credits", "balance")["charged"] == 0
        found = {one["subject"]: one for one in shown(node, "doctor")}
        assert (found["books"]["verdict"], found["counters"]["verdict"]) == ("ok", "ok"), found

"""A deployment that fails, seen from all sides of a node that runs: the log, the command line, the API, the metrics."""

import json
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

DEAD = "mistral-small-latest--sim-status-401"
NAME = f"mistral/default/{DEAD}"


def ask(node: Node) -> None:
    body = {
        "model": f"mistral/{DEAD}",
        "messages": [{"role": "user", "content": "Hello!"}],
        "fallback_models": ["mistral/mistral-large-latest"],
    }
    assert node.ask("/api/chat/completions", body=json.dumps(body).encode())[0] == 200


def metrics(node: Node) -> dict[str, float]:
    lines = node.ask("/metrics")[1].decode().splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}


def listed(node: Node, key: str) -> list[dict[str, Any]]:
    status, answer = node.ask("/api/health/deployments/", key=key)
    assert status == 200, answer
    found: list[dict[str, Any]] = json.loads(answer)
    return found


def test_a_deployment_that_cools_is_seen_and_reset(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        key = node.gantry("keys", "create", "op", "--scope", "read", "--scope", "manage").stdout.split()[-1]
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")
        assert listed(node, key) == []
        assert json.loads(node.gantry("health", "list", "--json").stdout) == []

        ask(node)
        (one,) = listed(node, key)
        assert (one["deployment"], one["condition"], one["last_status"]) == (NAME, "cooling", 401)
        (same,) = json.loads(node.gantry("health", "list", "--json").stdout)
        assert {**same, "until": one["until"]} == one
        assert "deployments 1 is cooling" in node.gantry("status").stdout
        told = metrics(node)
        assert told["gantry_deployments_cooling"] == 1
        assert (told["gantry_fallbacks_total"], told["gantry_attempts_failed_total"]) == (1, 1)
        assert told["gantry_cooldowns_total"] == 1

        ask(node)  # whoever is cooling is passed over
        assert metrics(node)["gantry_attempts_failed_total"] == 1

        body = json.dumps({"deployment": NAME}).encode()
        status, answer = node.ask("/api/health/deployments/reset/", body=body, key=key)
        assert (status, json.loads(answer)) == (200, {"reset": [NAME]})
        assert listed(node, key) == []
        ask(node)
        assert metrics(node)["gantry_attempts_failed_total"] == 2, "it is asked again"
        assert "Reset: 1 deployments." in node.gantry("health", "reset", "--all").stderr
        assert metrics(node)["gantry_deployments_cooling"] == 0

        node.await_stored()
        logs = json.loads(node.ask("/api/request-logs/list/", key=key)[1])
        assert logs["count"] == 3, "attempts that failed are no requests"
        last, cooled, _ = (
            json.loads(node.ask(f"/api/request-logs/{log['id']}/", key=key)[1]) for log in logs["results"]
        )
        assert [(a["step"], a["reason"], a["status"], a["condition"]) for a in last["attempts"]] == [
            ("first", "only", 401, "well"),
            ("fallback", "only", 200, "well"),
        ]
        assert [a["step"] for a in cooled["attempts"]] == ["fallback"]
        first, second = node.gantry("logs", "show", last["id"]).stderr.splitlines()
        assert "401  upstream_error" in first
        assert "the next model: the only one" in second
        summary = json.loads(node.ask("/api/request-logs/summary/", key=key)[1])
        assert (summary["number_of_requests"], summary["number_of_errors"]) == (3, 0)


def test_a_hedge_is_priced_to_the_nano_dollar(tmp_path: Path) -> None:
    """The first attempt goes to somebody who never answers; the second answers, and both are on the bill."""
    with running_node(tmp_path) as node, closing(socket.create_server(("127.0.0.1", 0))) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        words = ("--name", "mute", "--api-key", "k", "--base-url", url, "--weight", "1000000000")
        node.gantry("providers", "add", "mistral", *words)
        rules = tmp_path / "rules.json"
        rules.write_text('{"models":[{"match":"*","hedge":{"after":0.1,"share":1}}]}')
        node.gantry("routing", "set", str(rules))
        key = node.gantry("keys", "create", "reader", "--scope", "read").stdout.split()[-1]
        body = {"model": "mistral/mistral-large-latest", "messages": [{"role": "user", "content": "Hello!"}]}
        assert node.ask("/api/chat/completions", body=json.dumps(body).encode())[0] == 200
        node.await_stored()
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")
        (listed,) = json.loads(node.ask("/api/request-logs/list/", key=key)[1])["results"]
        log = json.loads(node.ask(f"/api/request-logs/{listed['id']}/", key=key)[1])
        summary = json.loads(node.ask("/api/request-logs/summary/", key=key)[1])
        told = metrics(node)
    lost, won = log["attempts"]
    assert (lost["credential_name"], lost["step"], lost["outcome"]) == ("mute", "first", "cancelled")
    assert (won["credential_name"], won["step"], won["outcome"]) == ("default", "hedge", "success")
    assert won["began"] >= 0.1
    read, wrote = log["prompt_tokens"], log["completion_tokens"]
    nano = {name: round(value * 1e9) for name, value in log["cost_by_unit"].items()}
    assert nano == {"input_tokens": read * 500, "output_tokens": wrote * 1500, "hedge": read * 500}
    assert round(log["cost"] * 1e9) == sum(nano.values())
    assert round(log["hedge_cost"] * 1e9) == round(lost["cost"] * 1e9) == read * 500 > 0
    assert (lost["cost_estimated"], won["cost_estimated"]) == (True, False)
    assert (summary["number_of_requests"], round(summary["total_cost"] * 1e9)) == (1, sum(nano.values()))
    assert (summary["total_prompt_tokens"], summary["total_completion_tokens"]) == (read, wrote)
    assert (told["gantry_hedges_total"], told["gantry_hedges_won_total"]) == (1, 1)
    assert told["gantry_attempts_failed_total"] == 0

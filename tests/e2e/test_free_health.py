"""Knowing whether a deployment is well costs nothing: no probe of ours is a call that somebody pays for."""

import json
from pathlib import Path

import pytest

from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

BUSY = "mistral-small-latest--sim-status-429"  # whose cooldown is the shortest


def completions(node: Node) -> int:
    return sum(request["method"] == "POST" for request in node.seen_upstream())


def condition(node: Node) -> str:
    (known,) = json.loads(node.gantry("health", "list", "--json").stdout)
    return str(known["condition"])


def test_pain_17_health_checks_spend_nothing(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        body = {"model": f"mistral/{BUSY}", "messages": [{"role": "user", "content": "Hello!"}]}
        assert node.ask("/api/chat/completions", body=json.dumps(body).encode())[0] == 429
        asked = completions(node)
        assert asked >= 1

        assert condition(node) == "cooling"
        await_true(lambda: condition(node) == "due", "the end of the cooldown")
        assert completions(node) == asked, "only a caller's own call probes"

        for path in ("/healthz", "/readyz", "/metrics", "/api/models"):
            assert node.ask(path)[0] == 200
        for command in (("providers", "test", "mistral"), ("status",), ("check",), ("doctor",)):
            node.gantry(*command)
        assert completions(node) == asked
        assert {request["path"] for request in node.seen_upstream() if request["method"] == "GET"} <= {"/v1/models"}

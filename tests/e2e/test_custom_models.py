"""A custom model, whole: made by the API, called through the gateway, listed by it, and priced in the log."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def test_a_custom_model_is_made_called_listed_and_priced(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        manager = node.gantry("keys", "create", "boss", "--scope", "manage", "--scope", "read").stdout.split()[-1]
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")

        def ask(method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
            content = None if body is None else json.dumps(body).encode()
            status, answer = node.ask(path, body=content, key=key, method=method)
            return status, json.loads(answer) if answer else None

        status, models = ask("GET", "/api/models/public?unnest=true", "nobody")
        assert status == 200
        priced = {model["model_name"]: model["input_cost"] for model in models}
        assert priced["mistral-small-2603"] == 0.15

        form = {
            "model_name": "team/fast",
            "base_model_name": "mistral-small-latest",
            "input_cost": 10,
            "output_cost": 20,
        }
        assert ask("POST", "/api/models/", node.key, form)[0] == 403
        status, made = ask("POST", "/api/models/", manager, form)
        assert (status, made["provider"]["provider_id"]) == (201, "mistral"), made

        # The answer came when every worker routed by it, so the next call may use it, whichever takes it.
        question = {"model": "team/fast", "messages": [{"role": "user", "content": "ping"}]}
        for _ in range(4):
            status, answer = ask("POST", "/api/v1/chat/completions", node.key, question)
            assert status == 200, answer
        usage = answer["usage"]
        assert json.loads(node.seen_upstream()[-1]["body"])["model"] == "mistral-small-latest"

        status, card = ask("GET", "/api/models/team/fast/", node.key)
        assert (status, card["id"], card["output_cost"]) == (200, "team/fast", 20.0)
        _, listed = ask("GET", "/v1/models", node.key)
        assert "team/fast" in [one["id"] for one in listed["data"]]

        posted = {"model": "team/fast", "prompt_tokens": 1000, "completion_tokens": 100}
        assert ask("POST", "/api/request-logs/create/", manager_of_logs(node), posted)[0] == 200
        node.await_stored()

        _, logs = ask(
            "POST",
            "/api/request-logs/list/",
            manager,
            {"filters": {"model": {"operator": "", "value": ["mistral-small-latest"]}}},
        )
        log = next(one for one in logs["results"] if one["log_method"] == "inference")
        _, full = ask("GET", f"/api/request-logs/{log['id']}/", manager)
        cost = (usage["prompt_tokens"] * 10_000 + usage["completion_tokens"] * 20_000) / 1e9
        assert full["cost"] == pytest.approx(cost)
        elsewhere = next(one for one in logs["results"] if one["log_method"] != "inference")
        assert elsewhere["cost"] == pytest.approx(0.012)

        assert ask("DELETE", "/api/models/team/fast/", manager)[0] == 204
        status, answer = ask("POST", "/api/v1/chat/completions", node.key, question)
        assert status == 404 or "Invalid model" in json.dumps(answer), answer


def test_a_declared_model_is_called_and_only_the_file_changes_it(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        manager = node.gantry("keys", "create", "boss", "--scope", "manage", "--scope", "read").stdout.split()[-1]
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")

        def declare(toml: str) -> None:
            (node.home / "gantry.toml").write_text(toml)
            os.kill(node.pid_of("supervisor"), signal.SIGHUP)

        def names() -> list[str]:
            return [one["id"] for one in json.loads(node.ask("/v1/models", key=node.key)[1])["data"]]

        declare('[[models]]\nname = "team/fast"\nbase = "mistral/mistral-small-latest"\ninput_cost = 10\n')
        await_true(lambda: "team/fast" in names(), "a declared model")
        await_true(lambda: routes_alike(node), "workers that route by one snapshot: the list is one worker's answer")
        question = json.dumps({"model": "team/fast", "messages": [{"role": "user", "content": "ping"}]}).encode()
        status, answer = node.ask("/api/v1/chat/completions", body=question, key=node.key)
        assert status == 200, answer
        assert json.loads(node.seen_upstream()[-1]["body"])["model"] == "mistral-small-latest"

        for method, body in (("PATCH", b'{"input_cost": 1}'), ("PUT", b"{}"), ("DELETE", None)):
            status, answer = node.ask("/api/models/team/fast/", body=body, key=manager, method=method)
            assert (status, b"declared in gantry.toml" in answer) == (403, True), answer
        assert "declared in gantry.toml" in node.gantry("models", "remove", "team/fast", code=1).stderr

        declare("")
        await_true(lambda: "team/fast" not in names(), "a model that is not declared any more")


def routes_alike(node: Any) -> bool:
    """Say whether all workers have taken up the newest snapshot."""
    status = node.status()
    return {worker["snapshot_version"] for worker in status["workers"]} == {status["snapshot"]["version"]}


def manager_of_logs(node: Any) -> str:
    key: str = node.gantry("keys", "create", "writer", "--scope", "ingest").stdout.split()[-1]
    return key

"""A custom provider, whole: made by the API, called through the gateway with its key, and nobody else's."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore
from gantry.store.control_tables import organizations
from gantry.store.keys import KeyPolicy, add_key
from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def key_of_another_organization(node: Node) -> str:
    home = Home(node.home)
    with ControlStore(home.control_db) as control, control.changing() as change:
        change.connection.execute(insert(organizations).values(id="o2", name="another", created_at=2**62))
        policy = KeyPolicy(scopes=DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)
        return add_key(change, "o2", "theirs", policy, load_keyring(home).pepper)[1].reveal()


def test_a_custom_provider_is_made_called_changed_and_removed(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        manager = node.gantry("keys", "create", "boss", "--scope", "manage", "--scope", "read").stdout.split()[-1]
        theirs = key_of_another_organization(node)
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")
        answers: list[bytes] = []

        def ask(method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
            content = None if body is None else json.dumps(body).encode()
            status, answer = node.ask(path, body=content, key=key, method=method)
            answers.append(answer)
            return status, json.loads(answer) if answer else None

        def call(key: str, **more: Any) -> tuple[str, str | None, dict[str, Any]]:
            """Make a call, and return path, key and body as the provider saw them."""
            question = {"model": "acme/gpt-4o-mini", "messages": [{"role": "user", "content": "ping"}], **more}
            status, answer = ask("POST", "/api/chat/completions", key, question)
            assert status == 200, answer
            seen = node.seen_upstream()[-1]
            return seen["path"], dict(seen["headers"]).get("authorization"), json.loads(seen["body"])

        form = {
            "provider_id": "acme",
            "provider_name": "Acme",
            "api_key": "canary-ours",
            "extra_kwargs": {"base_url": f"{node.simulator.url}/openai/v1", "temperature": 0.25, "max_tokens": 7},
        }
        assert ask("POST", "/api/providers/", node.key, form)[0] == 403
        status, made = ask("POST", "/api/providers/", manager, form)
        assert (status, made["extra_kwargs"]) == (201, form["extra_kwargs"]), made

        # The answer came when every worker routed by it, so the next call may use it, whichever takes it.
        for _ in range(4):
            path, key, body = call(node.key, seed=12345678901234567890)
            assert (path, key) == ("/openai/v1/chat/completions", "Bearer canary-ours")
            assert (body["model"], body["temperature"], body["max_tokens"]) == ("gpt-4o-mini", 0.25, 7)
            assert body["seed"] == 12345678901234567890
        assert call(node.key, temperature=1)[2]["temperature"] == 1
        _, listed = ask("GET", "/v1/models", node.key)
        assert any(one["id"].startswith("acme/") for one in listed["data"])

        # Another organization has no acme, until it makes one of its own.
        question = {"model": "acme/gpt-4o-mini", "messages": [{"role": "user", "content": "ping"}]}
        status, answer = ask("POST", "/api/chat/completions", theirs, question)
        assert (status, "Acme" in json.dumps(answer)) in ((404, False), (503, False)), answer
        assert ask("GET", "/api/providers/", theirs)[1]["results"] == []
        own = {**form, "api_key": "canary-theirs", "extra_kwargs": {"base_url": f"{node.simulator.url}/openai"}}
        assert ask("POST", "/api/providers/", theirs, own)[0] == 201
        path, key, body = call(theirs)
        assert (key, "temperature" in body) == ("Bearer canary-theirs", False)
        assert call(node.key)[1] == "Bearer canary-ours"

        status, _ = ask("PATCH", "/api/providers/acme", manager, {"api_key": "canary-new"})
        assert status == 200
        assert [call(node.key)[1] for _ in range(4)] == ["Bearer canary-new"] * 4
        moved = {"extra_kwargs": {"base_url": "http://127.0.0.1:1/v1"}}
        assert ask("PATCH", "/api/providers/acme/", manager, moved)[0] == 400
        assert call(node.key)[1] == "Bearer canary-new"

        node.await_stored()
        _, logs = ask("GET", "/api/request-logs/list/", manager)
        newest = logs["results"][0]
        assert (newest["provider_id"], newest["deployment_name"], newest["status_code"]) == ("acme", "default", 200)

        assert ask("DELETE", "/api/providers/acme/", manager)[0] == 204
        earlier = len(node.seen_upstream())
        assert ask("POST", "/api/chat/completions", node.key, question)[0] == 400  # a name like any other, to Mistral
        assert call(theirs)[1] == "Bearer canary-theirs"
        assert "canary-new" not in json.dumps(node.seen_upstream()[earlier:])
        files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"canary-" not in files + b"".join(answers)

"""What each content policy keeps, looked for in every file of the home; a change of a key by the API changes it."""

import json
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import ContentPolicy
from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

FULL, REDACTED, METADATA, NOTHING = ContentPolicy


def files_with(node: Node, word: str) -> bool:
    files = (path for path in node.home.rglob("*") if path.is_file() and not path.is_symlink())
    return any(word.encode() in path.read_bytes() for path in files)


def test_a_key_says_what_its_calls_leave_behind(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        scopes = [word for scope in ("manage", "read", "inference") for word in ("--scope", scope)]
        boss = node.gantry("keys", "create", "boss", *scopes).stdout.split()[-1]
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")

        def ask(method: str, path: str, key: str, body: Any = None) -> Any:
            content = None if body is None else json.dumps(body).encode()
            status, answer = node.ask(path, body=content, key=key, method=method)
            assert status < 300, answer
            return json.loads(answer) if answer else None

        made = ask("POST", "/api/api-keys/", boss, {"name": "clinic", "scopes": ["inference"]})
        assert made["content_policy"] == FULL
        key = made["api_key"]
        kept: dict[ContentPolicy, dict[str, bool]] = {}
        for policy in ContentPolicy:
            changed = ask("PATCH", f"/api/api-keys/{made['id']}/", boss, {"content_policy": policy})
            assert changed["content_policy"] == policy
            name = policy.value
            canaries = {
                "said": f"canary-said-{name}",
                "address": f"jane.{name}@canary.example",
                "metadata": f"canary-metadata-{name}",
                "customer": f"canary-customer-{name}",
            }
            question = {
                "model": "mistral-small-latest",
                "messages": [{"role": "user", "content": f"{canaries['said']} {canaries['address']}"}],
                "metadata": {"canary": canaries["metadata"]},
                "customer_identifier": canaries["customer"],
            }
            ask("POST", "/api/chat/completions", key, question)
            posted = {"model": "m", "input": canaries["said"], "customer_identifier": canaries["customer"]}
            ask("POST", "/api/request-logs/create/", key, posted)
            node.await_stored()
            kept[policy] = {what: files_with(node, canary) for what, canary in canaries.items()}
        assert kept == {
            FULL: {"said": True, "address": True, "metadata": True, "customer": True},
            REDACTED: {"said": True, "address": False, "metadata": True, "customer": True},
            METADATA: {"said": False, "address": False, "metadata": True, "customer": True},
            NOTHING: {"said": False, "address": False, "metadata": False, "customer": False},
        }
        logs = ask("GET", "/api/request-logs/list/", boss)["results"]
        assert len(logs) == 2 * len(kept), "each call has its log, and what it cost"

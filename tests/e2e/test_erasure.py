"""A customer erased: nothing of what was said is in any file of the home, and the books agree."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

ADA, WORD = "canary-ada-7f3e", "canaryword9d1c"


def files_that_say(node: Node, *words: str) -> dict[str, str]:
    """Return the files of the home that hold one of some words, and which."""
    found: dict[str, str] = {}
    for path in node.home.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            found |= {f"{path.relative_to(node.home)}": word for word in words if word.encode() in content}
    return found


def test_nothing_is_left_but_sums_and_a_receipt(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        scopes = [word for scope in ("manage", "read", "team") for word in ("--scope", scope)]
        boss = node.gantry("keys", "create", "boss", *scopes).stdout.split()[-1]
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")

        def ask(method: str, path: str, key: str, body: Any = None) -> Any:
            content = None if body is None else json.dumps(body).encode()
            status, answer = node.ask(path, body=content, key=key, method=method)
            assert status < 300, answer
            return json.loads(answer) if answer else None

        def call(customer: str, text: str, **more: Any) -> None:
            question = {"model": "mistral-small-latest", "messages": [{"role": "user", "content": text}]}
            told = {"customer_identifier": customer, "customer_email": f"{customer}@example.com", **more}
            ask("POST", "/api/chat/completions", node.key, question | told)

        call(ADA, f"{WORD} cached", cache_enabled=True)
        for number in range(30):
            call(ADA, f"{WORD} {number}", thread_identifier=f"thread {WORD}", metadata={"said": WORD})
            call("bob", f"good morning {number}")
        ask("POST", "/api/request-logs/create/", node.key, {"model": "m", "customer_identifier": ADA, "input": WORD})
        node.await_stored()
        assert files_that_say(node, ADA, WORD), "it would be found"
        before = ask("GET", "/api/request-logs/summary/", boss)["total_cost"]

        receipt = ask("POST", "/api/erasures/", boss, {"customer_identifier": ADA})
        path = f"/api/erasures/{receipt['id']}/"
        await_true(lambda: ask("GET", path, boss)["state"] == "done", "the erasure")
        await_true(lambda: not files_that_say(node, ADA, WORD), "files that say nothing of it")
        done = ask("GET", path, boss)
        assert (done["erased"]["logs"], done["erased"]["customers"], done["erased"]["cached_answers"]) == (32, 1, 1)
        assert ask("GET", "/api/erasures/", boss)["results"] == [done]
        noted = [one for one in ask("GET", "/api/audit-log/", boss)["results"] if one["action"] == "erasure.made"]
        assert [one["subject"] for one in noted] == [receipt["id"]]
        left = ask("GET", "/api/request-logs/list/?page_size=1000", boss)
        assert {log["customer_identifier"] for log in left["results"]} == {"bob"}
        assert ask("GET", "/api/request-logs/summary/", boss)["total_cost"] == before

        # What is posted late is of a call before the erasure; what is called now is not.
        old = {"model": "m", "customer_identifier": ADA, "input": WORD, "timestamp": "2020-01-01T00:00:00Z"}
        ask("POST", "/api/request-logs/create/", node.key, old)
        node.await_stored()
        late = ask("GET", "/api/request-logs/list/?start_time=2019-01-01&model=m", boss)["results"]
        assert [(log["customer_identifier"], log["input"]) for log in late] == [(None, None)]
        call(ADA, "a new beginning")
        node.await_stored()
        newest = ask("GET", "/api/request-logs/list/?page_size=1", boss)["results"]
        assert [log["customer_identifier"] for log in newest] == [ADA]
        said = node.gantry("customers", "erase", ADA, "--yes").stdout
        assert json.loads(said)["erased"]["logs"] == 1
        assert json.loads(said)["subject_digest"] == done["subject_digest"]
        assert "do not agree" not in node.gantry("doctor").stdout

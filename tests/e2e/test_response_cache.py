"""The response cache as its users meet it: two workers, a clerk and a console, real processes all of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LARGE, SMALL = "mistral/mistral-large-latest", "mistral/mistral-small-latest"


def ask(node: Node, text: str, **fields: Any) -> bytes:
    body = {
        "model": LARGE,
        "messages": [{"role": "user", "content": f"canary-question {text}"}],
        "cache_enabled": True,
        "customer_identifier": "user_123",
        **fields,
    }
    status, answer = node.ask("/api/chat/completions", body=json.dumps(body).encode())
    assert status == 200, answer
    return answer


def get(node: Node, path: str, key: str, method: str = "GET", body: dict[str, Any] | None = None) -> Any:
    status, answer = node.ask(path, key=key, method=method, body=None if body is None else json.dumps(body).encode())
    assert status == 200, answer
    return json.loads(answer)


def results(node: Node, key: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = get(node, f"/api/request-logs/list/?sort_by=id{query}", key)["results"]
    return found


def test_answers_are_kept_given_again_recorded_listed_and_deleted(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        manager = node.gantry("keys", "create", "m", "--scope", "read", "--scope", "manage").stdout.split()[-1]
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")

        first = ask(node, "one")
        for _ in range(8):  # on connections of their own, so that both workers are met
            assert ask(node, "one") == first
        stream = ask(node, "one", stream=True)
        assert stream.rstrip().endswith(b"data: [DONE]")
        assert ask(node, "one", stream=True) == stream
        ask(node, "two", cache_options={"omit_log": True})
        ask(node, "two", cache_options={"omit_log": True})
        assert len([one for one in node.seen_upstream() if one["method"] == "POST"]) == 3
        node.await_stored()

        rows = results(node, manager)
        bought = [row for row in rows if not row["cache_hit"]]
        hits = results(node, manager, "&cache_hit=true")
        assert (len(rows), len(bought), len(hits)) == (12, 3, 9)
        filled = next(row for row in bought if not row["stream"] and "one" in row["input"])
        whole = [row for row in hits if not row["stream"]]
        assert len(whole) == 8
        for row in whole:
            assert (row["cost"], row["cache_savings"]) == (0.0, filled["cost"])
            assert (row["model"], row["requested_model"]) == ("respan/cache", LARGE)
            assert row["cache_key"] == filled["cache_key"]
            assert (row["output"], row["prompt_tokens"]) == (filled["output"], filled["prompt_tokens"])
            assert (row["outcome"], row["customer_identifier"]) == ("success", "user_123")
            full = get(node, f"/api/request-logs/{row['id']}/", manager)
            assert full["attempts"] is None
        (streamed,) = (row for row in hits if row["stream"])
        source = next(row for row in bought if row["stream"])
        assert (streamed["cache_savings"], streamed["output"]) == (source["cost"], source["output"])

        for query in ("", "&status_code=200"):  # from sums, and from rows
            sums = get(node, f"/api/request-logs/summary/?all_envs=false{query}", manager)
            assert (sums["number_of_requests"], sums["number_of_cache_hits"]) == (12, 9)
            assert sums["total_tokens"] == sum(row["total_request_tokens"] for row in bought)
            assert sums["total_cost"] == pytest.approx(sum(row["cost"] for row in bought))
            assert sums["total_cache_savings"] == pytest.approx(sum(row["cache_savings"] for row in hits))
        metrics = node.ask("/metrics")[1]
        assert b"gantry_cache_hits_total 10\n" in metrics, "the one without a row is counted"
        assert b"gantry_requests_total 13\n" in metrics

        caches = get(node, "/api/caches/", manager, "POST", {})
        entries = caches["data"]["results"]
        assert caches["data"]["count"] == 3
        assert caches["summary"]["total_hit_count"] == 10
        assert sorted(entry["hit_count"] for entry in entries) == [1, 1, 8]
        most = max(entries, key=lambda entry: entry["hit_count"])
        assert most["cache_key"] == filled["cache_key"]
        assert "canary-question one" in most["prompt_content"]
        detail = get(node, f"/api/cache/{most['id']}/", manager)
        assert detail["full_response"]["choices"][0]["message"]["content"] == most["response_content"]

        for path in (node.home / "cache").rglob("*"):
            assert path.is_dir() or b"canary-question" not in path.read_bytes()

        get(node, "/api/caches/bulk/", manager, "DELETE", {"cache_keys": [filled["cache_key"]]})
        assert ask(node, "one") != b""
        assert len([one for one in node.seen_upstream() if one["method"] == "POST"]) == 4, "it was asked for again"

        node.await_stored()
        stats = json.loads(node.gantry("cache", "stats", "--json").stdout)
        assert (stats["files"], stats["entries"]) == (3, 3)
        node.gantry("cache", "clear")
        ask(node, "one", stream=True)
        assert len([one for one in node.seen_upstream() if one["method"] == "POST"]) == 5


def test_a_database_that_is_away_does_not_keep_answers_from_being_given(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        ask(node, "one")
        node.kill("clerk")
        before = len(node.seen_upstream())
        for _ in range(4):
            ask(node, "one")
        assert len(node.seen_upstream()) == before
        await_true(lambda: node.status()["clerk"]["state"] == "ready", "another clerk")
        node.await_stored()
        stats = json.loads(node.gantry("cache", "stats", "--json").stdout)
        assert (stats["entries"], stats["hits"]) == (1, 4)

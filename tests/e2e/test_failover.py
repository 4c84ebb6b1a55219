"""Faults of a provider, each streamed and not, with and without a model to go to: what the caller gets, what the
provider was asked, and what is on record. Real processes; the next model speaks another format."""

import http.client
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.e2e.node import Node, await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NEXT = "anthropic/claude-sonnet-4-5"
HELD_BACK = {
    "status-401",
    "status-402",
    "status-403",
    "status-404",
    "status-408",
    "status-429",
    "status-429--retry-after-2",
    "status-429--code-3505",
    "status-500",
    "status-502",
    "status-503",
    "status-504",
    "status-529",
    "status-400--code-1500",
    "status-429--code-1300",
    "status-520",
    "status-524",
    "reset",
    "close",
    "hang",
    "first-byte-5",
    "ambiguous-framing",
    "header-bytes-300000",
}  # what the caller with another model in hand never hears of
TOLD = {"status-400", "status-413", "status-422"}  # the caller's fault, wherever it would go
# Of a stream; the whole answer has no such fault.
IN_THE_OPENING = {"error-event--at-0", "cut-mid-event--at-0", "reset-mid--at-0", "first-token-5", "stall-5--at-0"}
AFTER_CONTENT = {"cut-mid-event--at-3", "reset-mid--at-3", "cut-between-events--at-3", "error-event--at-3"}
HARMLESS = {
    "informational-103",
    "comments",
    "crlf",
    "chunked",
    "chunk-extensions",
    "trailers",
    "write-bytes-7",
    "close-delimited",
    "no-usage",
    "header-bytes-2000",
    "deprecation",
    "finish-length",
}
IN_A_HURRY = {"first_token_timeout": 0.5}


class Case(NamedTuple):
    fault: str
    stream: bool
    elsewhere: bool

    @property
    def model(self) -> str:
        """A deployment of its own: one that failed others would be left alone for a while."""
        size = (("small", "medium"), ("large", "tiny"))[self.stream][self.elsewhere]
        return f"mistral/mistral-{size}-latest--sim-{self.fault}"


CASES = [
    *(Case(fault, stream, elsewhere) for fault in sorted(HELD_BACK | TOLD | HARMLESS) for stream in (False, True)
      for elsewhere in (False, True)),
    *(Case(fault, True, elsewhere) for fault in sorted(IN_THE_OPENING | AFTER_CONTENT) for elsewhere in (False, True)),
]  # fmt: skip


def ask(node: Node, case: Case) -> tuple[int, bytes]:
    """Return status and body, as far as it came: 0 where the connection was cut before a status."""
    body: dict[str, Any] = {
        "model": case.model,
        "messages": [{"role": "user", "content": "Say something of ten words or more, please."}],
        "stream": case.stream,
        "max_tokens": 50,
        **IN_A_HURRY,
        "metadata": {"case": f"{case.fault} {case.stream} {case.elsewhere}"},
    }
    if case.elsewhere:
        body["fallback_models"] = [NEXT]
    try:
        return node.ask("/api/chat/completions", body=json.dumps(body).encode())
    except http.client.IncompleteRead as error:
        return 200, error.partial
    except (http.client.RemoteDisconnected, ConnectionError):
        return 0, b""


def said(answer: bytes) -> str:
    """Return the text of an answer, streamed or not."""
    if answer.startswith(b"{"):
        choices = json.loads(answer).get("choices") or [{"message": {"content": ""}}]
        return str(choices[0]["message"]["content"])
    events = [line[6:] for line in answer.split(b"\n") if line.startswith(b"data: {")]
    deltas = [choice["delta"] for event in events for choice in json.loads(event).get("choices", [])]
    return "".join(delta.get("content") or "" for delta in deltas)


def check(case: Case, status: int, answer: bytes, log: dict[str, Any]) -> None:
    attempts = log["attempts"]
    served_elsewhere = case.elsewhere and case.fault in HELD_BACK | (IN_THE_OPENING if case.stream else set())
    if served_elsewhere:
        assert status == 200, answer
        assert len(said(answer).split()) > 3, answer
        assert b"error" not in answer
        assert [one["provider_id"] for one in attempts] == ["mistral", "anthropic"]
        assert len(log["warnings"]) >= 1
        assert (log["model"], log["status_code"]) == ("claude-sonnet-4-5", 200)
        assert log["completion_tokens"] > 0
        assert log["cost"] > 0
        assert not case.stream or answer.rstrip().endswith(b"data: [DONE]")
        return
    assert [one["provider_id"] for one in attempts] == ["mistral"]
    if case.fault in HARMLESS:
        assert status == 200
        assert said(answer)
    elif case.fault in AFTER_CONTENT:
        assert status == 200
        assert said(answer), "content had come"
        assert log["outcome"] == "upstream_broke", log["outcome"]
    elif case.fault.startswith("status-"):
        assert status == int(case.fault[7:10])
    else:
        assert status >= 500 or b"error" in answer or log["outcome"] == "upstream_broke"


def test_what_a_caller_hears_of_each_fault(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        node.gantry("providers", "add", "anthropic", "--api-key", "a", "--base-url", f"{node.simulator.url}/anthropic")
        reader = node.gantry("keys", "create", "reader", "--scope", "read").stdout.split()[-1]
        told = {case: ask(node, case) for case in CASES}
        node.await_stored()
        await_true(lambda: node.ask("/api/health-check/")[0] == 200, "a console that answers")
        asked = [json.loads(one["body"])["model"] for one in node.seen_upstream() if one["method"] == "POST"]
        logs: dict[str, dict[str, Any]] = {}
        page = 1
        while page:
            path = f"/api/request-logs/list/?page={page}&page_size=100"
            found = json.loads(node.ask(path, key=reader)[1])
            for one in found["results"]:
                full = json.loads(node.ask(f"/api/request-logs/{one['id']}/", key=reader)[1])
                logs[full["metadata"]["case"]] = full
            page = page + 1 if found["next"] else 0
    assert len(logs) == len(CASES), "each call is one record, whatever became of it"
    faults = []
    for case, (status, answer) in told.items():
        try:
            check(case, status, answer, logs[f"{case.fault} {case.stream} {case.elsewhere}"])
        except AssertionError as error:
            faults.append(f"{case}: {status} {answer[:200]!r}: {error}")
    assert not faults, "\n".join(faults)
    elsewhere = sum(len(log["attempts"]) == 2 for log in logs.values())
    assert asked.count("claude-sonnet-4-5") == elsewhere
    # A pooled connection that ends without a word may have been closed before it was used: it is tried once more.
    unheard = ("sim-close", "sim-reset")
    once = [case for case in CASES if not case.model.endswith(unheard)]
    assert len([model for model in asked if not model.endswith(unheard)]) == len(once) + elsewhere, "asked twice"

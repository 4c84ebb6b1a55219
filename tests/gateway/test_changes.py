"""What is done to a request's parameters is said to the caller and in the log, and refused for those who ask for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.secret import Secret
from gantry.core.vocabulary import Outcome
from gantry.routing.snapshot import Body, CredentialRecord, Snapshot
from tests.gateway.conftest import Node, Upstream, json_answer, running_node
from tests.gateway.test_relay import ANSWER
from tests.gateway.uploads import OPENAI, Taken, taking

Runner = Callable[[Any], Any]
CHAT = "/api/chat/completions"
MESSAGES = b'"messages":[{"role":"user","content":"hi"}]'


def chat(model: str, rest: bytes = b"") -> bytes:
    return b'{"model":"%b",%b%b}' % (model.encode(), MESSAGES, rest)


@pytest.mark.parametrize(
    ("model", "sent", "heard", "changes"),
    [
        ("groq/llama", b',"logprobs":true,"x": 1.00', b',"x": 1.00', ["logprobs: dropped"]),
        ("groq/llama", b', "x" : [1,  2]', b', "x" : [1,  2]', []),
        ("groq/llama", b',"logprobs":null,"n":1', b',"n":1', []),
        (
            "deepseek/deepseek-chat",
            b',"max_completion_tokens":7,"x":1e2',
            b',"x":1e2,"max_tokens":7',
            ["max_completion_tokens: renamed to max_tokens"],
        ),
        ("moonshot/moonshot-v1-8k", b',"temperature":1.7', b',"temperature":1', ["temperature: clamped to 1"]),
        ("moonshot/moonshot-v1-8k", b',"temperature":0.70', b',"temperature":0.70', []),
        (
            "moonshot/kimi-k2.5",
            b',"temperature":1.7,"top_p":1',
            b"",
            ["temperature: dropped", "top_p: dropped"],
        ),
    ],
)
def test_a_providers_rules_change_what_they_name_and_no_other_byte(
    run: Runner, tmp_path: Path, model: str, sent: bytes, heard: bytes, changes: list[str]
) -> None:
    answer = b'{"id" : "x","odd":1.00,  "choices":[]}\n'
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(answer), taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            got = await node.ask(CHAT, chat(model, sent), OPENAI)
            assert (got.status, got.body) == (200, answer)
            assert taken[0].body == chat(model.partition("/")[2], heard)
            assert got.headers.get("x-gantry-changes", "") == "; ".join(changes)
            _, closed, captured = await node.one_call()
            assert closed.changes == changes
            assert captured == answer

    run(main())


DROPPING = b',"logprobs":true'
WAYS: list[tuple[bytes, tuple[bytes, ...], dict[str, Any]]] = [
    (b',"strict_parameters":true', (), {}),
    (b',"respan_params":{"strict_parameters":true}', (), {}),
    (b',"metadata":{"respan_params":{"strict_parameters":true}}', (), {}),
    (b"", (b'X-Gantry-Params: {"strict_parameters": true}',), {}),
    (b"", (), {"strict": True}),
]


@pytest.mark.parametrize(("extra", "headers", "key"), WAYS)
@pytest.mark.parametrize("model", ["groq/llama", "mistral/mistral-small-latest"])
def test_strict_refuses_what_would_be_dropped_however_it_is_asked_for(
    run: Runner, tmp_path: Path, extra: bytes, headers: tuple[bytes, ...], key: dict[str, Any], model: str
) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), [])).running() as upstream,
            running_node(tmp_path, upstream.url, **key) as node,
        ):
            body = chat(model, DROPPING + extra)
            got = await node.ask(CHAT, body, OPENAI, *headers)
            error = json.loads(got.body)["error"]
            assert (got.status, error["param"]) == (400, "logprobs")
            assert "`logprobs`" in error["message"]
            assert upstream.heard == b""
            opened, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.REFUSED, 400)
            assert opened.requested_model == model
            assert (await node.ask(CHAT, chat(model, extra), OPENAI, *headers)).status == 200

    run(main())


@pytest.mark.parametrize("value", [b"false", b'"false"', b"null", b"0"])
def test_what_does_not_ask_for_strictness_is_helped(run: Runner, tmp_path: Path, value: bytes) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            got = await node.ask(CHAT, chat("groq/llama", DROPPING + b',"strict_parameters":' + value), OPENAI)
            assert got.status == 200
            assert got.headers["x-gantry-changes"] == "logprobs: dropped"

    run(main())


def test_a_parameter_with_an_odd_name_makes_no_header_of_its_own(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), [])).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            body = chat("mistral/mistral-small-latest", b',"a\\r\\nset-cookie: x":1,"\\u00e9":2')
            got = await node.ask(CHAT, body, OPENAI)
            assert got.status == 200
            assert "set-cookie" not in got.headers
            assert "a??set-cookie: x: dropped" in got.headers["x-gantry-changes"]

    run(main())


def without_keys(node: Node, provider: str) -> None:
    """Let a provider's stored credential have the empty secret of one that needs none."""
    snapshot = node.worker._state.snapshot
    assert snapshot is not None
    body = snapshot.body
    credentials = tuple(
        CredentialRecord(c.credential_id, "o1", c.provider_id, c.name, c.base_url, {"api_key": Secret("")})
        if c.provider_id == provider
        else c
        for c in body.credentials
    )
    changed = Body(body.version, body.published_at, body.table_id, body.providers, credentials, {})
    node.worker._state.swap(Snapshot(changed, snapshot.keys))


def test_a_provider_without_a_key_gets_no_authorization(run: Runner, tmp_path: Path) -> None:
    taken: list[Taken] = []

    async def main() -> None:
        async with (
            Upstream(taking(json_answer(ANSWER), taken)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            without_keys(node, "ollama")
            assert (await node.ask(CHAT, chat("ollama/llama3", b',"max_completion_tokens":3'), OPENAI)).status == 200
            assert b"authorization" not in taken[0].head.lower()
            assert b"\r\n\r\n" not in taken[0].head[:-4]
            assert taken[0].body == chat("llama3", b',"max_tokens":3')

    run(main())

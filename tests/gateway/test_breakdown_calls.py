"""Calls that ask for a breakdown, as transcripts: what the caller gets, what the upstream hears, what is recorded."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import Outcome
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.conftest import STREAM_HEAD, Upstream, answering, json_answer, running_node

Runner = Callable[[Any], Any]
CHAT = "/api/v1/chat/completions"
OPENAI = b"User-Agent: OpenAI/Python 2.6.0"
MISTRAL = b"User-Agent: mistral-client-python/3.7.0"
BODY = (
    b'{"model":"mistral-small-latest","messages":[{"role":"user","content":"hi"}],"metadata":{"a":1},'
    b'"request_breakdown":true%b}'
)
ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"mistral-small-latest","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'
)
EVENT = (
    b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"mistral-small-latest",'
    b'"choices":[{"index":0,"delta":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n'
)
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize("agent", [MISTRAL, OPENAI])
def test_a_whole_answer_has_its_breakdown(run: Runner, tmp_path: Path, agent: bytes) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(ANSWER))).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            answer = await node.ask(CHAT, BODY % b"", agent)
            said = json.loads(answer.body)
            breakdown = said.pop("request_breakdown")
            assert said["choices"] == json.loads(ANSWER)["choices"]
            if agent == MISTRAL:
                assert answer.body.startswith(ANSWER[:-1])
            assert answer.headers["content-type"].startswith("application/json")
            assert int(answer.headers["content-length"]) == len(answer.body)
            assert (breakdown["prompt_tokens"], breakdown["metadata"], breakdown["stream"]) == (5, {"a": 1}, False)
            assert b"request_breakdown" not in upstream.heard
            opened, closed, captured = await node.one_call()
            assert captured == ANSWER
            assert (closed.outcome, closed.warnings) == (Outcome.SUCCESS, [])
            assert breakdown["full_request"] == json.loads(opened.request_body)

    run(main())


@pytest.mark.parametrize("agent", [MISTRAL, OPENAI])
def test_a_stream_has_its_breakdown_before_done(run: Runner, tmp_path: Path, agent: bytes) -> None:
    async def main() -> None:
        pieces = (STREAM_HEAD, encode_chunk(EVENT + DONE[:8]), encode_chunk(DONE[8:]), LAST_CHUNK)
        async with (
            Upstream(answering(*pieces)).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            answer = await node.ask(CHAT, BODY % b',"stream":true', agent)
            assert answer.headers["content-type"].startswith("text/event-stream")
            *events, last = answer.body.removesuffix(DONE).removesuffix(b"\n\n").split(b"\n\n")
            assert answer.body.endswith(b"\n\n" + DONE)
            chunk = json.loads(last.removeprefix(b"data: "))
            assert chunk["choices"][0]["request_breakdown"]["completion_message"]["content"] == "hello"
            assert b"request_breakdown" not in b"".join(events)
            if agent == MISTRAL:
                assert answer.body.startswith(EVENT)
            _, closed, captured = await node.one_call()
            assert captured == EVENT + DONE
            assert closed.outcome == Outcome.SUCCESS

    run(main())


def test_a_compressed_answer_comes_plain_and_an_error_as_it_is(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        compressed = json_answer(gzip.compress(ANSWER), b"200 OK", b"content-encoding: gzip")
        async with (
            Upstream(answering(compressed)).running() as upstream,
            running_node(tmp_path / "a", upstream.url) as node,
        ):
            answer = await node.ask(CHAT, BODY % b"", MISTRAL)
            assert "content-encoding" not in answer.headers
            assert answer.body.startswith(ANSWER[:-1])
        refusal = json_answer(b'{"object":"error","message":"no"}', b"404 Not Found")
        async with (
            Upstream(answering(refusal)).running() as upstream,
            running_node(tmp_path / "b", upstream.url) as node,
        ):
            assert (await node.ask(CHAT, BODY % b"", MISTRAL)).body == b'{"object":"error","message":"no"}'

    run(main())

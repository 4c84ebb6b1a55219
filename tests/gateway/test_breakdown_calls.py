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


CLAUDE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "hello"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 2},
}
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7},
}
MESSAGES = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
OF_CLAUDE, OF_GEMINI = "/v1beta/models/claude-x", "/v1beta/models/gemini-2.5-flash"
TRANSLATED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/api/chat/completions", {"model": "claude-x", **MESSAGES}, CLAUDE),
    ("/api/chat/completions", {"model": "gemini-2.5-flash", **MESSAGES}, GEMINI),
    ("/v1/messages", {"model": "claude-x", **MESSAGES}, CLAUDE),
    ("/v1/messages", {"model": "gemini-2.5-flash", **MESSAGES}, GEMINI),
    (f"{OF_CLAUDE}:generateContent", CONTENTS, CLAUDE),
    (f"{OF_GEMINI}:generateContent", CONTENTS, GEMINI),
]


@pytest.mark.parametrize(("path", "body", "said"), TRANSLATED)
def test_a_breakdown_reads_question_and_answer_in_their_own_formats(
    run: Runner, tmp_path: Path, path: str, body: dict[str, Any], said: dict[str, Any]
) -> None:
    async def main() -> None:
        script = answering(json_answer(json.dumps(said).encode()))
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(path, json.dumps({**body, "request_breakdown": True}).encode())
            breakdown = json.loads(answer.body)["request_breakdown"]
            assert breakdown["prompt_messages"] == [{"role": "user", "content": "hi"}]
            assert breakdown["completion_message"]["content"] == "hello"
            assert (breakdown["prompt_tokens"], breakdown["completion_tokens"]) == (5, 2)

    run(main())


@pytest.mark.parametrize("path", ["/v1/messages", f"{OF_CLAUDE}:streamGenerateContent?alt=sse"])
def test_a_stream_of_no_chunks_has_no_breakdown(run: Runner, tmp_path: Path, path: str) -> None:
    asked = {"model": "claude-x", "stream": True, **MESSAGES} if path == "/v1/messages" else CONTENTS
    begun = {"type": "message_start", "message": {**CLAUDE, "content": []}}
    event = b"event: message_start\ndata: %b\n\n" % json.dumps(begun).encode()
    event += b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    async def main() -> None:
        script = answering(STREAM_HEAD, encode_chunk(event), LAST_CHUNK)
        async with Upstream(script).running() as upstream, running_node(tmp_path, upstream.url) as node:
            answer = await node.ask(path, json.dumps({**asked, "request_breakdown": True}).encode())
            assert answer.status == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert b"breakdown" not in answer.body

    run(main())

"""Answers that are odd in one place: each is told in the client's format, or is the provider's fault, never ours."""

import json
from typing import Any

import pytest

from gantry.core.errors import UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking, Target
from gantry.dialects.translate import decode_request, translate

COMPLETION: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
}
QUESTION = b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
NOW = 1_700_000_000


def told(answer: dict[str, Any], *, stream: bool) -> bytes:
    """Return what a client of Gemini's gets for a chat completion."""
    request = decode_request(Dialect.GEMINI, QUESTION, "m", stream=stream)
    asking = Asking(request, NOW, "01abc", "alt=sse")
    translation = translate(Dialect.GEMINI, Dialect.OPENAI_CHAT, request, Target("m"), asking=asking)
    return translation.response(200, json.dumps(answer).encode(), "application/json")[1]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("created", [1_700_000_000_123, 10**30, -1, -(10**14), 0, None])
def test_a_moment_that_cannot_be_is_now(created: int | None, stream: bool) -> None:
    """Some providers count milliseconds."""
    assert b'"createTime":"2023-11-14T22:13:20Z"' in told({**COMPLETION, "created": created}, stream=stream)


@pytest.mark.parametrize("stream", [True, False])
def test_a_part_that_cannot_be_read_is_the_providers_fault(stream: bool) -> None:
    message = {"role": "assistant", "content": None, "audio": {"data": "a"}}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    with pytest.raises(UpstreamBroke):
        told({**COMPLETION, "choices": [choice]}, stream=stream)


def chunk(**delta: Any) -> bytes:
    finish = "tool_calls" if not delta else None
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % json.dumps({"id": "c", "created": 1, "model": "m", "choices": [choice]}).encode()


def call(arguments: str, **named: str) -> dict[str, Any]:
    return {"index": 0, **({"id": "call_1"} if named else {}), "function": {**named, "arguments": arguments}}


@pytest.mark.parametrize("late", ["", "}"])
def test_a_call_whose_arguments_go_on_after_a_text_is_whole(late: str) -> None:
    request = decode_request(Dialect.GEMINI, QUESTION, "m", stream=True)
    asking = Asking(request, NOW, "01abc", "alt=sse")
    stream = translate(Dialect.GEMINI, Dialect.OPENAI_CHAT, request, Target("m"), asking=asking).stream()
    out = stream.feed(chunk(tool_calls=[call('{"a":', name="look")]) + chunk(content="\n"))
    out += stream.feed(chunk(tool_calls=[call("1}")]) + chunk(content=" ") + chunk(tool_calls=[call(late)]) + chunk())
    out += stream.feed(b"data: [DONE]\n\n") + stream.close()
    assert b'"functionCall":{"id":"call_1","name":"look","args":{"a":1}}' in out
    assert (stream.ended, stream.failure) == (True, None)


def test_arguments_for_what_is_no_call_end_a_stream_of_responses() -> None:
    def event(**fields: Any) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (fields["type"].encode(), json.dumps(fields).encode())

    request = decode_request(
        Dialect.MISTRAL, b'{"model":"m","messages":[{"role":"user","content":"x"}]}', "m", stream=True
    )
    asking = Asking(request, NOW, "01abc")
    stream = translate(Dialect.MISTRAL, Dialect.OPENAI_RESPONSES, request, Target("m"), asking=asking).stream()
    stream.feed(event(type="response.reasoning_text.delta", output_index=0, content_index=0, delta="hm"))
    stream.feed(event(type="response.function_call_arguments.delta", output_index=0, delta="{}"))
    assert stream.failure is not None
    assert "cannot be read" in stream.failure

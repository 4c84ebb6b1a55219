"""Mistral's answers on their way to an OpenAI client, whole and streamed."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from gantry.core.errors import UpstreamBroke
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.adapt import adapt
from gantry.dialects.answer import read_answer
from gantry.dialects.changes import Change
from gantry.dialects.mistral_answer import to_openai
from gantry.dialects.mistral_stream import StreamAdapter

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7, "num_cached_tokens": 1}
OPENAI_USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 2,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 1},
}
THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}


def whole(message: dict[str, Any], finish_reason: str = "stop", **top: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    body = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": USAGE,
        **top,
    }
    found: dict[str, Any] = json.loads(to_openai(200, json.dumps(body).encode(), []))
    return found


def chunk(delta: dict[str, Any], finish_reason: str | None = None, **top: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **top}


def sse(*chunks: dict[str, Any], done: bool = True) -> bytes:
    return b"".join(b"data: " + json.dumps(item).encode() + b"\n\n" for item in chunks) + (
        b"data: [DONE]\n\n" if done else b""
    )


def stream(raw: bytes, *, include_usage: bool = False) -> list[Any]:
    adapter = StreamAdapter(include_usage=include_usage)
    out = adapter.feed(raw) + adapter.close()
    items = [event.removeprefix("data: ") for event in out.decode().split("\n\n") if event]
    return [item if item == "[DONE]" else json.loads(item) for item in items]


def deltas(events: list[Any]) -> list[dict[str, Any]]:
    return [event["choices"][0]["delta"] for event in events if event != "[DONE]" and event.get("choices")]


def test_a_plain_answer() -> None:
    found = whole({"content": "hi", "tool_calls": None, "prefix": False}, guardrails=[])
    assert found["choices"][0]["message"] == {"role": "assistant", "content": "hi"}
    assert found["usage"] == OPENAI_USAGE
    assert (found["id"], found["model"], found["created"]) == ("x", "m", 1)


def test_chunks_of_content_become_a_string_and_the_thinking_beside_it() -> None:
    message = whole({"content": [THINKING, {"type": "text", "text": "4"}, {"type": "reference", "reference_ids": [1]}]})
    assert message["choices"][0]["message"] == {"role": "assistant", "content": "4", "reasoning_content": "hm"}


@pytest.mark.parametrize(("given", "expected"), [('{"a":1}', '{"a":1}'), ({"a": 1}, '{"a":1}'), ("", "")])
def test_tool_calls(given: Any, expected: str) -> None:
    message = whole(
        {"content": "", "tool_calls": [{"id": "abc123def", "function": {"name": "f", "arguments": given}, "index": 0}]}
    )
    assert message["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "abc123def", "type": "function", "function": {"name": "f", "arguments": expected}}],
    }


def test_a_tool_call_without_an_id_gets_one() -> None:
    calls = [
        {"id": "null", "function": {"name": "f", "arguments": "{}"}},
        {"function": {"name": "g", "arguments": "{}"}},
    ]
    message = whole({"content": "", "tool_calls": calls})["choices"][0]["message"]
    first, second = (call["id"] for call in message["tool_calls"])
    assert first != second
    assert len(first) == len(second) == 9  # so that Mistral takes them back unchanged
    assert whole({"content": "", "tool_calls": calls})["choices"][0]["message"] == message
    assert whole({"content": "", "tool_calls": calls}, id="y")["choices"][0]["message"] != message


@pytest.mark.parametrize(
    ("given", "expected"),
    [("stop", "stop"), ("model_length", "length"), ("error", "stop"), ("tool_calls", "tool_calls")],
)
def test_finish_reasons(given: str, expected: str) -> None:
    assert whole({"content": "x"}, given)["choices"][0]["finish_reason"] == expected


def test_an_answer_that_both_read_alike_keeps_its_bytes() -> None:
    counts = b'"prompt_tokens":5,"total_tokens":7,"completion_tokens":2'
    usage = b'{%b,"prompt_tokens_details":{"cached_tokens":0},"prompt_audio_seconds":null}' % counts
    body = (
        b'{"id":"x","created":1,"model":"m","usage":%b, "object":"chat.completion","choices":[{"index":0,'
        b'"finish_reason":"stop","message":{"role":"assistant","tool_calls":null,"content":"hi"}}]}' % usage
    )
    assert to_openai(200, body, []) is body


def test_an_error_as_the_end_is_reported_or_broke() -> None:
    changes: list[Change] = []
    to_openai(200, json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}).encode(), changes)
    assert [str(change) for change in changes] == ["choices[].finish_reason: converted from error to stop"]
    with pytest.raises(UpstreamBroke):
        to_openai(200, b'{"choices":[{"message":{"content":""},"finish_reason":"error"}]}', changes)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"choices":7}', b'{"choices":[1]}'])
def test_what_is_no_completion_broke(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        to_openai(200, body, [])


ERRORS = [
    (
        b'{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}',
        "Invalid model: x",
        "invalid_model",
        "1500",
    ),
    (
        b'{"object":"error","message":{"detail":[{"loc":["body"],"msg":"no"}]},"type":"t","code":null}',
        "body: no",
        "t",
        None,
    ),
    (b'{"detail":"Unauthorized"}', "Unauthorized", None, None),
    (b"<html>", "the provider answered with an error that has no message", None, None),
]


@pytest.mark.parametrize(("body", "message", "kind", "code"), ERRORS)
def test_errors(body: bytes, message: str, kind: str | None, code: str | None) -> None:
    found = json.loads(to_openai(400, body, []))
    assert found == {"error": {"message": message, "type": kind, "param": None, "code": code}, "detail": message}


def test_a_chunk_that_both_read_alike_keeps_its_bytes() -> None:
    choices = b'"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]'
    raw = b'data: {"id":"x", ' + choices + b',"p":"abc","created":1.00}\n\n'
    assert StreamAdapter(include_usage=False).feed(raw) == raw


def test_usage_comes_apart_when_it_was_asked_for() -> None:
    raw = sse(chunk({"content": "a"}), chunk({"content": ""}, "stop", usage=USAGE))
    asked, not_asked = stream(raw, include_usage=True), stream(raw)
    assert next(event for event in asked if event != "[DONE]" and not event["choices"])["usage"] == OPENAI_USAGE
    assert asked[-1] == not_asked[-1] == "[DONE]"
    assert not any("usage" in event for event in not_asked if event != "[DONE]")
    assert not_asked[-2]["choices"][0]["finish_reason"] == "stop"


def test_thinking_streams_beside_the_content() -> None:
    events = stream(
        sse(
            chunk({"content": [THINKING]}),
            chunk({"content": [THINKING, {"type": "text", "text": "4"}]}),
            chunk({"content": "2"}, "stop"),
        )
    )
    assert deltas(events) == [
        {"reasoning_content": "hm", "content": None},
        {"reasoning_content": "hm", "content": "4"},
        {"content": "2"},
    ]


FRAGMENTS = {
    "mistral's own": [
        {"id": "abc123def", "function": {"name": "f", "arguments": ""}, "index": 0},
        {"function": {"name": "", "arguments": '{"a":'}, "index": 0},
        {"id": "null", "function": {"name": "", "arguments": "1}"}, "index": 0},
    ],
    "without an index": [
        {"id": "abc123def", "function": {"name": "f", "arguments": ""}},
        {"function": {"name": "", "arguments": '{"a":1}'}},
    ],
    "whole, an object": [{"id": "abc123def", "function": {"name": "f", "arguments": {"a": 1}}, "index": 0}],
}


@pytest.mark.parametrize("fragments", FRAGMENTS.values(), ids=FRAGMENTS)
def test_fragments_of_tool_calls(fragments: list[dict[str, Any]]) -> None:
    events = stream(sse(*(chunk({"tool_calls": [fragment]}) for fragment in fragments), chunk({}, "tool_calls")))
    found = [delta["tool_calls"][0] for delta in deltas(events) if "tool_calls" in delta]
    assert {"id", "type", "index", "function"} == found[0].keys()
    assert all(fragment.keys() == {"index", "function"} for fragment in found[1:])
    assert found[0]["function"]["name"] == "f"
    assert all("name" not in fragment["function"] for fragment in found[1:])
    assert "".join(fragment["function"]["arguments"] for fragment in found) == '{"a":1}'
    assert {fragment["index"] for fragment in found} == {0}


def test_calls_that_share_an_index_are_counted_apart() -> None:
    calls = [{"id": name * 9, "function": {"name": name, "arguments": "{}"}, "index": 0} for name in "ab"]
    events = stream(sse(*(chunk({"tool_calls": [call]}) for call in calls), chunk({}, "tool_calls")))
    assert [delta["tool_calls"][0]["index"] for delta in deltas(events) if "tool_calls" in delta] == [0, 1]


BROKEN = {
    "cut without an end": sse(chunk({"content": "a"}), done=False),
    "an error object": sse(chunk({"content": "a"}), {"object": "error", "message": "overloaded"}),
    "an error object with an odd member": sse(chunk({"content": "a"}), {"id": 5, "message": "overloaded"}),
    "a chunk without choices, and with an odd member": sse(chunk({"content": "a"}), {"id": "x", "model": 5}),
    "the error finish": sse(chunk({"content": "a"}), chunk({"content": ""}, "error")),
    "rubbish": sse(chunk({"content": "a"}), done=False) + b"data: <html>\n\n",
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN)
def test_a_stream_that_broke_says_so(raw: bytes) -> None:
    assert any(event != "[DONE]" and "error" in event for event in stream(raw))


@pytest.mark.parametrize("raw", list(BROKEN.values())[1:], ids=list(BROKEN)[1:])
def test_nothing_is_said_after_a_break(raw: bytes) -> None:
    assert stream(raw + sse(chunk({"content": "more"}, "stop")))[-1].keys() == {"error"}


def test_padding_goes_when_a_chunk_is_rebuilt() -> None:
    (first, *_) = stream(sse(chunk({"content": "a"}, "stop", p="abcd", guardrails=[])))
    assert "p" not in first
    assert first["guardrails"] == []


def test_a_missing_end_after_the_finish_is_supplied() -> None:
    assert stream(sse(chunk({"content": "a"}, "stop"), done=False))[-1] == "[DONE]"


def test_a_request_and_its_answer_belong_together() -> None:
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    adaptation = adapt(Operation.CHAT, Dialect.OPENAI_CHAT, Dialect.MISTRAL, json.dumps(body).encode())
    assert json.loads(adaptation.body) == {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
    assert [str(change) for change in adaptation.changes] == ["user: dropped"]
    machine = adaptation.stream()
    assert b'"prompt_tokens"' in machine.feed(sse(chunk({"content": "a"}, "stop", usage=USAGE)))
    assert machine.close() == b""
    kind, answer = adaptation.response(200, json.dumps({"choices": []}).encode(), "application/json")
    assert (kind, json.loads(answer)) == ("application/json", {"choices": []})


def test_every_recording_says_the_same_after_adapting_whatever_its_cut(shared: Path) -> None:
    dice = random.Random(7)
    count = 0
    for path in (shared / "recordings" / "mistral" / "mistral_chat").glob("*.json"):
        response = json.loads(path.read_bytes())["response"]
        if response["status"] != 200:
            continue
        count += 1
        if response.get("sse"):
            raw = response["sse"].encode()
            kind, adapted = "text/event-stream", _adapt_in_pieces(raw, dice)
            assert adapted == _adapt_in_pieces(raw, random.Random(8)), path
        else:
            raw = json.dumps(response["body"]).encode()
            kind, adapted = "application/json", to_openai(200, raw, [])
        before = read_answer(Operation.CHAT, Dialect.MISTRAL, kind, raw)
        after = read_answer(Operation.CHAT, Dialect.OPENAI_CHAT, kind, adapted)
        assert (after.text or "") == (before.text or ""), path
        assert after.reasoning == before.reasoning, path
        assert after.tool_calls == before.tool_calls, path
        assert after.finish_reason == before.finish_reason, path
        assert after.usage == before.usage, path
        assert after.complete, path
    assert count > 90


def _adapt_in_pieces(raw: bytes, dice: random.Random) -> bytes:
    adapter = StreamAdapter(include_usage=True)
    out = b""
    while raw:
        size = dice.choice((1, 3, 64, 1000))
        out += adapter.feed(raw[:size])
        raw = raw[size:]
    return out + adapter.close()

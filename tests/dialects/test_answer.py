"""The fold of answers: what recordings do not show, and the law that a stream says what its twin says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import EMPTY_ANSWER, Answer, read_answer


def chunk(*deltas: dict[str, Any], **top: Any) -> dict[str, Any]:
    choices = [{"index": 0, "finish_reason": None, "delta": delta} for delta in deltas]
    return {"id": "c1", "object": "chat.completion.chunk", "model": "m", "choices": choices, **top}


def end(reason: str = "stop", **top: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}], **top}


def sse(*chunks: dict[str, Any], done: bool = True) -> bytes:
    events = [b"data: " + json.dumps(item).encode() + b"\n\n" for item in chunks]
    return b"".join(events) + (b"data: [DONE]\n\n" if done else b"")


def read_stream(*chunks: dict[str, Any], done: bool = True) -> Answer:
    return read_answer(Operation.CHAT, Dialect.MISTRAL, "text/event-stream", sse(*chunks, done=done))


def read_json(body: Any, operation: Operation = Operation.CHAT) -> Answer:
    return read_answer(operation, Dialect.MISTRAL, "application/json", json.dumps(body).encode())


def function(name: str | None, arguments: Any, **rest: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **rest}


CALL_STREAMS = {
    "mistral: name empty, id absent": [
        function("f", "", id="abc123def", index=0),
        function("", '{"a":', index=0),
        function("", "1}", index=0),
    ],
    "mistral: id is the word null": [
        function("f", "", id="abc123def", index=0),
        function("", '{"a":1}', id="null", index=0),
    ],
    "openai: later fragments without a name": [
        function("f", "", id="abc123def", index=0, type="function"),
        {"index": 0, "function": {"arguments": '{"a":'}},
        {"index": 0, "function": {"arguments": "1}"}},
    ],
    "the name and the id in every fragment": [
        function("f", '{"a":', id="abc123def", index=0),
        function("f", "1}", id="abc123def", index=0),
    ],
    "no index at all": [function("f", '{"a":', id="abc123def"), function(None, "1}")],
    "arguments null first": [function("f", None, id="abc123def", index=0), function(None, '{"a":1}', id=None, index=0)],
    "whole, arguments an object": [function("f", {"a": 1}, id="abc123def", index=0)],
}


@pytest.mark.parametrize("fragments", CALL_STREAMS.values(), ids=CALL_STREAMS)
def test_fragments_of_one_call_meet(fragments: list[dict[str, Any]]) -> None:
    answer = read_stream(*(chunk({"tool_calls": [fragment]}) for fragment in fragments), end("tool_calls"))
    assert json.loads(answer.tool_calls or "") == [
        {"id": "abc123def", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    ]


PARALLEL_STREAMS = {
    "told apart by index": [
        function("f", "1", id="a", index=0),
        function("g", "2", id="b", index=1),
        function(None, "1", index=0),
        function(None, "2", index=1),
    ],
    "every call at index 0": [function("f", "11", id="a", index=0), function("g", "22", id="b", index=0)],
    "no index": [function("f", "11", id="a"), function("g", "22", id="b")],
}


@pytest.mark.parametrize("fragments", PARALLEL_STREAMS.values(), ids=PARALLEL_STREAMS)
def test_parallel_calls_stay_apart(fragments: list[dict[str, Any]]) -> None:
    answer = read_stream(*(chunk({"tool_calls": [fragment]}) for fragment in fragments), end("tool_calls"))
    calls = json.loads(answer.tool_calls or "")
    assert [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls] == [
        ("a", "f", "11"),
        ("b", "g", "22"),
    ]


def test_thinking_and_text_are_told_apart_and_merged() -> None:
    answer = read_stream(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Let "}]}]}),
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "me see."}], "closed": True}]}),
        chunk({"content": [{"type": "text", "text": "It"}]}),
        chunk({"content": " is 4."}),
        chunk({"content": [{"type": "reference", "reference_ids": [3]}]}),
        end(usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}),
    )
    assert answer.text == "It is 4."
    assert answer.reasoning == "Let me see."
    assert json.loads(answer.message or "")["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Let me see."}], "closed": True},
        {"type": "text", "text": "It is 4."},
        {"type": "reference", "reference_ids": [3]},
    ]


def test_both_spellings_of_reasoning_are_read_once() -> None:
    answer = read_stream(chunk({"reasoning": "a", "reasoning_content": "a"}), chunk({"reasoning_content": "b"}), end())
    assert answer.reasoning == "ab"


def test_a_refusal_is_kept() -> None:
    answer = read_stream(chunk({"refusal": "I "}), chunk({"refusal": "won't."}), end())
    assert json.loads(answer.message or "")["refusal"] == "I won't."
    assert answer.text is None


def test_several_choices() -> None:
    body = {"choices": [{"index": n, "message": {"role": "assistant", "content": str(n)}} for n in (1, 0, 2)]}
    answer = read_json(body)
    assert answer.text == "0"
    assert [message["content"] for message in json.loads(answer.messages or "")] == ["0", "1", "2"]


def test_the_last_usage_of_a_stream_wins() -> None:
    answer = read_stream(
        chunk({"content": "a"}, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}),
        chunk({"content": "b"}, usage=None),
        chunk(usage={"prompt_tokens": 1, "completion_tokens": 9, "total_tokens": 10}),
    )
    assert answer.usage.output_tokens == 9


def test_a_message_that_came_whole_keeps_its_bytes() -> None:
    message = b'{"role":"assistant", "content":"x", "annotations":[1.00, 12345678901234567890123]}'
    body = b'{"choices":[{"index":0,"message":' + message + b"}]}"
    assert read_answer(Operation.CHAT, Dialect.OPENAI_CHAT, "application/json", body).message == message.decode()


ERRORS = {
    "mistral": (
        {"object": "error", "message": "Invalid model: x", "type": "invalid_model", "code": "1500"},
        "Invalid model: x",
    ),
    "mistral, nested": (
        {"object": "error", "message": {"detail": [{"loc": ["body", "n"], "msg": "no"}]}},
        "body.n: no",
    ),
    "openai": ({"error": {"message": "bad", "type": "t"}}, "bad"),
    "a string": ({"error": "bad"}, "bad"),
    "fastapi": ({"detail": "Not Found"}, "Not Found"),
    "fastapi list": ({"detail": [{"loc": ["body", "x"], "msg": "field required"}]}, "body.x: field required"),
    "edge": ({"message": "Unauthorized", "request_id": "r"}, "Unauthorized"),
}


@pytest.mark.parametrize(("body", "message"), ERRORS.values(), ids=ERRORS)
def test_reads_the_message_of_every_error_envelope(body: dict[str, Any], message: str) -> None:
    answer = read_json(body)
    assert answer.error == message
    assert not answer.complete


def test_an_error_in_a_stream_is_read() -> None:
    answer = read_stream(chunk({"content": "a"}), {"error": {"message": "overloaded", "code": 502}})
    assert (answer.text, answer.error, answer.complete) == ("a", "overloaded", False)


UNREADABLE = {
    "nothing": ("application/json", b"", None),
    "a web page": (
        "text/html",
        b"<html><title>502 Bad\n Gateway</title></html>",
        "<html><title>502 Bad Gateway</title></html>",
    ),
    "cut JSON": ("application/json", b'{"id":"x","choices":[{"ind', None),
    "not an object": ("application/json", b"[1, 2]", None),
    "deep": ("application/json", b'{"choices":' + b"[" * 5000, None),
    "not UTF-8": ("application/json", b'\xff\xfe{"a"', None),
    "a stream of rubbish": ("text/event-stream", b"data: <html>\n\ndata: 1\n\n", None),
    "a cut stream": ("text/event-stream", b'data: {"id":"x","choices":[{"index":0,"de', None),
}


@pytest.mark.parametrize(("content_type", "body", "error"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_reported(content_type: str, body: bytes, error: str | None) -> None:
    answer = read_answer(Operation.CHAT, Dialect.MISTRAL, content_type, body)
    assert answer.error == error
    assert not answer.complete
    assert answer == EMPTY_ANSWER or answer.warnings


def test_a_cut_answer_still_gives_its_usage() -> None:
    body = (
        b'{"id":"x","model":"m","usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12},"choices":[{"mess'
    )
    answer = read_answer(Operation.CHAT, Dialect.MISTRAL, "application/json", body)
    assert (answer.model, answer.usage.input_tokens, answer.usage.output_tokens) == ("m", 5, 7)


def test_one_broken_field_hides_no_other() -> None:
    body = {
        "id": 17,
        "model": "m",
        "choices": [{"index": "zero", "message": {"role": ["x"], "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": "3", "completion_tokens": {}, "total_tokens": 4.0},
    }
    answer = read_json(body)
    assert (answer.response_id, answer.model, answer.text, answer.finish_reason) == (None, "m", "hi", "stop")
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (3, None, 4)


def test_bytes_that_are_not_utf8_cost_only_themselves() -> None:
    body = b'{"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a\xffb"}}]}'
    answer = read_answer(Operation.CHAT, Dialect.OPENAI_CHAT, "application/json", body)
    assert (answer.model, answer.text) == ("m", "a\ufffdb")


def test_a_stream_without_its_content_type_is_known_by_its_first_line() -> None:
    assert read_answer(Operation.CHAT, Dialect.MISTRAL, "", sse(chunk({"content": "x"}), end())).text == "x"


@pytest.mark.parametrize(
    ("done", "reason", "complete"), [(True, None, True), (False, "stop", True), (False, None, False)]
)
def test_a_stream_is_complete_when_it_said_so(done: bool, reason: str | None, complete: bool) -> None:
    chunks = [chunk({"content": "x"})] + ([end(reason)] if reason else [])
    assert read_stream(*chunks, done=done).complete is complete


def test_an_opaque_answer_is_read_for_its_usage() -> None:
    ocr = read_json(
        {"pages": [], "model": "mistral-ocr-latest", "usage_info": {"pages_processed": 29}}, Operation.OPAQUE
    )
    assert ocr.usage.pages == 29


def test_an_opaque_answer_in_another_format_is_not_read() -> None:
    assert read_answer(Operation.OPAQUE, Dialect.MISTRAL, "audio/mpeg", b"\x00\x01") == Answer(complete=True)


PIECES = st.one_of(
    st.text(max_size=6).map(lambda text: {"content": text}),
    st.text(max_size=6).map(lambda text: {"content": [{"type": "text", "text": text}]}),
    st.text(max_size=6).map(
        lambda text: {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}
    ),
    st.text(max_size=6).map(lambda text: {"reasoning_content": text}),
    st.text(max_size=6).map(lambda text: {"refusal": text}),
    st.tuples(st.integers(0, 2), st.text(max_size=6)).map(
        lambda call: {"tool_calls": [function("f", call[1], index=call[0], id=f"id{call[0]}")]}
    ),
)


@given(deltas=st.lists(PIECES, max_size=12))
def test_the_assembled_stream_is_read_as_its_twin(deltas: list[dict[str, Any]]) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    streamed = read_stream(chunk({"role": "assistant"}), *(chunk(delta) for delta in deltas), end(usage=usage))
    message = json.loads(streamed.message or "")
    twin = read_json(
        {
            "id": "c1",
            "model": "m",
            "usage": usage,
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        }
    )
    assert json.loads(twin.message or "") == message
    assert without_message(twin) == without_message(streamed)


@given(body=st.binary(max_size=200), kind=st.sampled_from(["application/json", "text/event-stream", "", "text/html"]))
def test_no_bytes_raise(body: bytes, kind: str) -> None:
    for operation in Operation:
        answer = read_answer(operation, Dialect.OPENAI_CHAT, kind, body)
        assert min(answer.usage.input_tokens or 0, answer.usage.output_tokens or 0) >= 0


def without_message(answer: Answer) -> dict[str, Any]:
    seen = {name: getattr(answer, name) for name in Answer.__struct_fields__}
    for name in ("message", "usage_raw"):
        seen.pop(name)
    # A thinking chunk stands in the content and reasoning_content beside it: their order is not the stream's.
    seen["reasoning"] = sorted(seen["reasoning"] or "")
    return seen

"""Cohere's stream, read and written: transcripts, every cut, every early end, random answers both ways."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Citation,
    Finish,
    FinishReason,
    Media,
    MediaKind,
    ProviderError,
    Text,
    ToolCall,
)
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerEnded,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    MediaAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.errors import NotFound
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.codec import Asking
from gantry.dialects.cohere.codec import COHERE
from gantry.dialects.errors import encode_stream_error
from tests.dialects.canonical import answers

ASKING = Asking(ChatRequest(dialect=Dialect.COHERE, model="m", messages=()), 1, "id-1")


def event(kind: str, index: int | None = None, message: Any = None, **more: Any) -> bytes:
    value: dict[str, Any] = {"type": kind, **more}
    if index is not None:
        value["index"] = index
    if message is not None:
        value["delta"] = {"message": message}
    return f"event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


def end(reason: str, **more: Any) -> bytes:
    usage = {
        "billed_units": {"input_tokens": 7, "output_tokens": 9},
        "tokens": {"input_tokens": 500, "output_tokens": 30, "reasoning_tokens": 4},
        "cached_tokens": 448,
    }
    return event("message-end", delta={"finish_reason": reason, "usage": usage, **more}) + b"data: [DONE]\n\n"


BEGIN = event("message-start", id="abc", delta={"message": {"role": "assistant", "content": [], "citations": []}})
CITATION = {"start": 0, "end": 2, "text": "It", "sources": [{"type": "document", "document": {"title": "T"}}]}
STREAM = b"".join(
    (
        BEGIN,
        event("content-start", 0, {"content": {"type": "thinking", "thinking": ""}}),
        event("content-delta", 0, {"content": {"thinking": "hm"}}),
        event("content-end", 0),
        event("tool-plan-delta", message={"tool_plan": "I "}),
        event("tool-plan-delta", message={"tool_plan": "look."}),
        event("tool-call-start", 0, {"tool_calls": {"id": "c1", "type": "function", "function": {"name": "f"}}}),
        event("tool-call-delta", 0, {"tool_calls": {"function": {"arguments": '{"x":'}}}),
        event("tool-call-delta", 0, {"tool_calls": {"function": {"arguments": "1}"}}}),
        event("tool-call-end", 0),
        event("tool-call-start", 1, {"tool_calls": {"id": "c2", "function": {"name": "g", "arguments": ""}}}),
        event("tool-call-delta", 1, {"tool_calls": {"function": {"arguments": "nu"}}}),
        event("tool-call-delta", 1, {"tool_calls": {"function": {"arguments": "ll"}}}),
        event("tool-call-end", 1),
        end("TOOL_CALL"),
    )
)
CITED = b"".join(
    (
        BEGIN,
        event("content-start", 0, {"content": {"type": "text", "text": ""}}),
        event("content-delta", 0, {"content": {"text": "It is é\u2028."}}),
        event("citation-start", 0, {"citations": CITATION | {"type": "TEXT_CONTENT"}}),
        event("citation-end", 0),
        event("citation-start", 1, {"citations": CITATION | {"type": "PLAN"}}),
        event("content-end", 0),
        end("COMPLETE"),
    )
)
WHOLE = {
    "id": "abc",
    "message": {
        "role": "assistant",
        "content": [{"type": "text", "text": "It is é\u2028."}],
        "citations": [CITATION | {"type": "TEXT_CONTENT"}, CITATION | {"type": "PLAN"}],
    },
    "finish_reason": "COMPLETE",
    "usage": {
        "billed_units": {"input_tokens": 7, "output_tokens": 9},
        "tokens": {"input_tokens": 500, "output_tokens": 30, "reasoning_tokens": 4},
        "cached_tokens": 448,
    },
}


def decode(raw: bytes, size: int | None = None) -> list[ChatEvent]:
    decoder = COHERE.stream_decoder()
    step = size or max(len(raw), 1)
    events = [one for at in range(0, len(raw), step) for one in decoder.feed(raw[at : at + step])]
    return events + decoder.close()


def encode(events: list[ChatEvent]) -> bytes:
    return COHERE.stream_encoder(ASKING).feed(events)


def told(raw: bytes) -> list[dict[str, Any]]:
    values = []
    for block in raw.decode().removesuffix("data: [DONE]\n\n").split("\n\n")[:-1]:
        name, data = block.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        values.append(value)
    return values


def comparable(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def test_the_events_of_a_stream() -> None:
    assert decode(STREAM) == [
        AnswerBegan("abc"),
        ThinkingAdded(0, 0, "hm"),
        TextAdded(0, 1, "I "),
        TextAdded(0, 1, "look."),
        CallBegan(0, 2, "c1", "f"),
        CallAdded(0, 2, '{"x":'),
        CallAdded(0, 2, "1}"),
        CallBegan(0, 3, "c2", "g"),
        CallAdded(0, 3, "{}"),
        ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "TOOL_CALL")),
        UsageReported(Usage(input_tokens=7, output_tokens=9, reasoning_tokens=4)),
        ENDED,
    ]


def test_a_stream_comes_to_the_answer_unstreamed() -> None:
    answer = COHERE.decode_answer(json.dumps(WHOLE).encode())
    assert comparable(assemble(Dialect.COHERE, decode(CITED))) == comparable(answer)
    text = answer.choices[0].parts[0]
    assert isinstance(text, Text)
    assert [(one.title, one.start, one.end) for one in text.citations] == [("T", 0, 2)]


@pytest.mark.parametrize("stream", [STREAM, CITED])
def test_any_cut_gives_the_same_events(stream: bytes) -> None:
    for size in (1, 7, 64):
        assert comparable(decode(stream, size)) == comparable(decode(stream))


@pytest.mark.parametrize("stream", [STREAM, CITED])
def test_written_again_a_stream_says_the_same(stream: bytes) -> None:
    events = decode(stream)
    again = decode(encode(events))
    assert comparable(assemble(Dialect.COHERE, again)) == comparable(assemble(Dialect.COHERE, events))
    assert encode(again) == encode(events)


def test_an_end_at_any_byte_is_told_to_the_client() -> None:
    for size in range(len(STREAM) - len(end("TOOL_CALL"))):
        events = decode(STREAM[:size])
        assert isinstance(events[-1], AnswerFailed)
        assert sum(isinstance(one, AnswerFailed | AnswerEnded) for one in events) == 1
    last = told(encode(events))[-1]
    assert last["delta"] == {"finish_reason": "ERROR", "error": "the provider's stream ended before the answer did"}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (event("message-end", delta={"finish_reason": "ERROR", "error": "out of memory"}), "out of memory"),
        (b'data: {"message":"too many tokens","id":"1"}\n\n', "too many tokens"),
        (b"data: {\n\n", "cannot be read"),
        (event("content-delta", 0, {"content": {"text": 5}}), "cannot be read"),
        (event("tool-call-start", 0, {}), "cannot be read"),
        (event("tool-call-delta", 5, {"tool_calls": {"function": {"arguments": "{"}}}), "cannot be read"),
    ],
)
def test_what_ends_an_answer_badly(raw: bytes, words: str) -> None:
    last = decode(BEGIN + raw + event("content-delta", 0, {"content": {"text": "never read"}}))[-1]
    assert isinstance(last, AnswerFailed)
    assert words in last.error.message


def test_unknown_kinds_and_reasons_do_not_break_it() -> None:
    debug = event("debug", prompt="x") + event("content-start", 0, {"content": []}) + event("citation-start", 0, {})
    events = decode(BEGIN + debug + event("content-delta", 0, {"content": {"new": 1}}) + end("NEW"))
    assert events[1] == ChoiceFinished(0, Finish(FinishReason.OTHER, "NEW"))
    assert events[-1] is ENDED


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [(["null"], "{}"), ([], "{}"), ([" ", "nul", "l"], "{}"), (["n", "o"], "no"), (["nul"], "nul"), (["{}"], "{}")],
)
def test_arguments_that_may_be_null(pieces: list[str], arguments: str) -> None:
    raw = event("tool-call-start", 0, {"tool_calls": {"id": "c", "function": {"name": "f"}}}) + b"".join(
        event("tool-call-delta", 0, {"tool_calls": {"function": {"arguments": piece}}}) for piece in pieces
    )
    answer = assemble(Dialect.COHERE, decode(raw + end("TOOL_CALL")))
    assert answer.choices[0].parts == (ToolCall("c", "f", arguments),)


def test_what_other_providers_say_in_a_stream() -> None:
    events: list[ChatEvent] = [
        AnswerBegan("chatcmpl-1", "m", 5),
        ThinkingAdded(0, 0, "hm"),
        ThinkingSealed(0, 0, Dialect.GEMINI, signature="x"),
        CitationAdded(0, 1, Citation("https://a.example", "A", "quoted", 0, 4)),
        TextAdded(0, 1, "said"),
        MediaAdded(0, 2, Media(MediaKind.IMAGE, "image/png", data="AA==")),
        CallBegan(0, 3, "c1", "f"),
        CallBegan(0, 4, "c2", "g"),
        CallAdded(0, 4, "{}"),
        CallAdded(0, 3, '{"x":1}'),
        UsageReported(Usage(input_tokens=3, cached_input_tokens=2, output_tokens=4)),
        ENDED,
    ]
    content = [(one["type"], one["index"], one.get("delta", {}).get("message")) for one in told(encode(events))[1:-1]]
    source = {"title": "A", "url": "https://a.example", "text": "quoted"}
    citation = {
        "type": "TEXT_CONTENT",
        "content_index": 1,
        "sources": [{"type": "document", "id": "https://a.example", "document": source}],
        "start": 0,
        "end": 4,
    }
    calls = [
        {"id": call, "type": "function", "function": {"name": name, "arguments": ""}}
        for call, name in (("c1", "f"), ("c2", "g"))
    ]
    assert content == [
        ("content-start", 0, {"content": {"type": "thinking", "thinking": ""}}),
        ("content-delta", 0, {"content": {"thinking": "hm"}}),
        ("content-end", 0, None),
        ("content-start", 1, {"content": {"type": "text", "text": ""}}),
        ("content-delta", 1, {"content": {"text": "said"}}),
        ("citation-start", 0, {"citations": citation}),
        ("citation-end", 0, None),
        ("content-end", 1, None),
        ("tool-call-start", 0, {"tool_calls": calls[0]}),
        ("tool-call-delta", 0, {"tool_calls": {"function": {"arguments": '{"x":1}'}}}),
        ("tool-call-end", 0, None),
        ("tool-call-start", 1, {"tool_calls": calls[1]}),
        ("tool-call-delta", 1, {"tool_calls": {"function": {"arguments": "{}"}}}),
        ("tool-call-end", 1, None),
    ]
    assert told(encode(events))[-1]["delta"] == {
        "finish_reason": "TOOL_CALL",
        "usage": {
            "billed_units": {"input_tokens": 3, "output_tokens": 4},
            "tokens": {"input_tokens": 3, "output_tokens": 4},
            "cached_tokens": 2,
        },
    }


def test_our_own_error_in_a_stream_is_its_last_event() -> None:
    raw = encode_stream_error(Dialect.COHERE, NotFound("no such model"))
    assert raw.endswith(b"data: [DONE]\n\n")
    assert decode(raw) == [AnswerFailed(ProviderError(502, "no such model"))]


@settings(max_examples=60)
@given(answers(Dialect.COHERE))
def test_random_answers_come_through_both_ways(answer: ChatAnswer) -> None:
    for again in (
        COHERE.decode_answer(COHERE.encode_answer(answer, ASKING)),
        assemble(Dialect.COHERE, decode(encode(unfold(answer)), 11)),
    ):
        assert again.id == answer.id
        assert again.choices[0].parts == answer.choices[0].parts
        assert again.choices[0].finish is not None
        assert answer.choices[0].finish is not None
        assert again.choices[0].finish.reason is answer.choices[0].finish.reason
        for unit in ("input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens"):
            assert getattr(again.usage, unit) == getattr(answer.usage, unit)


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    assert isinstance(decode(data, 50)[-1], AnswerFailed)


def test_a_source_that_comes_after_a_call_names_its_text() -> None:
    events: list[ChatEvent] = [
        TextAdded(0, 0, "a"),
        CallBegan(0, 1, "1", "f"),
        CallAdded(0, 1, "{}"),
        CitationAdded(0, 0, Citation("https://e.com")),
        ENDED,
    ]
    decoder = COHERE.stream_decoder()
    answer = assemble(Dialect.COHERE, decoder.feed(COHERE.stream_encoder(ASKING).feed(events)) + decoder.close())
    [text, _] = answer.choices[0].parts
    assert isinstance(text, Text)
    assert [source.url for source in text.citations] == ["https://e.com"]

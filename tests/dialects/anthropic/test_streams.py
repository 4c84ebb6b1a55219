"""Transcripts of streams: what a provider sends and what it means, what events become for a client."""

import json
from typing import Any

import pytest
from msgspec import Raw

from gantry.core.chat import (
    ChatRequest,
    Citation,
    Finish,
    FinishReason,
    Media,
    MediaKind,
    ProviderError,
)
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    CitationAdded,
    MediaAdded,
    NativeAdded,
    RefusalAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.codec import ANTHROPIC
from gantry.dialects.codec import Asking
from gantry.dialects.tool_terms import plain_tool_id

ASKING = Asking(ChatRequest(dialect=Dialect.ANTHROPIC, model="asked", messages=()), 0, "log.1")
STOP = ChoiceFinished(0, Finish(FinishReason.STOP, "stop"))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events
    )


def read(*events: dict[str, Any]) -> list[ChatEvent]:
    decoder = ANTHROPIC.stream_decoder()
    return [*decoder.feed(sse(*events)), *decoder.close()]


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": members}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


COUNTS = {"input_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2, "output_tokens": 1}
BEGIN = {"type": "message_start", "message": {"id": "msg_1", "model": "c", "usage": COUNTS}}
FINISH = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
          "usage": {"output_tokens": 9}}  # fmt: skip
END = {"type": "message_stop"}


def test_a_stream_is_read() -> None:
    citation = {"type": "char_location", "cited_text": "q", "document_title": "d"}
    events = read(
        BEGIN,
        start(0, type="thinking", thinking="", signature=""),
        {"type": "ping"},
        delta(0, type="thinking_delta", thinking="Hm"),
        delta(0, type="signature_delta", signature="sig"),
        stop(0),
        start(1, type="text", text=""),
        delta(1, type="citations_delta", citation=citation),
        delta(1, type="text_delta", text="Yes"),
        delta(1, type="text_delta", text=""),
        stop(1),
        start(2, type="tool_use", id="t", name="n", input={}),
        delta(2, type="input_json_delta", partial_json=""),
        delta(2, type="input_json_delta", partial_json='{"a":1}'),
        stop(2),
        start(3, type="tool_use", id="u", name="n", input={}),
        stop(3),
        start(4, type="redacted_thinking", data="x"),
        stop(4),
        start(5, type="server_tool_use", id="s", name="web_search", input={}),
        delta(5, type="input_json_delta", partial_json='{"q":'),
        delta(5, type="input_json_delta", partial_json="1}"),
        stop(5),
        start(6, type="compaction", content=None),
        delta(6, type="compaction_delta", content="So far"),
        stop(6),
        start(7, type="text", text=""),
        stop(7),
        FINISH,
        {"type": "of_tomorrow"},
        END,
        BEGIN,
    )
    raw = Raw(json.dumps(citation).encode())
    usage = Usage(input_tokens=10, cached_input_tokens=3, cache_write_tokens=2, output_tokens=1)
    native = Raw(b'{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":1}}')
    assert events == [
        AnswerBegan("msg_1", "c"),
        UsageReported(usage),
        ThinkingAdded(0, 0, "Hm"),
        ThinkingSealed(0, 0, Dialect.ANTHROPIC, "sig"),
        CitationAdded(0, 1, Citation(None, "d", "q", dialect=Dialect.ANTHROPIC, raw=raw)),
        TextAdded(0, 1, "Yes"),
        CallBegan(0, 2, "t", "n"),
        CallAdded(0, 2, '{"a":1}'),
        CallBegan(0, 3, "u", "n"),
        CallAdded(0, 3, "{}"),
        ThinkingSealed(0, 4, Dialect.ANTHROPIC, sealed="x"),
        NativeAdded(0, 5, Dialect.ANTHROPIC, native),
        NativeAdded(0, 6, Dialect.ANTHROPIC, Raw(b'{"type":"compaction","content":"So far"}')),
        UsageReported(Usage(input_tokens=10, cached_input_tokens=3, cache_write_tokens=2, output_tokens=9)),
        ChoiceFinished(0, Finish(FinishReason.STOP, "end_turn")),
        ENDED,
    ]


def failure(*events: dict[str, Any]) -> ProviderError:
    last = read(*events)[-1]
    assert isinstance(last, AnswerFailed)
    return last.error


def test_an_error_in_a_stream_has_the_status_of_its_type() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert failure(BEGIN, error, END) == ProviderError(529, "Overloaded", "overloaded_error")


@pytest.mark.parametrize(
    "events",
    [
        (),
        (BEGIN,),
        (BEGIN, start(0, type="text", text="a"), BEGIN, FINISH, END),
        (BEGIN, delta(3, type="text_delta", text="a"), END),
        (BEGIN, {"type": "content_block_start", "index": 0}, END),
    ],
)
def test_a_stream_that_cannot_be_understood_fails(events: tuple[dict[str, Any], ...]) -> None:
    assert failure(*events).status == 502


def test_a_look_alike_may_leave_the_last_event_out() -> None:
    assert read(BEGIN, start(0, type="text", text="a"), FINISH)[-1] is ENDED


def written(*events: ChatEvent) -> list[dict[str, Any]]:
    """Return the events that a client is sent; each has its type as its name."""
    body = ANTHROPIC.stream_encoder(ASKING).feed(events)
    found = []
    for frame in body.decode().removesuffix("\n\n").split("\n\n"):
        name, _, data = frame.removeprefix("event: ").partition("\ndata: ")
        found.append(json.loads(data))
        assert found[-1]["type"] == name
    return found


NO_COUNTS = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
MESSAGE: dict[str, Any] = {"id": "msg_log_1", "type": "message", "role": "assistant", "model": "gpt", "content": [],
           "stop_reason": None, "stop_sequence": None, "usage": NO_COUNTS}  # fmt: skip
STARTED = {"type": "message_start", "message": MESSAGE}


def ended(reason: str | None = "end_turn", **counts: int) -> list[dict[str, Any]]:
    how = {"stop_reason": reason, "stop_sequence": None}
    return [{"type": "message_delta", "delta": how, "usage": {**NO_COUNTS, **counts}}, {"type": "message_stop"}]


def test_a_stream_is_written() -> None:
    usage = Usage(input_tokens=10, cached_input_tokens=4, output_tokens=7, total_tokens=17)
    assert written(
        AnswerBegan("chatcmpl-1", "gpt"),
        ThinkingAdded(0, 0, "Hm"),
        TextAdded(0, 1, 'Say "é"'),
        TextAdded(0, 1, ""),
        CitationAdded(0, 1, Citation("u", "t")),
        CitationAdded(0, 1, Citation(None, "a file")),
        MediaAdded(0, 2, Media(MediaKind.IMAGE, data="A")),
        NativeAdded(0, 3, Dialect.GEMINI, Raw(b"{}")),
        CallBegan(0, 4, "call|1", "n"),
        CallAdded(0, 4, '{"a"'),
        CallAdded(0, 4, ":1}"),
        TextAdded(1, 0, "another choice"),
        STOP,
        UsageReported(usage),
        ENDED,
        TextAdded(0, 5, "too late"),
    ) == [
        STARTED,
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="thinking_delta", thinking="Hm"),
        stop(0),
        start(1, type="text", text=""),
        delta(1, type="text_delta", text='Say "é"'),
        delta(1, type="citations_delta", citation={
            "type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "", "encrypted_index": ""}),
        stop(1),
        start(2, type="tool_use", id=plain_tool_id("call|1"), name="n", input={}),
        delta(2, type="input_json_delta", partial_json='{"a"'),
        delta(2, type="input_json_delta", partial_json=":1}"),
        stop(2),
        *ended("tool_use", input_tokens=6, cache_read_input_tokens=4, output_tokens=7),
    ]  # fmt: skip


def test_calls_wait_for_the_open_one_to_be_whole_and_no_longer() -> None:
    encoder = ANTHROPIC.stream_encoder(ASKING)

    def sent(event: ChatEvent) -> list[str]:
        return [
            json.loads(line[6:])["type"] for line in encoder.feed([event]).decode().split("\n") if "data" in line[:5]
        ]

    assert sent(AnswerBegan()) == ["message_start"]
    assert sent(CallBegan(0, 0, "a", "n")) == ["content_block_start"]
    assert sent(CallAdded(0, 0, '{"x":')) == ["content_block_delta"]
    assert sent(CallBegan(0, 1, "b", "n")) == []
    assert sent(CallAdded(0, 1, "{")) == []
    assert sent(CallAdded(0, 0, "1}")) == ["content_block_delta"]
    assert sent(CallAdded(0, 1, "}")) == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
    ]
    assert sent(TextAdded(0, 2, "t")) == ["content_block_stop", "content_block_start", "content_block_delta"]
    assert sent(ENDED) == ["content_block_stop", "message_delta", "message_stop"]


@pytest.mark.parametrize("text", ['"free text"', "no json", "[1]"])
def test_arguments_that_are_no_object_are_sent_whole_as_one(text: str) -> None:
    events = written(
        AnswerBegan(), CallBegan(0, 0, "a", "n"), CallAdded(0, 0, text[:2]), CallAdded(0, 0, text[2:]), ENDED
    )
    assert json.loads(events[2]["delta"]["partial_json"]) == {"arguments": text}


def test_usage_that_is_known_at_the_start_is_in_it() -> None:
    first, *_ = written(AnswerBegan("msg_1", "m", service_tier="standard"), UsageReported(Usage(input_tokens=3)), ENDED)
    assert first["message"]["id"] == "msg_1"
    assert first["message"]["usage"] == {**NO_COUNTS, "input_tokens": 3, "service_tier": "standard"}


def test_signatures_go_to_the_client_and_those_of_others_in_wrapping() -> None:
    events = written(
        AnswerBegan(None, "gpt"),
        ThinkingSealed(0, 0, Dialect.ANTHROPIC, "sig"),
        ThinkingSealed(0, 1, Dialect.ANTHROPIC, sealed="data"),
        ThinkingSealed(0, 2, Dialect.GEMINI, "theirs"),
        RefusalAdded(0, 3, "No."),
        ChoiceFinished(0, Finish(FinishReason.REFUSAL)),
        ENDED,
    )
    assert events == [
        STARTED,
        start(0, type="thinking", thinking="", signature=""),
        delta(0, type="signature_delta", signature="sig"),
        stop(0),
        start(1, type="redacted_thinking", data="data"),
        stop(1),
        start(2, type="thinking", thinking="", signature=""),
        delta(2, type="signature_delta", signature="gantry.WyJnZW1pbmkiLCJ0aGVpcnMiLG51bGwsbnVsbF0="),
        stop(2),
        start(3, type="text", text=""),
        delta(3, type="text_delta", text="No."),
        stop(3),
        *ended("refusal"),
    ]


def test_a_failure_is_an_error_event_and_the_last() -> None:
    failed = AnswerFailed(ProviderError(429, "Slow down", "too_many", "x"))
    error = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}}
    assert written(failed, ENDED) == [error]
    assert written(AnswerBegan(None, "gpt"), TextAdded(0, 0, "a"), failed, TextAdded(0, 0, "b"))[-1] == error

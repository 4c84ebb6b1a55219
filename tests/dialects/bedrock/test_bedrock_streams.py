"""ConverseStream, read and written: transcripts, every cut, every early end, and the whole answer as the twin."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Citation,
    Finish,
    FinishReason,
    Media,
    MediaKind,
    NativePart,
    ProviderError,
    Thinking,
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
    LogprobsAdded,
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
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.bedrock.codec import BEDROCK
from gantry.dialects.codec import Asking
from tests.dialects.bedrock.transcripts import (
    BEGIN,
    GROUNDED,
    GROUNDED_WHOLE,
    METADATA,
    THINKING_AND_CALLS,
    THINKING_AND_CALLS_WHOLE,
    delta,
    end,
    event,
    exception,
    start,
    stop,
    told,
)
from tests.dialects.canonical import answers

ASKING = Asking(ChatRequest(dialect=Dialect.BEDROCK, model="m", messages=()), 1, "id-1")


def decode(raw: bytes, size: int | None = None) -> list[ChatEvent]:
    decoder = BEDROCK.stream_decoder()
    step = size or max(len(raw), 1)
    events = [one for at in range(0, len(raw), step) for one in decoder.feed(raw[at : at + step])]
    return events + decoder.close()


def encode(events: list[ChatEvent]) -> bytes:
    return BEDROCK.stream_encoder(ASKING).feed(events)


def comparable(answer: ChatAnswer) -> Any:
    """Return an answer with its JSON as values."""
    value = json.loads(msgspec.json.encode(answer))
    for choice in value["choices"]:
        for part in choice["parts"]:
            if "arguments" in part:
                part["arguments"] = json.loads(part["arguments"])
    return value


def test_the_events_of_a_stream() -> None:
    usage = Usage(input_tokens=110, cached_input_tokens=100, output_tokens=5, total_tokens=115)
    assert decode(THINKING_AND_CALLS) == [
        AnswerBegan(),
        ThinkingAdded(0, 0, "Two "),
        ThinkingAdded(0, 0, "cities."),
        ThinkingSealed(0, 0, Dialect.ANTHROPIC, signature="c2ln"),
        ThinkingSealed(0, 1, Dialect.BEDROCK, sealed="c2VjcmV0"),
        TextAdded(0, 2, "I look "),
        TextAdded(0, 2, "them up: é\u2028"),
        CallBegan(0, 3, "tooluse_1", "weather"),
        CallAdded(0, 3, '{"city":'),
        CallAdded(0, 3, ' "Rome"}'),
        CallBegan(0, 4, "tooluse_2", "now"),
        CallAdded(0, 4, "{}"),
        ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "tool_use")),
        UsageReported(usage),
        ENDED,
    ]


@pytest.mark.parametrize(
    ("stream", "whole"), [(THINKING_AND_CALLS, THINKING_AND_CALLS_WHOLE), (GROUNDED, GROUNDED_WHOLE)]
)
def test_a_stream_comes_to_the_answer_unstreamed(stream: bytes, whole: dict[str, Any]) -> None:
    assembled = assemble(Dialect.BEDROCK, decode(stream))
    answer = BEDROCK.decode_answer(json.dumps(whole).encode())
    left, right = comparable(assembled), comparable(answer)
    assert left.pop("service_tier", None) is None  # told at the end of a stream, too late for its events
    assert right.pop("service_tier") == "flex"
    assert left == right


@pytest.mark.parametrize("stream", [THINKING_AND_CALLS, GROUNDED])
@pytest.mark.parametrize("size", [1, 7, 64])
def test_any_cut_gives_the_same_events(stream: bytes, size: int) -> None:
    assert decode(stream, size) == decode(stream)


@pytest.mark.parametrize("stream", [THINKING_AND_CALLS, GROUNDED])
def test_written_again_a_stream_says_the_same(stream: bytes) -> None:
    events = decode(stream)
    again = decode(encode(events))
    assert comparable(assemble(Dialect.BEDROCK, again)) == comparable(assemble(Dialect.BEDROCK, events))
    assert encode(again) == encode(events)


def test_an_end_at_any_byte_is_told_to_the_client() -> None:
    whole = len(THINKING_AND_CALLS) - len(METADATA)
    for size in range(whole):
        events = decode(THINKING_AND_CALLS[:size])
        assert isinstance(events[-1], AnswerFailed)
        assert sum(isinstance(one, AnswerFailed | AnswerEnded) for one in events) == 1
        if size % 97 == 0:
            kind, payload = told(encode(events))[-1]
            assert kind == "modelStreamErrorException"
            assert "ended before the answer did" in payload["message"]


def test_a_stream_without_metadata_is_whole_once_the_message_stopped() -> None:
    assert decode(BEGIN + delta(0, {"text": "a"}) + stop(0) + end())[-1] is ENDED


@pytest.mark.parametrize(
    ("raw", "status", "kind", "words"),
    [
        (exception("throttlingException", "Too many tokens"), 429, "throttlingException", "Too many tokens"),
        (exception("validationException", "bad"), 400, "validationException", "bad"),
        (exception("internalServerException", "oh"), 500, "internalServerException", "oh"),
        (exception("serviceUnavailableException", "oh"), 503, "serviceUnavailableException", "oh"),
        (exception("modelStreamErrorException", "oh"), 424, "modelStreamErrorException", "oh"),
        (exception("newException", "oh"), 502, "newException", "oh"),
    ],
)
def test_an_exception_in_the_stream(raw: bytes, status: int, kind: str, words: str) -> None:
    events = decode(BEGIN + delta(0, {"text": "a"}) + raw + delta(0, {"text": "never read"}))
    assert events[2:] == [AnswerFailed(ProviderError(status, words, kind))]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (event("contentBlockDelta", {"delta": {"text": 5}, "contentBlockIndex": 0}), "cannot be read"),
        (event("messageStop", {}), "cannot be read"),
        (THINKING_AND_CALLS[:100] + b"\x00" + THINKING_AND_CALLS[101:200], "checksum"),
    ],
)
def test_what_cannot_be_read_ends_the_answer(raw: bytes, words: str) -> None:
    last = decode(raw)[-1]
    assert isinstance(last, AnswerFailed)
    assert words in last.error.message


def test_unknown_kinds_and_reasons_do_not_break_it() -> None:
    events = decode(BEGIN + event("somethingNew", {"a": 1}) + delta(0, {"somethingNew": {}}) + end("new") + METADATA)
    assert events[1] == ChoiceFinished(0, Finish(FinishReason.OTHER, "new"))
    assert events[-1] is ENDED


def test_a_picture_comes_in_pieces() -> None:
    pieces = [delta(0, {"image": {"source": {"bytes": one}}}) for one in ("AQ==", "AgM=")]
    events = decode(BEGIN + start(0, {"image": {"format": "png"}}) + b"".join(pieces) + stop(0) + end() + METADATA)
    assert events[1] == MediaAdded(0, 0, Media(MediaKind.IMAGE, "image/png", data="AQID"))
    assert decode(encode(events)) == events


def test_the_stop_sequence_is_told_both_ways() -> None:
    fields = {"additionalModelResponseFields": {"stop_sequence": "END"}}
    events = decode(BEGIN + end("stop_sequence", **fields) + METADATA)
    assert events[1] == ChoiceFinished(0, Finish(FinishReason.STOP_SEQUENCE, "stop_sequence", "END"))
    assert decode(encode(events)) == events


def test_calls_that_come_interleaved_are_sent_one_after_another() -> None:
    events: list[ChatEvent] = [
        AnswerBegan("id", "m", 5),
        TextAdded(0, 0, "a"),
        CallBegan(0, 1, "c1", "f"),
        CallBegan(0, 2, "c2", "g"),
        CallAdded(0, 2, "{}"),
        CallAdded(0, 1, '{"x":1}'),
        LogprobsAdded(0, msgspec.Raw(b"{}")),
        TextAdded(1, 0, "of another choice"),
        ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "tool_calls")),
        UsageReported(Usage(input_tokens=3, output_tokens=4)),
        ENDED,
        TextAdded(0, 3, "never sent"),
    ]
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
    assert told(encode(events)) == [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "a"}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "c1", "name": "f"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"x":1}'}}}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("contentBlockStart", {"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "c2", "name": "g"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 2, "delta": {"toolUse": {"input": "{}"}}}),
        ("contentBlockStop", {"contentBlockIndex": 2}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 0}}),
    ]


def test_what_other_providers_say_in_a_stream() -> None:
    events: list[ChatEvent] = [
        ThinkingAdded(0, 0, "hm"),
        ThinkingSealed(0, 0, Dialect.GEMINI, signature="not Bedrock's"),
        NativeAdded(0, 1, Dialect.ANTHROPIC, msgspec.Raw(b"{}")),
        CitationAdded(0, 2, Citation("https://a.example", "A", "quoted")),
        TextAdded(0, 2, "said"),
        RefusalAdded(0, 3, "no"),
        MediaAdded(0, 4, Media(MediaKind.IMAGE, "image/png", url="https://a.example/i.png")),
        CallBegan(0, 5, "c", "f"),
        ENDED,
    ]
    deltas = [payload["delta"] for kind, payload in told(encode(events)) if kind == "contentBlockDelta"]
    web = {"web": {"url": "https://a.example"}}
    assert deltas == [
        {"reasoningContent": {"text": "hm"}},
        {"citation": {"title": "A", "sourceContent": [{"text": "quoted"}], "location": web}},
        {"text": "said"},
        {"text": "no"},
    ]
    assert told(encode(events))[-2] == ("messageStop", {"stopReason": "tool_use"})


def test_a_failure_before_anything_was_said() -> None:
    assert told(encode([AnswerFailed(ProviderError(429, "slow down"))])) == [
        ("throttlingException", {"message": "slow down"})
    ]


@settings(max_examples=60)
@given(answers(Dialect.BEDROCK))
def test_random_answers_come_through_both_ways(answer: ChatAnswer) -> None:
    kept = msgspec.structs.replace(answer, id=None, model=None, created=None)
    for again in (
        BEDROCK.decode_answer(BEDROCK.encode_answer(answer, ASKING)),
        assemble(Dialect.BEDROCK, decode(encode(unfold(answer)), 11)),
    ):
        assert _units(again) == _units(kept)
        assert comparable(again)["choices"][0]["parts"] == comparable(kept)["choices"][0]["parts"]
        assert again.choices[0].finish is not None
        assert kept.choices[0].finish is not None
        assert again.choices[0].finish.reason is kept.choices[0].finish.reason


def _units(answer: ChatAnswer) -> tuple[int, int, int]:
    usage = answer.usage
    return usage.input_tokens or 0, usage.output_tokens or 0, usage.cached_input_tokens or 0


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    assert isinstance(decode(data, 50)[-1], AnswerFailed)


def test_an_answer_of_another_provider_keeps_what_bedrock_can_say() -> None:
    parts = (
        Thinking("hm", "sig", dialect=Dialect.GEMINI),
        Thinking(sealed="x", dialect=Dialect.OPENAI_RESPONSES),
        NativePart(Dialect.ANTHROPIC, msgspec.Raw(b"{}")),
        ToolCall("c", "f", ""),
    )
    answer = ChatAnswer(dialect=Dialect.GEMINI, choices=(Choice(0, parts),))
    body = json.loads(BEDROCK.encode_answer(answer, ASKING))
    assert body["output"]["message"]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm"}}},
        {"toolUse": {"toolUseId": "c", "name": "f", "input": {}}},
    ]
    assert body["stopReason"] == "tool_use"
    assert body["usage"] == {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}

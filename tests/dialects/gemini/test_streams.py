"""Streams as transcripts: bytes in, events out; events in, bytes out."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec import Raw

from gantry.core.chat import ChatRequest, Finish, FinishReason, ProviderError, Reasoning
from gantry.core.chat_events import (
    ENDED,
    AnswerBegan,
    AnswerFailed,
    CallAdded,
    CallBegan,
    ChatEvent,
    ChoiceFinished,
    NativeAdded,
    TextAdded,
    ThinkingAdded,
    ThinkingSealed,
    UsageReported,
)
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking
from gantry.dialects.gemini.codec import GEMINI
from gantry.dialects.gemini.framing import Framing, framing_of
from gantry.dialects.gemini.stream_encoding import GeminiStreamEncoder
from gantry.dialects.tool_terms import mint_call_id

ASKED = ChatRequest(dialect=Dialect.GEMINI, model="asked", messages=(), reasoning=Reasoning(shown=True))
ASKING = Asking(ASKED, created=1_700_000_000, id="minted")
ABOUT = {"modelVersion": "m", "createTime": "2023-11-14T22:13:20Z", "responseId": "r"}
STOP = Finish(FinishReason.STOP, "STOP")


def stream(*answers: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % json.dumps(answer).encode() for answer in answers)


def piece(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": list(parts), "role": "model"}, **candidate}],
        "responseId": "r",
        "modelVersion": "m",
    }


def decode(raw: bytes) -> list[ChatEvent]:
    decoder = GEMINI.stream_decoder()
    return [*decoder.feed(raw), *decoder.close()]


def items(raw: bytes) -> list[dict[str, Any]]:
    assert raw.endswith(b"\r\n\r\n")
    return [json.loads(item.removeprefix(b"data: ")) for item in raw.split(b"\r\n\r\n")[:-1]]


def test_a_stream_becomes_events() -> None:
    raw = stream(
        {**piece({"text": "h", "thought": True}), "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}},
        piece({"text": "m", "thought": True, "thoughtSignature": "s"}),
        piece({"text": "He"}),
        piece({"text": "llo"}),
        piece({"executableCode": {}}),
        piece({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "t"}),
        {
            **piece({"text": ""}, finishReason="STOP"),
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        },
    )
    assert decode(raw) == [
        AnswerBegan("r", "m"),
        UsageReported(Usage(input_tokens=3)),
        ThinkingAdded(0, 0, "h"),
        ThinkingAdded(0, 0, "m"),
        ThinkingSealed(0, 0, Dialect.GEMINI, signature="s"),
        TextAdded(0, 1, "He"),
        TextAdded(0, 1, "llo"),
        NativeAdded(0, 2, Dialect.GEMINI, Raw(b'{"executableCode": {}}')),
        CallBegan(0, 3, mint_call_id("r/0", 0), "f", signature="t"),
        CallAdded(0, 3, '{"a": 1}'),
        ChoiceFinished(0, Finish(FinishReason.TOOL_CALLS, "STOP")),
        UsageReported(Usage(input_tokens=3, output_tokens=2, total_tokens=5)),
        ENDED,
    ]


def test_arguments_in_pieces_are_put_together() -> None:
    def part(path: str, **value: Any) -> dict[str, Any]:
        return {"functionCall": {"partialArgs": [{"jsonPath": path, **value}], "willContinue": True}}

    raw = stream(
        piece({"functionCall": {"name": "f", "willContinue": True}}),
        piece(part("$.city", stringValue="a", willContinue=True)),
        piece(part("$.city", stringValue="a", willContinue=True)),
        piece(part("$.city", stringValue="")),
        piece(
            part("$.days[1].hot", boolValue=True), part("$.days[0]", numberValue=3), part("$['x.y']", numberValue=0.5)
        ),
        piece({"functionCall": {}}, finishReason="STOP"),
    )
    (added,) = (event for event in decode(raw) if isinstance(event, CallAdded))
    assert json.loads(added.arguments) == {"city": "aa", "days": [3, {"hot": True}], "x.y": 0.5}


@pytest.mark.parametrize("path", ["", "$", "$.a.b", "$[0]", "$.l[99999999]"])
def test_a_place_that_cannot_be_ends_the_stream(path: str) -> None:
    first = {"jsonPath": "$.a", "stringValue": "x"}
    call = {"name": "f", "partialArgs": [first, {"jsonPath": path, "stringValue": "y"}], "willContinue": True}
    assert isinstance(decode(stream(piece({"functionCall": call})))[-1], AnswerFailed)


def test_the_last_reason_counts_and_a_done_is_borne() -> None:
    raw = stream(piece({"text": "a"}, finishReason="STOP"), piece({"text": "b"}, finishReason="MAX_TOKENS"))
    wanted = [
        AnswerBegan("r", "m"),
        TextAdded(0, 0, "a"),
        TextAdded(0, 0, "b"),
        ChoiceFinished(0, Finish(FinishReason.LENGTH, "MAX_TOKENS")),
        ENDED,
    ]
    assert decode(raw) == wanted
    assert decode(raw + b"data: [DONE]\n\ndata: {}\n\n") == wanted


def test_a_stream_that_breaks_off_says_so_after_its_usage() -> None:
    raw = stream({**piece({"text": "a"}), "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1}})
    *_, usage, failure = decode(raw)
    assert usage == UsageReported(Usage(input_tokens=3, output_tokens=1))
    assert isinstance(failure, AnswerFailed)
    assert isinstance(decode(raw + b"data: {oops\n\n")[-1], AnswerFailed)


def test_an_error_inside_a_stream_ends_it() -> None:
    error = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}
    events = decode(stream(piece({"text": "a"}), error, piece({"text": "b"}, finishReason="STOP")))
    assert events[-1] == AnswerFailed(ProviderError(429, "slow down", "RESOURCE_EXHAUSTED"))


def test_events_become_a_stream() -> None:
    encoder = GEMINI.stream_encoder(ASKING)
    feeds: list[Iterable[ChatEvent]] = [
        [AnswerBegan("r", "m"), UsageReported(Usage(input_tokens=3))],
        [ThinkingAdded(0, 0, "hm")],
        [TextAdded(0, 1, "Hel"), TextAdded(0, 1, "lo")],
        [CallBegan(0, 2, "1", "f", signature="s"), CallAdded(0, 2, '{"a"')],
        [CallBegan(0, 3, "2", "g")],
        [CallAdded(0, 2, ":1}")],
        [ChoiceFinished(0, STOP), UsageReported(Usage(output_tokens=2)), ENDED],
        [TextAdded(0, 4, "late")],
    ]
    sent = [encoder.feed(events) for events in feeds]
    content = {"role": "model"}
    assert [items(raw)[0] if raw else None for raw in sent] == [
        None,
        {"candidates": [{"content": {**content, "parts": [{"text": "hm", "thought": True}]}, "index": 0}], **ABOUT},
        {"candidates": [{"content": {**content, "parts": [{"text": "Hel"}, {"text": "lo"}]}, "index": 0}], **ABOUT},
        None,
        None,
        None,
        {
            "candidates": [
                {
                    "content": {
                        **content,
                        "parts": [
                            {
                                "functionCall": {"id": "1", "name": "f", "args": {"a": 1}},
                                "thoughtSignature": "s",
                            },
                            {"functionCall": {"id": "2", "name": "g", "args": {}}},
                        ],
                    },
                    "index": 0,
                    "finishReason": "STOP",
                }
            ],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
            **ABOUT,
        },
        None,
    ]


def test_a_failure_is_an_item_and_broken_calls_are_not() -> None:
    encoder = GEMINI.stream_encoder(ASKING)
    sent = encoder.feed(
        [TextAdded(0, 0, "a"), CallBegan(0, 1, "1", "f"), CallAdded(0, 1, "{"), AnswerFailed(ProviderError(502, "cut"))]
    )
    first, last = items(sent)
    assert first["candidates"][0]["content"]["parts"] == [{"text": "a"}]
    assert last == {"error": {"code": 502, "message": "cut", "status": "UNAVAILABLE"}}
    assert encoder.feed([TextAdded(0, 0, "b")]) == b""


def test_an_array_grows() -> None:
    encoder = GeminiStreamEncoder(ASKING, Framing.ARRAY)
    sent = [
        encoder.feed([TextAdded(0, 0, "a")]),
        encoder.feed([TextAdded(0, 0, "b")]),
        encoder.feed([ChoiceFinished(0, STOP), ENDED]),
    ]
    assert (sent[0][:1], sent[1][:3], sent[2][-2:]) == (b"[", b",\r\n", b"\n]")
    texts = [item["candidates"][0]["content"]["parts"][0]["text"] for item in json.loads(b"".join(sent))]
    assert texts == ["a", "b", ""]
    for before in ([], [TextAdded(0, 0, "a")]):
        failed = GeminiStreamEncoder(ASKING, Framing.ARRAY).feed([*before, AnswerFailed(ProviderError(500, "x"))])
        assert json.loads(failed)[-1]["error"]["code"] == 500


@pytest.mark.parametrize(
    ("query", "framing"),
    [
        ("alt=sse", Framing.SSE),
        ("key=a&alt=sse", Framing.SSE),
        ("%24alt=sse%3Benum-encoding%3Dint", Framing.SSE),
        ("", Framing.ARRAY),
        ("alt=json", Framing.ARRAY),
    ],
)
def test_the_query_says_how_a_stream_is_cut(query: str, framing: Framing) -> None:
    assert framing_of(query) is framing
    assert framing.content_type == ("text/event-stream" if framing is Framing.SSE else "application/json")

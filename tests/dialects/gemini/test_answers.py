"""Whole answers, read and written."""

import json
from typing import Any

import pytest
from msgspec import Raw

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
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.errors import UpstreamBroke
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking
from gantry.dialects.gemini.codec import GEMINI
from gantry.dialects.tool_terms import mint_call_id

SIGNED = {"dialect": Dialect.GEMINI}


def asking(*, shown: bool | None = None) -> Asking:
    request = ChatRequest(
        dialect=Dialect.GEMINI, model="asked", messages=(), reasoning=None if shown is None else Reasoning(shown=shown)
    )
    return Asking(request, created=1_700_000_000, id="minted")


def read(*parts: dict[str, Any], **candidate: Any) -> Choice:
    body = {"candidates": [{"content": {"parts": list(parts), "role": "model"}, **candidate}], "responseId": "r"}
    (choice,) = GEMINI.decode_answer(json.dumps(body).encode()).choices
    return choice


def written(*parts: Part, dialect: Dialect = Dialect.OPENAI_CHAT, shown: bool = True, **fields: Any) -> dict[str, Any]:
    answer = ChatAnswer(dialect=dialect, choices=(Choice(0, parts, **fields),))
    body = json.loads(GEMINI.encode_answer(answer, asking(shown=shown)))
    candidate: dict[str, Any] = body["candidates"][0]
    return candidate


PARTS: list[tuple[list[dict[str, Any]], list[Part]]] = [
    ([{"text": "a"}, {"text": "b"}], [Text("ab")]),
    ([{"text": "a", "thought": True}, {"text": "b"}], [Thinking("a"), Text("b")]),
    (
        [{"text": "a", "thought": True}, {"text": "b", "thought": True, "thoughtSignature": "s"}, {"text": "c"}],
        [Thinking("ab", signature="s", **SIGNED), Text("c")],
    ),
    ([{"text": "a", "thoughtSignature": "s"}, {"text": "b"}], [Thinking(sealed="s", **SIGNED), Text("a"), Text("b")]),
    (
        [{"text": "a"}, {"text": "b", "thoughtSignature": "s"}],
        [Text("a"), Thinking(sealed="s", **SIGNED), Text("b")],
    ),
    (
        [{"text": "a"}, {"text": "", "thoughtSignature": "s"}],
        [Text("a"), NativePart(Dialect.GEMINI, Raw(b'{"text": "", "thoughtSignature": "s"}'))],
    ),
    ([{"text": ""}, {}], []),
    (
        [{"functionCall": {"id": "1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "s"}],
        [ToolCall("1", "f", '{"a": 1}', signature="s")],
    ),
    (
        [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "f", "args": {}}}],
        [ToolCall(mint_call_id("r/0", 0), "f", "{}"), ToolCall(mint_call_id("r/0", 1), "f", "{}")],
    ),
    (
        [{"inlineData": {"mimeType": "image/png", "data": "aa-_"}, "thoughtSignature": "s"}],
        [Thinking(sealed="s", **SIGNED), Media(MediaKind.IMAGE, mime="image/png", data="aa+/")],
    ),
    (
        [{"inlineData": {"mimeType": "image/png", "data": "aa"}, "thought": True}],
        [NativePart(Dialect.GEMINI, Raw(b'{"inlineData": {"mimeType": "image/png", "data": "aa"}, "thought": true}'))],
    ),
    (
        [{"executableCode": {"code": "1"}}, {"brandNew": 1}],
        [
            NativePart(Dialect.GEMINI, Raw(b'{"executableCode": {"code": "1"}}')),
            NativePart(Dialect.GEMINI, Raw(b'{"brandNew": 1}')),
        ],
    ),
]


@pytest.mark.parametrize(("parts", "wanted"), PARTS)
def test_parts_are_read_and_come_back(parts: list[dict[str, Any]], wanted: list[Part]) -> None:
    found = read(*parts, finishReason="STOP")
    assert list(found.parts) == wanted
    candidate = written(*found.parts, dialect=Dialect.GEMINI)
    assert list(read(*candidate["content"]["parts"], finishReason="STOP").parts) == wanted


def test_a_call_without_arguments_takes_none() -> None:
    (call,) = read({"functionCall": {"name": "f"}}).parts
    assert call == ToolCall(mint_call_id("r/0", 0), "f", "")
    (part,) = written(call)["content"]["parts"]
    assert part["functionCall"]["args"] == {}


FINISHES = [
    ("STOP", FinishReason.STOP, "STOP"),
    ("MAX_TOKENS", FinishReason.LENGTH, "MAX_TOKENS"),
    ("SAFETY", FinishReason.CONTENT_FILTER, "SAFETY"),
    ("RECITATION", FinishReason.CONTENT_FILTER, "RECITATION"),
    ("MODEL_ARMOR", FinishReason.CONTENT_FILTER, "MODEL_ARMOR"),
    ("IMAGE_SAFETY", FinishReason.CONTENT_FILTER, "IMAGE_SAFETY"),
    ("MALFORMED_FUNCTION_CALL", FinishReason.ERROR, "MALFORMED_FUNCTION_CALL"),
    ("UNEXPECTED_TOOL_CALL", FinishReason.ERROR, "UNEXPECTED_TOOL_CALL"),
    ("LANGUAGE", FinishReason.OTHER, "LANGUAGE"),
    ("SOMETHING_NEW", FinishReason.OTHER, "OTHER"),
    (1, FinishReason.STOP, "STOP"),
    (77, FinishReason.OTHER, "OTHER"),
]


@pytest.mark.parametrize(("word", "reason", "back"), FINISHES)
def test_a_reason_to_finish_is_read(word: str | int, reason: FinishReason, back: str) -> None:
    choice = read({"text": "a"}, finishReason=word)
    assert choice.finish is not None
    assert (choice.finish.reason, written(Text("a"), finish=choice.finish)["finishReason"]) == (reason, back)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (FinishReason.STOP_SEQUENCE, "STOP"),
        (FinishReason.TOOL_CALLS, "STOP"),
        (FinishReason.CONTEXT, "MAX_TOKENS"),
        (FinishReason.REFUSAL, "SAFETY"),
        (FinishReason.PAUSE, "OTHER"),
        (FinishReason.ERROR, "OTHER"),
    ],
)
def test_a_foreign_reason_has_a_word(reason: FinishReason, word: str) -> None:
    assert written(Text("a"), finish=Finish(reason, "theirs"))["finishReason"] == word


def test_a_stop_after_calls_is_for_the_calls() -> None:
    choice = read({"functionCall": {"name": "f"}}, finishReason="STOP")
    assert choice.finish == Finish(FinishReason.TOOL_CALLS, "STOP")


def test_a_blocked_prompt_is_one_empty_choice() -> None:
    answer = GEMINI.decode_answer(b'{"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {}}')
    assert answer.choices == (Choice(0, (), Finish(FinishReason.CONTENT_FILTER, "SAFETY")),)


def test_usage_is_what_was_read_and_made_in_all() -> None:
    counts = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 5,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 20,
    }
    body = {"candidates": [], "usageMetadata": counts, "createTime": "2025-12-19T23:45:33.943266123Z"}
    answer = GEMINI.decode_answer(json.dumps(body).encode())
    assert answer.usage == Usage(
        input_tokens=15, cached_input_tokens=4, output_tokens=5, reasoning_tokens=2, total_tokens=20
    )
    assert answer.created == 1_766_187_933
    back = json.loads(GEMINI.encode_answer(answer, asking()))["usageMetadata"]
    del counts["toolUsePromptTokenCount"]
    assert back == {**counts, "promptTokenCount": 15}


def test_sources_are_cited_in_characters_and_told_in_bytes() -> None:
    text = "Größe: 5 m. Sicher."
    chunk = {"web": {"uri": "https://e.com", "title": "E"}}
    grounding: dict[str, Any] = {
        "groundingChunks": [chunk, {"retrievedContext": {"text": "source", "title": "T"}}],
        "groundingSupports": [
            {"segment": {"startIndex": 14, "endIndex": 21, "text": "Sicher."}, "groundingChunkIndices": [0, 9]}
        ],
    }
    recited = {"citationSources": [{"startIndex": 0, "endIndex": 8, "uri": "https://r.com"}]}
    (said,) = read({"text": text}, groundingMetadata=grounding, citationMetadata=recited).parts
    assert isinstance(said, Text)
    assert [(item.url, item.title, item.quote, item.start, item.end) for item in said.citations] == [
        ("https://e.com", "E", None, 12, 19),
        (None, "T", "source", None, None),
        ("https://r.com", None, None, 0, 6),
    ]
    candidate = written(said, dialect=Dialect.GEMINI)
    assert candidate["groundingMetadata"] == {
        **grounding,
        "groundingSupports": [{**grounding["groundingSupports"][0], "groundingChunkIndices": [0]}],
    }
    assert candidate["citationMetadata"] == recited


def test_a_foreign_source_is_a_grounding() -> None:
    cited = Citation("https://e.com", "E", quote="q", start=0, end=1, dialect=Dialect.ANTHROPIC, raw=Raw(b"{}"))
    assert written(Text("ab", (cited, cited)))["groundingMetadata"] == {
        "groundingChunks": [{"retrievedContext": {"uri": "https://e.com", "title": "E", "text": "q"}}],
        "groundingSupports": [{"segment": {"endIndex": 1, "text": "a"}, "groundingChunkIndices": [0]}] * 2,
    }


def test_log_probabilities_have_openais_shape() -> None:
    result = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5, "tokenId": 7}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -1.5}]}],
    }
    logprobs = read({"text": "a"}, logprobsResult=result).logprobs
    assert logprobs is not None
    assert json.loads(bytes(logprobs)) == {
        "content": [
            {
                "token": "a",
                "logprob": -0.5,
                "bytes": None,
                "top_logprobs": [{"token": "b", "logprob": -1.5, "bytes": None}],
            }
        ]
    }
    candidate = written(Text("a"), logprobs=logprobs)
    assert candidate["avgLogprobs"] == -0.5
    assert candidate["logprobsResult"]["topCandidates"] == result["topCandidates"]


def test_a_whole_answer_is_written() -> None:
    answer = ChatAnswer(
        dialect=Dialect.OPENAI_CHAT,
        id="chatcmpl-1",
        model="gpt",
        created=1_700_000_001,
        choices=(
            Choice(
                0,
                (
                    Thinking("hm", signature="theirs", dialect=Dialect.ANTHROPIC),
                    Text("hi"),
                    Refusal(" no"),
                    ToolCall("call_1", "f", '{"a":1}'),
                    ToolCall("call_2", "g", "free text", custom=True),
                    NativePart(Dialect.ANTHROPIC, Raw(b"{}")),
                ),
                Finish(FinishReason.TOOL_CALLS, "tool_calls"),
            ),
        ),
        usage=Usage(input_tokens=3, output_tokens=7, reasoning_tokens=5),
    )
    body = json.loads(GEMINI.encode_answer(answer, asking(shown=True)))
    assert body == {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "hm", "thought": True},
                        {"text": "hi"},
                        {"text": " no"},
                        {"functionCall": {"id": "call_1", "name": "f", "args": {"a": 1}}},
                        {"functionCall": {"id": "call_2", "name": "g", "args": {"input": "free text"}}},
                    ],
                    "role": "model",
                },
                "index": 0,
                "finishReason": "STOP",
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 2,
            "thoughtsTokenCount": 5,
            "totalTokenCount": 10,
        },
        "modelVersion": "gpt",
        "createTime": "2023-11-14T22:13:21Z",
        "responseId": "chatcmpl-1",
    }
    parts = json.loads(GEMINI.encode_answer(answer, asking()))["candidates"][0]["content"]["parts"]
    assert parts[0] == {"text": "hi"}, "thoughts go to those who asked for them"


def test_what_an_answer_does_not_say_the_call_does() -> None:
    body = json.loads(GEMINI.encode_answer(ChatAnswer(dialect=Dialect.MISTRAL), asking()))
    assert body == {
        "candidates": [],
        "modelVersion": "asked",
        "createTime": "2023-11-14T22:13:20Z",
        "responseId": "minted",
    }


@pytest.mark.parametrize("body", [b"", b"{}", b"[{}]", b"[]x", b"null", b'{"error": {"code": 500}}', b"<html>"])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        GEMINI.decode_answer(body)

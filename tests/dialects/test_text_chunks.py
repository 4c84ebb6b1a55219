"""Chunks that are told apart without being read say what they say when they are read."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.chat_events import ChatEvent, ChoiceFinished, TextAdded
from gantry.core.vocabulary import Dialect
from gantry.dialects.codecs import CODECS
from gantry.dialects.openai_chat.answer_in import FamilyStreamDecoder
from gantry.dialects.text_chunks import TextChunks

SAYS_NOTHING = b'{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":null}]}'


def chunk(delta: Any, *, index: int = 0, finish_reason: str | None = None, **beside: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    value = {"id": "1", "model": "m", "choices": [choice], **beside}
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def decoded(*chunks: bytes) -> list[ChatEvent]:
    decoder = FamilyStreamDecoder(Dialect.MISTRAL)
    return [event for one in chunks for event in decoder.feed(b"data: %b\n\n" % one)]


def read_each(*chunks: bytes) -> list[ChatEvent]:
    """Return the events when each chunk is read, because the one before it was no text."""
    return decoded(*[one for given in chunks for one in (given, SAYS_NOTHING)])


def test_a_chunk_that_differs_in_its_text_alone_is_not_read() -> None:
    chunks = TextChunks(b'"content":')
    first = chunk({"content": "one"}, p="abc")
    assert chunks.read(first) is None
    chunks.learn(first, [TextAdded(2, 5, "one")])
    assert chunks.read(chunk({"content": "two"}, p="abcdefgh")) == TextAdded(2, 5, "two")
    assert chunks.read(chunk({"content": 'quoted "text"\n, "p":"'}, p="")) == TextAdded(2, 5, 'quoted "text"\n, "p":"')


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(chunk({"content": "b"}, index=1), id="another choice"),
        pytest.param(chunk({"content": "b"}, finish_reason="stop"), id="the end"),
        pytest.param(chunk({"content": "b"}, usage={"prompt_tokens": 1, "completion_tokens": 1}), id="usage"),
        pytest.param(chunk({"content": ""}), id="no text"),
        pytest.param(chunk({"content": None}), id="null"),
        pytest.param(chunk({"content": [{"type": "text", "text": "b"}]}), id="a list"),
        pytest.param(chunk({"content": "b", "refusal": "c"}), id="a refusal beside it"),
        pytest.param(chunk({"content": "b", "tool_calls": [{"id": "1", "function": {"name": "f"}}]}), id="a call"),
        pytest.param(chunk({"reasoning_content": "b"}), id="thinking"),
        pytest.param(chunk({"content": "b"}, p='"'), id="a strange padding"),
        pytest.param(chunk({"content": "b"})[:-1], id="not JSON"),
        pytest.param(chunk({"content": "b"}).replace(b'"b"', b'"b","b"'), id="not JSON in the text's place"),
        pytest.param(chunk({"content": "b"}).replace(b'"b"', b'"\\x"'), id="no string of JSON"),
        pytest.param(b"[DONE]", id="done"),
    ],
)
def test_every_other_chunk_is_read(other: bytes) -> None:
    text = chunk({"content": "a"})
    assert decoded(text, text, other, text) == read_each(text, text, other, text)


def test_a_text_after_a_call_is_a_part_of_its_own() -> None:
    text, call = chunk({"content": "a"}), chunk({"tool_calls": [{"id": "1", "function": {"name": "f"}}]})
    parts = [event.part for event in decoded(text, text, call, text, text) if isinstance(event, TextAdded)]
    assert parts == [0, 0, 2, 2]


def test_nothing_more_is_learned_where_no_two_events_are_alike() -> None:
    chunks = TextChunks(b'"content":')
    for number in range(20):
        given = chunk({"content": "a"}, number=number)
        assert chunks.read(given) is None
        chunks.learn(given, [TextAdded(0, 0, "a")])
    assert chunks.read(given) is None


def test_anthropic_and_cohere_are_told_so_too() -> None:
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}
    assert texts_of(Dialect.ANTHROPIC, block, *[delta] * 3) == ["a", "a", "a"]
    content = {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "a"}}}}
    assert texts_of(Dialect.COHERE, *[content] * 3) == ["a", "a", "a"]


def texts_of(dialect: Dialect, *events: Any) -> list[str]:
    decoder = CODECS[dialect].stream_decoder()
    found = [
        event
        for one in events
        for event in decoder.feed(b"data: %b\n\n" % json.dumps(one, separators=(",", ":")).encode())
    ]
    return [event.text for event in found if isinstance(event, TextAdded)]


@given(st.lists(st.text(max_size=8), max_size=6), st.lists(st.text("ab1", max_size=4), min_size=6, max_size=6))
def test_any_texts_come_out_as_when_they_are_read(texts: list[str], paddings: list[str]) -> None:
    chunks = [chunk({"content": text}, p=padding) for text, padding in zip(texts, paddings, strict=False)]
    chunks.append(chunk({"content": "end"}, finish_reason="stop"))
    assert decoded(*chunks) == read_each(*chunks)
    assert isinstance(decoded(*chunks)[-1], ChoiceFinished)

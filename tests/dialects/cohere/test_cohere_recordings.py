"""Every recorded exchange with Cohere: requests go through unchanged, answers say what a naive reader reads in them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.core.chat import ChatAnswer, ChatRequest, Finish, FinishReason, Text, Thinking, ToolCall
from gantry.core.errors import UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.codec import Asking, Target
from gantry.dialects.cohere.codec import COHERE
from gantry.dialects.cohere.finish import finish_word, read_finish
from tests.dialects.recorded import Exchange, exchanges

ASKING = Asking(ChatRequest(dialect=Dialect.COHERE, model="m", messages=()), 1, "id-1")
AT_LEAST = 38
EMPTY: tuple[Any, ...] = ("", [], None)


@pytest.fixture
def recorded(shared: Path) -> list[Exchange]:
    found = list(exchanges(shared, Dialect.COHERE))
    assert len(found) >= AT_LEAST
    return found


def test_requests_go_through_unchanged(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.request is not None:
            request = COHERE.decode_request(exchange.request)
            encoded = COHERE.encode_request(request, Target(request.model))
            assert plain(json.loads(encoded.body)) == plain(json.loads(exchange.request)), exchange.file
            assert encoded.changes == [], exchange.file


def plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return a request without what the format says is the same: one text for a list of it, empty for left out."""
    messages = []
    for message in body["messages"]:
        content = message.get("content")
        if isinstance(content, list) and len(content) == 1 and content[0]["type"] == "text":
            content = content[0]["text"]
        fields = {name: value for name, value in {**message, "content": content}.items() if value not in EMPTY}
        messages.append(fields)
    return {name: value for name, value in {**body, "messages": messages}.items() if value is not False}


def naive(exchange: Exchange) -> tuple[str, str, list[tuple[str, Any]], str, dict[str, Any]]:
    """Return text, thinking, calls, reason and usage, read by names alone."""
    assert exchange.answer is not None
    if not exchange.streamed:
        body = json.loads(exchange.answer)
        message = body["message"]
        items = message.get("content") or []
        text = message.get("tool_plan", "") + "".join(one.get("text", "") for one in items)
        thinking = "".join(one.get("thinking", "") for one in items)
        calls = [
            (call["function"]["name"], json.loads(call["function"]["arguments"]) or {})
            for call in message.get("tool_calls", [])
        ]
        return text, thinking, calls, body["finish_reason"], body["usage"]
    text = thinking = ""
    written: list[list[str]] = []
    for line in exchange.answer.decode().splitlines():
        if not line.startswith("data: {"):
            continue
        event = json.loads(line.removeprefix("data: "))
        delta = event.get("delta", {})
        message = delta.get("message", {})
        match event["type"]:
            case "content-delta":
                text += message["content"].get("text", "")
                thinking += message["content"].get("thinking", "")
            case "tool-plan-delta":
                text += message["tool_plan"]
            case "tool-call-start":
                written.append([message["tool_calls"]["function"]["name"], ""])
            case "tool-call-delta":
                written[-1][1] += message["tool_calls"]["function"]["arguments"]
            case "message-end":
                return text, thinking, [(n, json.loads(a)) for n, a in written], delta["finish_reason"], delta["usage"]
    raise AssertionError(exchange.file)


def read(exchange: Exchange, size: int = 1 << 20) -> ChatAnswer:
    assert exchange.answer is not None
    if not exchange.streamed:
        return COHERE.decode_answer(exchange.answer)
    decoder = COHERE.stream_decoder()
    pieces = [exchange.answer[at : at + size] for at in range(0, len(exchange.answer), size)]
    return assemble(Dialect.COHERE, [one for piece in pieces for one in decoder.feed(piece)] + decoder.close())


def test_answers_say_what_a_naive_reader_reads(recorded: list[Exchange]) -> None:
    streams = 0
    for exchange in recorded:
        assert exchange.answer is not None
        if exchange.status >= 400:
            error = COHERE.decode_error(exchange.status, exchange.answer)
            assert error.message == json.loads(exchange.answer)["message"], exchange.file
            continue
        streams += exchange.streamed
        answer = read(exchange)
        (choice,) = answer.choices
        text, thinking, calls, reason, usage = naive(exchange)
        assert "".join(part.text for part in choice.parts if isinstance(part, Text)) == text, exchange.file
        assert "".join(part.text for part in choice.parts if isinstance(part, Thinking)) == thinking, exchange.file
        found = [(part.name, json.loads(part.arguments)) for part in choice.parts if isinstance(part, ToolCall)]
        assert found == calls, exchange.file
        assert choice.finish is not None
        assert choice.finish.raw == reason
        billed = usage["billed_units"]
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (
            billed["input_tokens"],
            billed["output_tokens"],
        ), exchange.file
        assert answer.usage.reasoning_tokens == usage["tokens"].get("reasoning_tokens")
    assert streams >= 7


def test_streams_in_pieces_say_the_same(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.streamed:
            whole = comparable(read(exchange))
            for size in (1, 7, 64):
                assert comparable(read(exchange, size)) == whole, exchange.file


def test_answers_go_through_both_ways(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.status >= 400:
            continue
        answer = read(exchange)
        assert comparable(COHERE.decode_answer(COHERE.encode_answer(answer, ASKING))) == comparable(answer)
        decoder = COHERE.stream_decoder()
        stream = COHERE.stream_encoder(ASKING).feed(unfold(answer))
        again = assemble(Dialect.COHERE, decoder.feed(stream) + decoder.close())
        assert comparable(again) == comparable(answer), exchange.file


def comparable(answer: ChatAnswer) -> Any:
    """Return an answer as values; citations before and after their text are the same."""
    return json.loads(msgspec.json.encode(answer))


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"message":{"content":"text"}}'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        COHERE.decode_answer(body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"id":"1","message":"bad"}', "bad"),
        (b'{"message":{"detail":[{"msg":"x"}]}}', "x"),
        (b"<html> no\n", "<html> no"),
        (b"", "no reason was given"),
    ],
)
def test_a_refusal_is_read_and_written(body: bytes, message: str) -> None:
    error = COHERE.decode_error(400, body)
    assert error.message == message
    assert json.loads(COHERE.encode_error(error)) == {"message": message}


@pytest.mark.parametrize("reason", FinishReason)
def test_every_reason_has_a_word_of_coheres(reason: FinishReason) -> None:
    word = finish_word(Finish(reason, "of another provider"))
    assert read_finish(word).reason is not FinishReason.OTHER

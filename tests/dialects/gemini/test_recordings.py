"""What Google and its clients really sent: read, written again, and compared with what a naive reader sees."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.chat import ChatAnswer, ChatRequest, Reasoning, Text, Thinking, ToolCall
from gantry.core.chat_events import AnswerEnded, ChatEvent
from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.codec import Asking, Target
from gantry.dialects.gemini.codec import GEMINI
from gantry.dialects.gemini.token_count import decode_count_request, encode_count
from tests.dialects.gemini.recordings import Exchange, exchanges
from tests.dialects.gemini.same_request import normalised

ASKED = ChatRequest(dialect=Dialect.GEMINI, model="m", messages=(), reasoning=Reasoning(shown=True))
ASKING = Asking(ASKED, created=1, id="asked")
PIECES = (1, 7, 64)


@pytest.fixture(scope="module")
def recorded(shared: Path) -> list[Exchange]:
    return list(exchanges(shared))


def test_every_request_is_written_as_it_was_read(recorded: list[Exchange]) -> None:
    count = 0
    for exchange in recorded:
        if exchange.request is None:
            continue
        count += 1
        request = GEMINI.decode_request(json.dumps(exchange.request).encode())
        encoded = GEMINI.encode_request(request, Target("m"))
        assert encoded.changes == [], exchange.file
        assert normalised(json.loads(encoded.body)) == normalised(exchange.request), exchange.file
        assert GEMINI.decode_request(encoded.body) == settled(request), exchange.file
    assert count >= 165


def settled(request: ChatRequest) -> ChatRequest:
    """Return what a request is after one more turn: neighbours of one role are one, `{}` is written out."""
    return GEMINI.decode_request(GEMINI.encode_request(request, Target("m")).body)


class Naive(NamedTuple):
    text: str
    thinking: str
    calls: list[tuple[str, Any]]
    finish: str | None
    usage: tuple[int | None, ...]
    model: str | None


def test_every_answer_reads_as_the_naive_reader_reads_it(recorded: list[Exchange]) -> None:
    count = 0
    for exchange in recorded:
        if exchange.status >= 400:
            continue
        count += 1
        answer = read(exchange)
        assert what_it_says(answer) == read_naively(exchange), exchange.file
        assert answer.choices[0].finish is not None, exchange.file
    assert count >= 180


def test_every_stream_reads_the_same_in_any_pieces(recorded: list[Exchange]) -> None:
    count = 0
    for exchange in recorded:
        if not exchange.streamed or exchange.status >= 400:
            continue
        count += 1
        whole = decode_stream(exchange.raw, len(exchange.raw))
        assert isinstance(whole[-1], AnswerEnded), exchange.file
        for size in PIECES:
            assert decode_stream(exchange.raw, size) == whole, (exchange.file, size)
    assert count >= 45


def test_the_pieces_of_a_stream_as_a_list_are_the_same_answer(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.streamed and exchange.status < 400:
            assert GEMINI.decode_answer(json.dumps(exchange.answers).encode()) == respelled(exchange), exchange.file


def test_every_answer_comes_back_from_its_own_writing(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.status >= 400:
            continue
        answer = read(exchange)
        again = GEMINI.decode_answer(GEMINI.encode_answer(answer, ASKING))
        assert what_it_says(again) == what_it_says(answer), exchange.file
        assert comparable(GEMINI.decode_answer(GEMINI.encode_answer(again, ASKING))) == comparable(again), exchange.file


def test_every_answer_comes_back_from_its_stream(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.status >= 400:
            continue
        answer = read(exchange)
        for framed in (one_item_per_event(answer), GEMINI.stream_encoder(ASKING).feed(unfold(answer))):
            again = assemble(Dialect.GEMINI, decode_stream(framed, 64))
            assert what_it_says(again) == what_it_says(answer), exchange.file


def test_a_stream_cut_anywhere_ends(recorded: list[Exchange]) -> None:
    for exchange in recorded:
        if exchange.streamed and exchange.status < 400 and len(exchange.raw) < 3000:
            for end in range(0, len(exchange.raw), 29):
                events = decode_stream(exchange.raw[:end], 1000)
                written = GEMINI.stream_encoder(ASKING).feed(events)
                items = [json.loads(line[6:]) for line in written.split(b"\r\n\r\n") if line]
                assert "error" in items[-1] or items[-1]["candidates"][0]["finishReason"], (exchange.file, end)


def test_one_strange_value_anywhere_breaks_no_reader(recorded: list[Exchange]) -> None:
    dice = random.Random(20261129)
    for exchange in recorded:
        if len(exchange.raw) > 10_000:
            continue
        for _ in range(8):
            strange = json.dumps(with_strange_value(exchange.answers[0], dice)).encode()
            try:
                GEMINI.encode_answer(GEMINI.decode_answer(strange), ASKING)
            except UpstreamBroke:
                pass
            assert GEMINI.stream_encoder(ASKING).feed(decode_stream(b"data: " + strange, 1000)), exchange.file
            assert GEMINI.decode_error(500, strange).message
            try:
                request = json.dumps(with_strange_value(exchange.request or {}, dice)).encode()
                GEMINI.encode_request(GEMINI.decode_request(request), Target("m"))
            except InvalidRequest:
                pass


def with_strange_value(value: Any, dice: random.Random) -> Any:
    """Return the same JSON with another value in one place."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        chosen = dice.choice(sorted(value))
        return {**value, chosen: with_strange_value(value[chosen], dice)}
    if isinstance(value, list) and value and dice.random() < 0.9:
        number = dice.randrange(len(value))
        return [*value[:number], with_strange_value(value[number], dice), *value[number + 1 :]]
    return dice.choice((None, True, -1, 2**70, 0.5, "", "strange", [], [None], [[]], {}, {"strange": {}}, "\ud800"))


def test_every_error_is_read(recorded: list[Exchange]) -> None:
    found = [exchange for exchange in recorded if exchange.status >= 400]
    for exchange in found:
        error = GEMINI.decode_error(exchange.status, exchange.raw)
        said = exchange.answers[0]["error"]
        assert (error.status, error.message, error.type) == (exchange.status, said["message"], said["status"])
    assert len(found) == 4


def test_every_count_of_tokens_is_read(shared: Path) -> None:
    for exchange in exchanges(shared, "gemini_count_tokens"):
        request = decode_count_request(json.dumps(exchange.request).encode())
        assert len(request.messages) == 1
        if exchange.status == 200:
            tokens = exchange.answers[0]["totalTokens"]
            assert json.loads(encode_count(tokens))["totalTokens"] == tokens


def read(exchange: Exchange) -> ChatAnswer:
    if exchange.streamed:
        return assemble(Dialect.GEMINI, decode_stream(exchange.raw, len(exchange.raw)))
    return GEMINI.decode_answer(exchange.raw)


def respelled(exchange: Exchange) -> ChatAnswer:
    """Return the answer of a stream whose JSON was written by our writer, so that raw bytes can be compared."""
    raw = b"".join(b"data: %b\n\n" % json.dumps(answer).encode() for answer in exchange.answers)
    return assemble(Dialect.GEMINI, decode_stream(raw, len(raw)))


def decode_stream(raw: bytes, size: int) -> list[ChatEvent]:
    decoder = GEMINI.stream_decoder()
    events: list[ChatEvent] = []
    for start in range(0, len(raw), max(size, 1)):
        events += decoder.feed(raw[start : start + size])
    return events + decoder.close()


def one_item_per_event(answer: ChatAnswer) -> bytes:
    encoder = GEMINI.stream_encoder(ASKING)
    return b"".join(encoder.feed([event]) for event in unfold(answer))


def comparable(answer: ChatAnswer) -> list[Any]:
    return [(choice.parts, choice.finish) for choice in answer.choices]


def what_it_says(answer: ChatAnswer) -> Naive:
    first = answer.choices[0]
    usage = answer.usage
    calls = [(part.name, json.loads(part.arguments)) for part in first.parts if isinstance(part, ToolCall)]
    return Naive(
        "".join(part.text for part in first.parts if isinstance(part, Text)),
        "".join(part.text for part in first.parts if isinstance(part, Thinking)),
        calls,
        None if first.finish is None else first.finish.raw,
        (
            usage.input_tokens,
            usage.cached_input_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            usage.total_tokens,
        ),
        answer.model,
    )


def read_naively(exchange: Exchange) -> Naive:
    """Add the pieces up with as little cleverness as the recordings allow."""
    text = thinking = ""
    calls: list[tuple[str, Any]] = []
    finish = None
    for part in parts_of(exchange):
        if part.get("thought"):
            thinking += part.get("text", "")
        else:
            text += part.get("text", "")
        call = part.get("functionCall")
        if call is not None and "name" in call:
            calls.append((call["name"], dict(call.get("args") or {})))
        for piece in (call or {}).get("partialArgs", ()):
            calls[-1][1].setdefault(piece["jsonPath"][2:], "")
            calls[-1][1][piece["jsonPath"][2:]] += piece["stringValue"]
    for answer in exchange.answers:
        finish = answer["candidates"][0].get("finishReason") or finish
    last = exchange.answers[-1]["usageMetadata"]
    prompt, read_by_tools = last.get("promptTokenCount"), last.get("toolUsePromptTokenCount")
    given = None if prompt is None else prompt + (read_by_tools or 0)
    thoughts, made = last.get("thoughtsTokenCount"), last.get("candidatesTokenCount")
    output = None if made is None and thoughts is None else (made or 0) + (thoughts or 0)
    usage = (given, last.get("cachedContentTokenCount"), output, thoughts, last.get("totalTokenCount"))
    return Naive(text, thinking, calls, "STOP" if finish == 1 else finish, usage, exchange.answers[-1]["modelVersion"])


def parts_of(exchange: Exchange) -> Iterator[dict[str, Any]]:
    for answer in exchange.answers:
        yield from (answer["candidates"][0].get("content") or {}).get("parts") or ()

"""What real providers and clients of Responses sent, through the codec and back."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    FinishReason,
    NativePart,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.chat_events import AnswerEnded, ChatEvent
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble
from gantry.dialects.codec import Asking, Target
from gantry.dialects.responses.codec import RESPONSES
from tests.dialects.responses.naive_request import meaning
from tests.dialects.responses.recorded import Exchange, Told, exchanges, tell

AT_LEAST = 200
OWN = Dialect.OPENAI_RESPONSES
PLAIN = ChatRequest(dialect=OWN, model="m", messages=())
ASKING = Asking(PLAIN, 1_700_000_000, "abc")


@pytest.fixture(scope="module")
def recordings(shared: Path) -> list[Exchange]:
    found = list(exchanges(shared))
    assert len(found) >= AT_LEAST
    return found


def test_every_request_comes_back_with_the_same_meaning(recordings: list[Exchange]) -> None:
    count = 0
    for exchange in recordings:
        if exchange.asked is None:
            continue
        count += 1
        request = RESPONSES.decode_request(json.dumps(exchange.asked).encode())
        encoded = RESPONSES.encode_request(request, Target(exchange.asked["model"]))
        assert meaning(json.loads(encoded.body)) == meaning(exchange.asked), exchange.file
        assert encoded.changes == [], exchange.file
        assert RESPONSES.decode_request(encoded.body) == request, exchange.file
    assert count > 150


def test_every_answer_says_what_its_document_says(recordings: list[Exchange]) -> None:
    for exchange in recordings:
        if exchange.status >= 400:
            error = RESPONSES.decode_error(exchange.status, exchange.raw)
            document = json.loads(exchange.raw)
            said = document["error"]
            assert error.message == (said if isinstance(said, str) else said["message"]), exchange.file
            assert error.code == (document if isinstance(said, str) else said)["code"], exchange.file
            continue
        answer = decoded(exchange)
        document = exchange.document
        assert told_of(answer) == tell(document), exchange.file
        assert (answer.id, answer.model) == (document["id"], document.get("model")), exchange.file
        finish = answer.choices[0].finish
        assert finish is not None
        assert finish.reason is expected_reason(document), exchange.file


def test_the_deltas_of_a_stream_come_to_its_document(recordings: list[Exchange]) -> None:
    """The response at the end, and the items when they are done, are taken away: deltas must do."""
    count = 0
    for exchange in recordings:
        if not exchange.streamed or exchange.file.startswith("lmstudio"):
            continue  # that server sends no deltas of arguments
        events = [event for event in exchange.events if "item.done" not in event["type"]]
        events[-1]["response"]["output"] = []
        raw = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
        told, whole = told_of(assemble(OWN, read_stream(raw, len(raw)))), tell(exchange.document)
        assert told._replace(natives=[]) == whole._replace(natives=[]), exchange.file
        count += 1
    assert count > 30


def test_a_stream_is_its_last_response(recordings: list[Exchange]) -> None:
    """Assembling the events gives what decoding the response at their end gives."""
    for exchange in recordings:
        if exchange.streamed:
            streamed = decoded(exchange)
            whole = RESPONSES.decode_answer(json.dumps(exchange.document).encode())
            assert plain(streamed) == plain(whole), exchange.file


def test_any_rechunking_gives_the_same_events(recordings: list[Exchange]) -> None:
    dice = random.Random(20261129)
    for exchange in recordings:
        if exchange.streamed:
            whole = read_stream(exchange.raw, len(exchange.raw))
            sizes = (1, 7, 64, dice.randrange(2, 2000))
            for size in sizes:
                assert read_stream(exchange.raw, size) == whole, (exchange.file, size)


def test_a_stream_cut_anywhere_ends_in_words(recordings: list[Exchange]) -> None:
    for exchange in recordings:
        if exchange.streamed:
            step = max(len(exchange.raw) // 11, 1)
            for end in range(0, len(exchange.raw) - 2, step):
                decoder, encoder = RESPONSES.stream_decoder(), RESPONSES.stream_encoder(ASKING)
                sent = encoder.feed(decoder.feed(exchange.raw[:end])) + encoder.feed(decoder.close())
                assert b"event: error\n" in sent, exchange.file
                assert sent.rstrip().rpartition(b"event: ")[2].startswith(b"response.failed"), exchange.file


def test_answers_come_back_as_they_were(recordings: list[Exchange]) -> None:
    for exchange in recordings:
        if exchange.status < 400:
            answer = decoded(exchange)
            again = RESPONSES.decode_answer(RESPONSES.encode_answer(answer, ASKING))
            assert plain(comparable(again)) == plain(comparable(answer)), exchange.file
            assert plain(RESPONSES.decode_answer(RESPONSES.encode_answer(again, ASKING))) == plain(again), exchange.file


def test_streams_come_back_as_they_were(recordings: list[Exchange]) -> None:
    for exchange in recordings:
        if exchange.streamed:
            events = read_stream(exchange.raw, len(exchange.raw))
            encoder = RESPONSES.stream_encoder(ASKING)
            sent = b"".join(encoder.feed([event]) for event in events)
            again = assemble(OWN, read_stream(sent, 100))
            assert plain(comparable(again)) == plain(comparable(decoded(exchange))), exchange.file
            last = json.loads(sent.rstrip().rpartition(b"data: ")[2])["response"]
            whole = RESPONSES.decode_answer(json.dumps(last).encode())
            assert plain(comparable(whole)) == plain(comparable(again)), exchange.file


def read_stream(raw: bytes, size: int) -> list[ChatEvent]:
    decoder = RESPONSES.stream_decoder()
    events: list[ChatEvent] = []
    for start in range(0, len(raw), size):
        events += decoder.feed(raw[start : start + size])
    return events + decoder.close()


def decoded(exchange: Exchange) -> ChatAnswer:
    if not exchange.streamed:
        return RESPONSES.decode_answer(exchange.raw)
    events = read_stream(exchange.raw, len(exchange.raw))
    assert isinstance(events[-1], AnswerEnded), exchange.file
    return assemble(OWN, events)


def told_of(answer: ChatAnswer) -> Told:
    parts = answer.choices[0].parts
    usage = answer.usage
    return Told(
        "".join(part.text for part in parts if isinstance(part, Text)),
        "".join(part.text for part in parts if isinstance(part, Refusal)),
        "|".join(part.text for part in parts if isinstance(part, Thinking)),
        [(part.id, part.name, part.arguments) for part in parts if isinstance(part, ToolCall)],
        [json.loads(bytes(part.raw))["type"] for part in parts if isinstance(part, NativePart)],
        (
            usage.input_tokens,
            usage.cached_input_tokens,
            usage.cache_write_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            usage.total_tokens,
        ),
    )


def plain(answer: ChatAnswer) -> Any:
    """Leave out the tier, which a stream tells before it is decided and others have words of their own for, and what is
    encrypted anew each time.
    """

    def without(value: Any) -> Any:
        if isinstance(value, list):
            return [without(item) for item in value]
        if isinstance(value, dict):
            encrypted = ("sealed", "fingerprint", "encrypted_content")
            return {name: without(inner) for name, inner in value.items() if name not in encrypted}
        return value

    return without(json.loads(msgspec.json.encode(structs.replace(answer, service_tier=None))))


def comparable(answer: ChatAnswer) -> ChatAnswer:
    """Leave out what an encoder cannot keep: ids that are minted anew, and counts that the format demands."""
    [choice] = answer.choices
    parts = tuple(
        structs.replace(part, id=None, dialect=OWN) if isinstance(part, Thinking) else part for part in choice.parts
    )
    finish = choice.finish and structs.replace(choice.finish, raw=None)
    usage = structs.replace(
        answer.usage,
        cached_input_tokens=answer.usage.cached_input_tokens or 0,
        cache_write_tokens=answer.usage.cache_write_tokens or 0,
        reasoning_tokens=answer.usage.reasoning_tokens or 0,
        billed_tool_calls=None,  # told in xAI's words, which OpenAI's callers do not know
        total_tokens=0,
    )
    choice = structs.replace(choice, parts=parts, finish=finish)
    model = answer.model or PLAIN.model
    return structs.replace(answer, id=None, model=model, choices=(choice,), usage=usage)


def expected_reason(document: dict[str, object]) -> FinishReason:
    output = document["output"]
    assert isinstance(output, list)
    if document.get("status") == "incomplete":
        details = document.get("incomplete_details")
        return FinishReason.LENGTH if isinstance(details, dict) else FinishReason.OTHER
    return FinishReason.TOOL_CALLS if tell(dict(document))[3] else FinishReason.STOP

"""Laws of a stream that is ended early: in every dialect and tier its client reads a complete, shorter answer.

Recorded streams of every provider's dialect come through the pump of each tier. Where they end is where the hold ends,
however their bytes are cut, and what was passed on before is what is passed on without a hold.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.core.chat import ChatRequest, FinishReason, Text, Thinking
from gantry.core.chat_events import AnswerEnded, AnswerFailed, ChatEvent, ChoiceFinished, UsageReported
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.adapt import Adaptation, adapt
from gantry.dialects.assemble import assemble
from gantry.dialects.codec import Asking
from gantry.dialects.codecs import CODECS
from gantry.dialects.early_ends import EARLY_ENDS
from gantry.dialects.running_usage import RunningUsage
from gantry.dialects.translate import TranslatedStream
from gantry.gateway.bounded_stream import BoundedPump
from gantry.gateway.headers import AnswerKind
from gantry.gateway.pump import AdaptPump, Pump, RelayPump
from gantry.journal.frames import StopNote
from tests.dialects.bedrock import transcripts as bedrock
from tests.dialects.recorded import Exchange, exchanges

CLIENTS = (Dialect.MISTRAL, Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC, Dialect.GEMINI)
ASKED_FOR_USAGE = b'{"stream":true,"stream_options":{"include_usage":true}}'
STREAM = AnswerKind("text/event-stream", "", True, False)
GIVEN = 7


class Held:
    """So much is held, and no more."""

    input_tokens = GIVEN
    spent = "the budget was used up"

    def __init__(self, output_tokens: int) -> None:
        self.output_tokens = output_tokens
        self.asked: list[int] = []

    def may_go_on(self, output_tokens: int) -> bool:
        self.asked.append(output_tokens)
        return False


def translating(provider: Dialect, client: Dialect, query: str | None = "alt=sse") -> Pump:
    request = ChatRequest(dialect=client, model="m", messages=(), stream=True)
    asking = Asking(request, 1, "id", query)

    def stream() -> TranslatedStream:
        return TranslatedStream(CODECS[provider].stream_decoder(), CODECS[client].stream_encoder(asking), None)

    adaptation = Adaptation(b"", [], lambda status, body, kind: (kind, body), stream)
    return AdaptPump(adaptation, client, 200, STREAM)


def adapting() -> Pump:
    asked = b'{"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}}'
    return AdaptPump(
        adapt(Operation.CHAT, Dialect.OPENAI_CHAT, Dialect.MISTRAL, asked), Dialect.OPENAI_CHAT, 200, STREAM
    )


def tier(provider: Dialect, client: Dialect) -> Pump:
    if provider is client:
        return RelayPump(client)
    if (provider, client) == (Dialect.MISTRAL, Dialect.OPENAI_CHAT):
        return adapting()
    return translating(provider, client)


class Ended:
    """What a client was sent of a stream, and what the record was told."""

    def __init__(self, inner: Pump, provider: Dialect, pieces: list[bytes], held: int) -> None:
        self.notes: list[StopNote] = []
        self.hold = Held(held)
        pump = BoundedPump(
            inner, provider, EARLY_ENDS[provider](ASKED_FOR_USAGE), self.hold, "length", self.notes.append
        )
        self.sent = b"".join([pump.feed(piece) for piece in pieces]) + pump.end()
        self.is_over = pump.stream_ended
        assert pump.failure is None


def events_of(dialect: Dialect, stream: bytes) -> list[ChatEvent]:
    decoder = CODECS[dialect].stream_decoder()
    return decoder.feed(stream) + decoder.close()


def said(dialect: Dialect, events: list[ChatEvent]) -> str:
    answer = assemble(dialect, events)
    return "".join([part.text for choice in answer.choices for part in choice.parts if isinstance(part, Text)])


def tokens_of(dialect: Dialect, stream: bytes) -> int:
    usage = RunningUsage(CODECS[dialect].stream_decoder())
    usage.see(stream)
    return usage.output_tokens


def streams(shared: Path, dialect: Dialect) -> Iterator[tuple[str, bytes]]:
    """Yield every stream of a dialect that is long enough to be ended inside."""
    if dialect is Dialect.BEDROCK:
        yield "a stream of ours", bedrock_stream()
        return
    for exchange in exchanges(shared, dialect):
        if exchange.streamed and exchange.answer is not None and is_whole(dialect, exchange):
            yield exchange.file, exchange.answer


def is_whole(dialect: Dialect, exchange: Exchange) -> bool:
    assert exchange.answer is not None
    events = events_of(dialect, exchange.answer)
    return isinstance(events[-1], AnswerEnded) and tokens_of(dialect, exchange.answer) >= 8


def bedrock_stream() -> bytes:
    texts = b"".join([bedrock.delta(0, {"text": f"and then number {number}, "}) for number in range(12)])
    return bedrock.BEGIN + texts + bedrock.end() + bedrock.METADATA


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", sorted(CODECS))
def test_a_client_reads_a_complete_shorter_answer(shared: Path, provider: Dialect, client: Dialect) -> None:
    stopped = 0
    for name, stream in streams(shared, provider):
        held = tokens_of(provider, stream) // 2
        ended = Ended(tier(provider, client), provider, [stream], held)
        if not ended.notes:  # the most of it came in its last event
            assert isinstance(events_of(client, ended.sent)[-1], AnswerEnded), name
            continue
        stopped += 1
        [note] = ended.notes
        events = events_of(client, ended.sent)
        assert isinstance(events[-1], AnswerEnded), name
        assert not any(isinstance(event, AnswerFailed) for event in events), name
        finishes = [event.finish.reason for event in events if isinstance(event, ChoiceFinished)]
        assert FinishReason.LENGTH in finishes, (name, finishes)
        whole = Ended(tier(provider, client), provider, [stream], 1 << 40)
        assert said(client, events_of(client, whole.sent)).startswith(said(client, events)), name
        usages = [event.usage for event in events if isinstance(event, UsageReported)]
        assert (usages[-1].input_tokens, usages[-1].output_tokens) == (
            note.usage.input_tokens,
            note.usage.output_tokens,
        ), name
        assert note.usage.estimated
        [asked] = ended.hold.asked
        assert asked > held, name
        assert ended.is_over
    assert stopped, "no stream was ended early"


CUTS = st.lists(st.integers(0, 4000), max_size=40)


def some_streams(shared: Path, dialect: Dialect) -> list[bytes]:
    found = sorted((stream for _, stream in streams(shared, dialect)), key=len)
    return [stream for stream in found if len(stream) < 20_000][-4:] or found[:1]


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("provider", sorted(CODECS))
def test_any_cut_of_the_bytes_ends_at_the_same_event(shared: Path, provider: Dialect, client: Dialect) -> None:
    """Gemini's clients are sent what a read brought as one piece, so there only what it says is the same."""

    def read(sent: bytes) -> Any:
        return said(client, events_of(client, sent)) if client is Dialect.GEMINI is not provider else sent

    for stream in some_streams(shared, provider):
        for held in (1, tokens_of(provider, stream) // 2):
            whole = Ended(tier(provider, client), provider, [stream], held)
            for size in (1, 7, 64):
                pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
                cut = Ended(tier(provider, client), provider, pieces, held)
                assert read(cut.sent) == read(whole.sent)
                assert cut.notes == whole.notes


LINES = st.sampled_from((b"\n", b"\r\n", b"\r"))
WORDS = ["One ", "two ", "three ", "four ", "five ", "six."]


@settings(max_examples=150)
@given(line=LINES, cuts=CUTS, held=st.integers(0, 6))
def test_any_line_ends_and_any_cuts_are_one(line: bytes, cuts: list[int], held: int) -> None:
    chunks = [
        {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        for choice in [{"index": 0, "delta": {"content": word}, "finish_reason": None} for word in WORDS]
    ]
    stream = b"".join([b"data: " + msgspec.json.encode(chunk) + line * 2 for chunk in chunks])
    stream += b"data: [DONE]" + line * 2
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in pairwise(edges)]
    whole = Ended(RelayPump(Dialect.OPENAI_CHAT), Dialect.OPENAI_CHAT, [stream], held)
    cut = Ended(RelayPump(Dialect.OPENAI_CHAT), Dialect.OPENAI_CHAT, pieces, held)
    assert cut.sent == whole.sent
    assert cut.hold.asked == whole.hold.asked
    events = events_of(Dialect.OPENAI_CHAT, whole.sent)
    assert isinstance(events[-1], AnswerEnded)
    assert "".join(WORDS).startswith(said(Dialect.OPENAI_CHAT, events))


def members_of(stream: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream, read by another parser than ours."""
    lines = stream.replace(b"\r\n", b"\n").split(b"\n")
    return [json.loads(line[5:]) for line in lines if line.startswith(b"data:") and line[5:].strip() != b"[DONE]"]


def holds_in(dialect: Dialect, stream: bytes) -> list[int]:
    tokens = tokens_of(dialect, stream)
    return sorted({tokens * tenth // 10 for tenth in range(10)})


@pytest.mark.slow
def test_each_of_anthropics_blocks_that_began_ends_once(shared: Path) -> None:
    for name, stream in streams(shared, Dialect.ANTHROPIC):
        for held in holds_in(Dialect.ANTHROPIC, stream):
            ended = Ended(RelayPump(Dialect.ANTHROPIC), Dialect.ANTHROPIC, [stream], held)
            events = members_of(ended.sent)
            began = [event["index"] for event in events if event["type"] == "content_block_start"]
            stopped = [event["index"] for event in events if event["type"] == "content_block_stop"]
            assert sorted(began) == sorted(stopped), name
            assert [event["type"] for event in events][-2:] == ["message_delta", "message_stop"], name


@pytest.mark.slow
def test_each_item_of_a_response_is_done_and_in_the_response_that_ends_it(shared: Path) -> None:
    kinds = set()
    for name, stream in streams(shared, Dialect.OPENAI_RESPONSES):
        for held in holds_in(Dialect.OPENAI_RESPONSES, stream):
            ended = Ended(RelayPump(Dialect.OPENAI_RESPONSES), Dialect.OPENAI_RESPONSES, [stream], held)
            if not ended.notes:
                continue
            events = members_of(ended.sent)
            where = (name, held)
            done = {event["output_index"]: event["item"] for event in events if "item.done" in event["type"]}
            added = {event["output_index"]: event["item"] for event in events if "item.added" in event["type"]}
            assert done.keys() == added.keys(), where
            last = events[-1]
            assert last["type"] == "response.incomplete", where
            assert last["response"]["output"] == [item for _, item in sorted(done.items())], where
            numbers = [event["sequence_number"] for event in events if "sequence_number" in event]
            assert numbers == sorted(set(numbers)), where
            for index, item in done.items():
                kinds.add(item["type"])
                assert item["id"] == added[index]["id"], where
                deltas = [event for event in events if event.get("output_index") == index and "delta" in event]
                said_in_deltas = "".join([event["delta"] for event in deltas])
                texts = [str(part.get("text", part.get("refusal"))) for part in texts_of(item)]
                assert "".join([*texts, item.get("arguments", ""), item.get("input", "")]) == said_in_deltas, where
    assert kinds >= {"message", "function_call", "reasoning"}


def texts_of(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(item.get("summary") or ()), *(item.get("content") or ())]


def test_a_hold_that_grows_lets_the_stream_pass_untouched(shared: Path) -> None:
    class Growing(Held):
        def may_go_on(self, output_tokens: int) -> bool:
            self.asked.append(output_tokens)
            self.output_tokens = output_tokens * 2
            return True

    _, stream = next(streams(shared, Dialect.ANTHROPIC))
    hold = Growing(1)
    end = EARLY_ENDS[Dialect.ANTHROPIC](b"")
    notes: list[StopNote] = []
    pump = BoundedPump(RelayPump(Dialect.ANTHROPIC), Dialect.ANTHROPIC, end, hold, "length", notes.append)
    assert b"".join([pump.feed(stream[at : at + 11]) for at in range(0, len(stream), 11)]) + pump.end() == stream
    assert hold.asked == sorted(hold.asked)
    assert len(hold.asked) > 1
    assert not notes


def test_an_array_of_googles_is_closed() -> None:
    words = [{"id": "c", "choices": [{"index": 0, "delta": {"content": word * 9}}]} for word in WORDS]
    stream = b"".join([b"data: " + msgspec.json.encode(word) + b"\n\n" for word in words])
    ended = Ended(translating(Dialect.OPENAI_CHAT, Dialect.GEMINI, ""), Dialect.OPENAI_CHAT, [stream], 20)
    pieces = msgspec.json.decode(ended.sent)
    assert [piece["candidates"][0].get("finishReason") for piece in pieces][-1] == "MAX_TOKENS"
    assert pieces[-1]["usageMetadata"]["candidatesTokenCount"] == ended.notes[0].usage.output_tokens


def test_thinking_counts_though_the_client_is_not_shown_it() -> None:
    thoughts = [{"id": "c", "choices": [{"index": 0, "delta": {"reasoning_content": word * 9}}]} for word in WORDS]
    stream = b"".join([b"data: " + msgspec.json.encode(thought) + b"\n\n" for thought in thoughts])
    ended = Ended(translating(Dialect.OPENAI_CHAT, Dialect.GEMINI), Dialect.OPENAI_CHAT, [stream], 20)
    events = events_of(Dialect.GEMINI, ended.sent)
    parts = assemble(Dialect.GEMINI, events).choices[0].parts
    assert not any(isinstance(part, Thinking) for part in parts)
    assert ended.notes[0].usage.output_tokens == ended.hold.asked[0] > 20

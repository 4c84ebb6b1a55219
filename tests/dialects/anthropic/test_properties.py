"""The laws of a codec over random answers: whole and streamed, cut and re-cut, they come to the same."""

from hypothesis import given
from hypothesis import strategies as st

from gantry.core.chat import ChatAnswer, ChatRequest, ToolCall
from gantry.core.chat_events import CallAdded, CallBegan, ChatEvent
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.codec import ANTHROPIC
from gantry.dialects.assemble import assemble, unfold
from gantry.dialects.codec import Asking
from tests.dialects.anthropic.canonical import answers

ASKING = Asking(ChatRequest(dialect=Dialect.ANTHROPIC, model="m", messages=()), 0, "log-1")


def read(stream: bytes, size: int | None = None) -> list[ChatEvent]:
    decoder = ANTHROPIC.stream_decoder()
    pieces = [stream] if size is None else [stream[start : start + size] for start in range(0, len(stream), size)]
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


@given(answers())
def test_a_whole_answer_survives(answer: ChatAnswer) -> None:
    assert ANTHROPIC.decode_answer(ANTHROPIC.encode_answer(answer, ASKING)) == answer


@given(answers(), st.integers(1, 40))
def test_a_streamed_answer_survives_in_any_pieces(answer: ChatAnswer, size: int) -> None:
    stream = ANTHROPIC.stream_encoder(ASKING).feed(unfold(answer))
    assert assemble(Dialect.ANTHROPIC, read(stream)) == answer
    assert read(stream, size) == read(stream)


@given(answers())
def test_events_fed_one_by_one_give_the_same_answer(answer: ChatAnswer) -> None:
    encoder = ANTHROPIC.stream_encoder(ASKING)
    stream = b"".join([encoder.feed([event]) for event in unfold(answer)])
    assert assemble(Dialect.ANTHROPIC, read(stream)) == answer


@given(st.data(), answers())
def test_calls_that_interleave_come_out_one_after_another(data: st.DataObject, answer: ChatAnswer) -> None:
    """Cut the arguments of every call into single characters and shuffle the calls' pieces among each other."""
    events = unfold(answer)
    calls = {number for number, part in enumerate(answer.choices[0].parts) if isinstance(part, ToolCall)}
    last = [event for event in events if not isinstance(event, CallAdded)]
    tail = next(index for index, event in enumerate(last) if not hasattr(event, "part") and index > 0)
    texts = {event.part: list(event.arguments) for event in events if isinstance(event, CallAdded)}
    mixed: list[ChatEvent] = []
    begun: list[int] = []
    for event in last[:tail]:
        mixed.append(event)
        if isinstance(event, CallBegan):
            begun.append(event.part)
        for _ in range(data.draw(st.integers(0, 4)) if begun else 0):
            part = data.draw(st.sampled_from(begun))
            if texts[part]:
                mixed.append(CallAdded(0, part, texts[part].pop(0)))
    left = [part for part in sorted(calls) for _ in texts[part]]
    for part in data.draw(st.permutations(left)):
        mixed.append(CallAdded(0, part, texts[part].pop(0)))
    encoder = ANTHROPIC.stream_encoder(ASKING)
    stream = b"".join([encoder.feed([event]) for event in [*mixed, *last[tail:]]])
    assert assemble(Dialect.ANTHROPIC, read(stream)) == answer

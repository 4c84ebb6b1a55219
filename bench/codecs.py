"""What each codec costs, without a gateway around it: µs of CPU for a request, an answer, and an event of a stream.

The first table is a plain call, one question and an answer of a hundred words; the second, where the recordings lie
beside the checkout, the mean over real traffic: what was recorded in the format is read, what was recorded in all the
others is written. Run it before and after a change: `python -m bench.codecs`. The best of several rounds counts.
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from gantry.core.chat import ChatAnswer, ChatRequest, Finish, FinishReason, Message, Role, Text
from gantry.core.chat_events import ENDED, AnswerBegan, ChatEvent, ChoiceFinished, TextAdded, UsageReported
from gantry.core.errors import GatewayError
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.assemble import assemble
from gantry.dialects.codec import Asking, Codec, Target
from gantry.dialects.codecs import CODECS
from tests.dialects.recorded import exchanges

COLUMNS: Final = ("request in", "request out", "answer in", "answer out", "event in", "event out")
SHARED: Final = Path(__file__).resolve().parents[2] / "shared"
USAGE: Final = Usage(input_tokens=40, output_tokens=100, total_tokens=140)
STOPPED: Final = Finish(FinishReason.STOP, "stop")
QUESTION: Final = Message(Role.USER, (Text("x" * 180),))
TARGET: Final = Target("a-model")


class Traffic(Struct, frozen=True):
    """Bytes of one format, and what they say. A stream comes in pieces of one event."""

    dialect: Dialect
    asked: Sequence[bytes]
    requests: Sequence[ChatRequest]
    answered: Sequence[bytes]
    answers: Sequence[ChatAnswer]
    streamed: Sequence[Sequence[bytes]]
    events: Sequence[Sequence[ChatEvent]]


def plain(dialect: Dialect) -> Traffic:
    codec, caller = CODECS[dialect], asking(dialect)
    events: list[ChatEvent] = [
        AnswerBegan("1", "a-model", 1),
        *[TextAdded(0, 0, "word ") for _ in range(100)],
        ChoiceFinished(0, STOPPED),
        UsageReported(USAGE),
        ENDED,
    ]
    request = ChatRequest(dialect=dialect, model="a-model", messages=(QUESTION,), max_tokens=500)
    answer = assemble(dialect, events)
    encoder = codec.stream_encoder(caller)
    return Traffic(
        dialect,
        [codec.encode_request(request, TARGET).body],
        [request],
        [codec.encode_answer(answer, caller)],
        [answer],
        [[piece for event in events if (piece := encoder.feed([event]))]],
        [events],
    )


def recorded(dialect: Dialect) -> Traffic:
    codec = CODECS[dialect]
    found = [one for one in exchanges(SHARED, dialect) if one.status < 400]
    asked = [one.request for one in found if one.request is not None]
    answered = [one.answer for one in found if one.answer is not None and not one.streamed]
    answered = [one for one in answered if works(codec.decode_answer, one)]
    streamed = [cut(one.answer) for one in found if one.answer is not None and one.streamed]
    requests = [codec.decode_request(one) for one in asked]
    events = [decode_stream(codec, pieces) for pieces in streamed]
    return Traffic(dialect, asked, requests, answered, [codec.decode_answer(one) for one in answered], streamed, events)


def cut(stream: bytes) -> list[bytes]:
    return [piece + b"\n\n" for piece in stream.replace(b"\r\n", b"\n").split(b"\n\n") if piece]


def asking(dialect: Dialect) -> Asking:
    request = ChatRequest(dialect=dialect, model="a-model", messages=(QUESTION,), stream=True)
    return Asking(request, 1, "id-1")


def works(act: Callable[..., object], *given: Any) -> bool:
    try:
        act(*given)
    except GatewayError:
        return False
    return True


def decode_stream(codec: Codec, pieces: Iterable[bytes]) -> list[ChatEvent]:
    decoder = codec.stream_decoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def encode_stream(codec: Codec, events: Iterable[ChatEvent], caller: Asking) -> None:
    encoder = codec.stream_encoder(caller)
    for event in events:
        encoder.feed([event])


def row(traffic: Traffic, others: Iterable[Traffic], rounds: int) -> list[float | None]:
    """Return the cost of each direction: reading this traffic, and writing what the others say."""
    codec, caller = CODECS[traffic.dialect], asking(traffic.dialect)
    foreign = [other for other in others if other.dialect is not traffic.dialect]
    requests = [one for other in foreign for one in other.requests if works(codec.encode_request, one, TARGET)]
    answers = [one for other in foreign for one in other.answers]
    streams = [one for other in foreign for one in other.events]

    def cost(act: Callable[[Any], object], given: Sequence[Any], count: int | None = None) -> float | None:
        return best(act, given, rounds) / (count or len(given)) if given else None

    return [
        cost(codec.decode_request, traffic.asked),
        cost(lambda request: codec.encode_request(request, TARGET), requests),
        cost(codec.decode_answer, traffic.answered),
        cost(lambda answer: codec.encode_answer(answer, caller), answers),
        cost(lambda pieces: decode_stream(codec, pieces), traffic.streamed, sum(map(len, traffic.streamed))),
        cost(lambda events: encode_stream(codec, events, caller), streams, sum(map(len, streams))),
    ]


def best(act: Callable[[Any], object], given: Sequence[Any], rounds: int) -> float:
    """Return the µs that all of what is given took in the fastest round; little is given more than once."""
    repeats = max(1, 100 // len(given))
    fastest = 1e12
    for _ in range(rounds):
        started = time.thread_time_ns()
        for _ in range(repeats):
            for one in given:
                act(one)
        fastest = min(fastest, time.thread_time_ns() - started)
    return fastest / repeats / 1000


def show(title: str, rows: Iterable[tuple[Dialect, list[float | None]]]) -> None:
    print(f"{title:18}" + "".join(f"{column:>13}" for column in COLUMNS))
    for dialect, costs in rows:
        print(f"{dialect.value:18}" + "".join(f"{'-':>13}" if cost is None else f"{cost:13.2f}" for cost in costs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as the worker's process does
    for title, make in (("plain", plain), ("recorded", recorded)):
        traffic = [make(dialect) for dialect in CODECS]
        show(title, [(one.dialect, row(one, traffic, options.rounds)) for one in traffic])
        if not (SHARED / "recordings").is_dir():
            break


if __name__ == "__main__":
    main()

"""Laws of the relay pump: however a stream is cut, the bytes, its boundaries and its end are the same."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gantry.core.vocabulary import Dialect
from gantry.gateway.pump import RelayPump

DIALECTS = (Dialect.MISTRAL, Dialect.ANTHROPIC, Dialect.OPENAI_RESPONSES)
PIECES = [
    b"event: message_stop",
    b'data: {"type":"message_stop"}',
    b"event: response.completed",
    b'data: {"type": "response.failed", "a": "event: response.completed"}',
    b"data: ",
    b"[DONE]",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"d",
    b'{"a":"data: [DONE]"}',
    b": ping",
    b"data:[DONE]",
]
STREAMS = st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join)


def pumped(pieces: list[bytes], dialect: Dialect = Dialect.MISTRAL) -> RelayPump:
    pump = RelayPump(dialect)
    assert b"".join(pump.feed(piece) for piece in pieces) == b"".join(pieces)
    return pump


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=12), dialect=st.sampled_from(DIALECTS))
@example(stream=b"data: a\n\ndata: [DONE]\n\n", cuts=list(range(30)), dialect=Dialect.MISTRAL)
@example(stream=b"data: [DONE]\r\n\r\n", cuts=[1], dialect=Dialect.MISTRAL)
@example(stream=b"data: a\n\nevent: message_stop\ndata: {}\n\n", cuts=list(range(50)), dialect=Dialect.ANTHROPIC)
def test_any_cut_of_a_stream_has_the_same_end_and_boundary(stream: bytes, cuts: list[int], dialect: Dialect) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pump = pumped([stream[start:end] for start, end in pairwise(edges)], dialect)
    whole = pumped([stream], dialect)
    assert pump.stream_ended is whole.stream_ended
    normal = b"\n\n" + stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert bool(pump.ping()) == bool(whole.ping()) == normal.endswith(b"\n\n")


def test_done_inside_an_event_is_not_the_end() -> None:
    assert not pumped([b'data: {"a":"data: [DONE]"}\n\n']).stream_ended
    assert pumped([b"data: [DONE]\n\n"]).stream_ended
    assert pumped([bytes([byte]) for byte in b"data: x\n\ndata: [DONE]\n\n"]).stream_ended


@pytest.mark.parametrize(
    ("dialect", "last"),
    [
        (Dialect.ANTHROPIC, b'event: message_stop\ndata: {"type":"message_stop"}\n\n'),
        (Dialect.ANTHROPIC, b'data: {"type": "message_stop"}\r\n\r\n'),
        (Dialect.OPENAI_RESPONSES, b'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n'),
        (Dialect.OPENAI_RESPONSES, b'data: {"type":"response.incomplete","response":{}}\n\n'),
        (Dialect.OPENAI_RESPONSES, b"event: response.failed\ndata: {}\n\n"),
    ],
)
def test_a_stream_without_done_ends_with_its_last_event(dialect: Dialect, last: bytes) -> None:
    before = b'event: a\ndata: {"text":"event: message_stop, response.completed"}\n\n'
    whole = pumped([before, last], dialect)
    assert whole.stream_ended
    assert whole.ping()
    assert pumped([bytes([byte]) for byte in before + last], dialect).stream_ended
    assert not pumped([before, last[:-2]], dialect).stream_ended
    assert not pumped([before, last], Dialect.MISTRAL).stream_ended


def test_a_stream_of_geminis_is_kept_alive_by_blank_lines() -> None:
    """Google's SDK for Python reads a comment as JSON, and raises."""
    pump = RelayPump(Dialect.GEMINI)
    pump.feed(b'data: {"a":1}\r\n\r\n')
    assert pump.ping() == b"\n"
    pump.feed(b'data: {"a"')
    assert pump.ping() == b""

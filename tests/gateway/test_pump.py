"""Laws of the relay pump: however a stream is cut, the bytes, its boundaries and its end are the same."""

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from gantry.core.vocabulary import Dialect
from gantry.gateway.pump import RelayPump

PIECES = [
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


def pumped(pieces: list[bytes]) -> RelayPump:
    pump = RelayPump(Dialect.MISTRAL)
    assert b"".join(pump.feed(piece) for piece in pieces) == b"".join(pieces)
    return pump


@given(stream=STREAMS, cuts=st.lists(st.integers(0, 200), max_size=12))
@example(stream=b"data: a\n\ndata: [DONE]\n\n", cuts=list(range(30)))
@example(stream=b"data: [DONE]\r\n\r\n", cuts=[1])
def test_any_cut_of_a_stream_has_the_same_end_and_boundary(stream: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pump = pumped([stream[start:end] for start, end in pairwise(edges)])
    whole = pumped([stream])
    assert pump.stream_ended is whole.stream_ended
    normal = b"\n\n" + stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert bool(pump.ping()) == bool(whole.ping()) == normal.endswith(b"\n\n")


def test_done_inside_an_event_is_not_the_end() -> None:
    assert not pumped([b'data: {"a":"data: [DONE]"}\n\n']).stream_ended
    assert pumped([b"data: [DONE]\n\n"]).stream_ended
    assert pumped([bytes([byte]) for byte in b"data: x\n\ndata: [DONE]\n\n"]).stream_ended

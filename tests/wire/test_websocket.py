"""WebSocket: the offer, the handshake, and messages read out of frames in any pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.wire.websocket import (
    CloseCode,
    Farewell,
    Message,
    MessageReader,
    Opcode,
    accept_for,
    encode_close,
    read_farewell,
    wants_websocket,
)

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
OFFER = {
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-key": KEY,
    b"sec-websocket-version": b"13",
}
MASK = b"\x37\xfa\x21\x3d"


def frame(
    payload: bytes, opcode: int = Opcode.TEXT, *, final: bool = True, mask: bytes = b"", reserved: int = 0
) -> bytes:
    """Return a frame, written apart from the code under test."""
    flag, size = 0x80 if mask else 0, len(payload)
    if size < 126:
        length = bytes((flag | size,))
    elif size < 1 << 16:
        length = bytes((flag | 126,)) + size.to_bytes(2, "big")
    else:
        length = bytes((flag | 127,)) + size.to_bytes(8, "big")
    if mask:
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return bytes(((0x80 if final else 0) | reserved | opcode,)) + length + mask + payload


def read(*pieces: bytes, limit: int = 1000) -> list[Message]:
    reader = MessageReader(limit)
    return [message for piece in pieces for message in reader.feed(piece)]


def text(payload: bytes) -> Message:
    return Message(Opcode.TEXT, payload, len(payload))


TRANSCRIPTS = [
    ("one message", frame(b"Hello"), [text(b"Hello")]),
    ("of the specification, masked", bytes.fromhex("818537fa213d7f9f4d5158"), [text(b"Hello")]),
    ("empty", frame(b""), [text(b"")]),
    ("empty and masked", frame(b"", mask=MASK), [text(b"")]),
    ("binary", frame(b"\0\1", Opcode.BINARY), [Message(Opcode.BINARY, b"\0\1", 2)]),
    ("a length in two bytes", frame(b"x" * 126, mask=MASK), [text(b"x" * 126)]),
    ("a length in eight bytes", frame(b"x" * 70_000), [Message(Opcode.TEXT, None, 70_000)]),
    ("in fragments", frame(b"Hel", final=False) + frame(b"lo", 0), [text(b"Hello")]),
    (
        "control frames between fragments",
        frame(b"Hel", final=False) + frame(b"p", Opcode.PING) + frame(b"lo", 0, mask=MASK),
        [Message(Opcode.PING, b"p", 1), text(b"Hello")],
    ),
    ("close", frame(b"\x03\xe8bye", Opcode.CLOSE), [Message(Opcode.CLOSE, b"\x03\xe8bye", 5)]),
    ("what is compressed", frame(b"zzz", reserved=0x40) + frame(b"a"), [Message(Opcode.TEXT, None, 3), text(b"a")]),
    (
        "fragments of what is compressed",
        frame(b"zz", reserved=0x40, final=False) + frame(b"z", 0) + frame(b"a"),
        [Message(Opcode.TEXT, None, 3), text(b"a")],
    ),
    (
        "fragments that grow too long",
        frame(b"x" * 900, final=False) + frame(b"x" * 900, 0, final=False) + frame(b"x", 0) + frame(b"a"),
        [Message(Opcode.TEXT, None, 1801), text(b"a")],
    ),
    ("a continuation of nothing", frame(b"lo", 0) + frame(b"a"), [text(b"a")]),
    ("a message that breaks off another", frame(b"He", final=False) + frame(b"a"), [text(b"a")]),
    ("an opcode of the future", frame(b"?", 3) + frame(b"a"), [Message(3, b"?", 1), text(b"a")]),
    ("an unfinished frame", frame(b"Hello")[:-1], []),
]
IDS = [case[0] for case in TRANSCRIPTS]


@pytest.mark.parametrize(("wire", "messages"), [case[1:] for case in TRANSCRIPTS], ids=IDS)
def test_reads_messages(wire: bytes, messages: list[Message]) -> None:
    assert read(wire) == messages


@pytest.mark.parametrize(("wire", "messages"), [case[1:] for case in TRANSCRIPTS], ids=IDS)
def test_reads_messages_byte_by_byte(wire: bytes, messages: list[Message]) -> None:
    assert read(*(wire[place : place + 1] for place in range(len(wire)))) == messages


FRAMES = st.builds(
    frame,
    st.binary(max_size=300),
    st.integers(0, 15),
    final=st.booleans(),
    mask=st.sampled_from([b"", MASK]),
    reserved=st.sampled_from([0, 0, 0, 0x40]),
)


@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 2000), max_size=12))
def test_any_chunking_gives_the_same_messages(frames: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(frames)
    places = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    pieces = [wire[start:end] for start, end in pairwise(places)]
    assert read(*pieces, limit=400) == read(wire, limit=400)


@given(st.binary(max_size=400))
def test_no_bytes_are_an_error(data: bytes) -> None:
    assert read(data) == read(*(bytes([byte]) for byte in data))


@given(st.lists(FRAMES, max_size=6), st.integers(0, 2000))
def test_a_boundary_is_where_a_frame_ends(frames: list[bytes], cut: int) -> None:
    wire = b"".join(frames)
    ends = {0}
    for item in frames:
        ends.add(max(ends) + len(item))
    reader = MessageReader()
    reader.feed(wire[:cut])
    assert reader.at_boundary == (min(cut, len(wire)) in ends)


def test_a_length_that_is_a_lie_holds_no_memory() -> None:
    reader = MessageReader(1000)
    reader.feed(b"\x82\x7f" + b"\xff" * 8)
    for _ in range(100):
        assert reader.feed(b"x" * 10_000) == []
    assert not reader.at_boundary


def test_the_accept_of_the_specification() -> None:
    assert accept_for(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_whole_offer_is_one() -> None:
    assert wants_websocket(OFFER)
    assert wants_websocket({**OFFER, b"upgrade": b"WebSocket", b"connection": b"keep-alive, upgrade"})


@pytest.mark.parametrize(
    "change",
    [
        {b"upgrade": b"h2c"},
        {b"upgrade": b"websocket, h2c"},
        {b"connection": b"keep-alive"},
        {b"sec-websocket-version": b"8"},
        {b"sec-websocket-key": b"short"},
        {b"sec-websocket-key": b"AAAA"},
        {b"sec-websocket-key": KEY + b", " + KEY},
    ],
    ids=str,
)
def test_anything_less_is_none(change: dict[bytes, bytes]) -> None:
    assert not wants_websocket({**OFFER, **change})


@pytest.mark.parametrize("missing", OFFER)
def test_a_missing_header_is_no_offer(missing: bytes) -> None:
    assert not wants_websocket({name: value for name, value in OFFER.items() if name != missing})


def test_a_close_frame_is_read_as_it_was_written() -> None:
    (message,) = read(encode_close(CloseCode.GOING_AWAY, "restarting"))
    assert read_farewell(message) == Farewell(1001, "restarting")


def test_a_long_reason_is_cut_between_characters() -> None:
    (message,) = read(encode_close(1011, "é" * 100))
    assert message.size == 2 + 122
    assert read_farewell(message).reason == "é" * 61


@pytest.mark.parametrize(
    ("payload", "farewell", "is_fault"),
    [
        (b"", Farewell(), False),
        (b"\x03", Farewell(), False),
        (b"\x03\xe8", Farewell(1000), False),
        (b"\x03\xe9", Farewell(1001), False),
        (b"\x03\xf0no", Farewell(1008, "no"), True),
        (b"\x03\xf3\xff", Farewell(1011, "\ufffd"), True),
    ],
)
def test_what_a_close_frame_says(payload: bytes, farewell: Farewell, is_fault: bool) -> None:
    said = read_farewell(Message(Opcode.CLOSE, payload, len(payload)))
    assert (said, said.is_fault) == (farewell, is_fault)

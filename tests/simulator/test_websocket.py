"""RFC 6455: the handshake, frames read at any cut, and what a client may not do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.simulator.exchange import Request
from gantry.simulator.websocket import Frame, Opcode, Reader, WebSocketError, encode, encode_close, handshake
from tests.simulator.sockets import HANDSHAKE, masked


def request(**changes: str) -> Request:
    fields = HANDSHAKE | {name.replace("_", "-"): value for name, value in changes.items()}
    return Request(b"GET", b"/", tuple((name.encode(), value.encode()) for name, value in fields.items()), b"")


def test_the_handshake_answers_the_key_of_the_standard() -> None:
    head = handshake(request())
    assert head is not None
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
    assert handshake(request(connection="keep-alive, Upgrade", upgrade="WebSocket")) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"connection": "keep-alive"},
        {"upgrade": "h2c"},
        {"sec_websocket_version": "12"},
        {"sec_websocket_key": "short"},
        {"sec_websocket_key": "dGhlIHNhbXBsZQ=="},
    ],
)
def test_a_handshake_that_lacks_something_is_none(changes: dict[str, str]) -> None:
    assert handshake(request(**changes)) is None


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5), st.integers(1, 9), st.integers(1, 64))
def test_messages_are_read_whole_however_they_are_split(texts: list[str], piece: int, step: int) -> None:
    wire = b""
    for text in texts:
        data = text.encode()
        parts = [data[start : start + piece] for start in range(0, len(data), piece)] or [b""]
        for index, part in enumerate(parts):
            wire += masked(
                1 if index == 0 else 0, part, final=index == len(parts) - 1, mask=bytes((index % 256, 7, 9, 1))
            )
            wire += masked(9, b"still there?")
    reader = Reader()
    frames = [frame for start in range(0, len(wire), step) for frame in reader.feed(wire[start : start + step])]
    assert [frame.payload.decode() for frame in frames if frame.opcode is Opcode.TEXT] == texts
    assert {frame.payload for frame in frames if frame.opcode is Opcode.PING} == {b"still there?"}


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_frames_of_any_length_are_written_and_read(size: int) -> None:
    payload = b"x" * size
    (frame,) = Reader().feed(masked(2, payload))
    assert frame == Frame(Opcode.BINARY, payload)
    written = encode(frame)
    assert (written[0], written[-size:] if size else b"") == (0x82, payload)
    assert len(written) == size + (2 if size < 126 else 4 if size < 65536 else 10)


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x81\x01a", 1002),  # not masked
        (b"\xc1\x80\x00\x00\x00\x00", 1002),  # a reserved bit
        (b"\x83\x80\x00\x00\x00\x00", 1002),  # an unknown opcode
        (masked(9, b"x" * 126), 1002),  # a long ping
        (masked(9, b"", final=False), 1002),  # a fragmented ping
        (masked(0, b"x"), 1002),  # a continuation of nothing
        (masked(1, b"x", final=False) + masked(1, b"y"), 1002),  # two messages at once
        (masked(1, b"\xff"), 1007),
        (masked(8, b"\x03"), 1002),
        (masked(8, b"\x03\xed"), 1002),  # 1005 is not for the wire
        (masked(8, b"\x03\xe8\xff"), 1007),
        (masked(1, b"x" * 101), 1009),
        (masked(1, b"x" * 60, final=False) + masked(0, b"x" * 60), 1009),
    ],
)
def test_what_a_client_may_not_send_has_its_code(wire: bytes, code: int) -> None:
    reader = Reader(largest=100)
    with pytest.raises(WebSocketError) as caught:
        list(reader.feed(wire))
    assert caught.value.code == code


def test_a_close_has_its_code_and_a_short_reason() -> None:
    assert encode_close(1000) == b"\x88\x02\x03\xe8"
    assert len(encode_close(1008, "x" * 500)) == 127

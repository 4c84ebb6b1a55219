"""WebSocket as one who listens needs it: the handshake, and messages read out of frames that pass (RFC 6455).

Law: any re-chunking of the same bytes gives the same messages, and nothing is an error: what cannot be read, because it
is compressed or too long, comes as its size. Both sides are read alike, masked or not. What is held is bounded by the
limit, whatever lengths the frames claim. `at_boundary` says where a frame of ours may stand.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from msgspec import Struct

DEFAULT_LIMIT: Final = 1024 * 1024
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES: Final = 16
_FINAL, _RESERVED, _OPCODE, _CONTROL = 0x80, 0x70, 0x0F, 0x08
_MASKED, _LENGTH = 0x80, 0x7F
_EXTENDED: Final = {126: 2, 127: 8}  # bytes of a length that does not fit into seven bits
_MASK_BYTES: Final = 4
_LONGEST_REASON: Final = 123
_NO_STATUS: Final = 1005  # what stands for a close frame without a code (RFC 6455 §7.4.1)


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class CloseCode(IntEnum):
    """The codes that a gateway says itself."""

    GOING_AWAY = 1001
    INTERNAL_ERROR = 1011


class Message(Struct, frozen=True, gc=False):
    """A whole message, or a control frame. `payload` is None where it could not be read; `size` is that of the wire."""

    opcode: int
    payload: bytes | None
    size: int


class Farewell(Struct, frozen=True, gc=False):
    """What a close frame says."""

    code: int = _NO_STATUS
    reason: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether it says that something went wrong: neither done, nor going away, nor nothing at all."""
        return self.code not in (1000, CloseCode.GOING_AWAY, _NO_STATUS)


def wants_websocket(fields: Mapping[bytes, bytes]) -> bool:
    """Say whether the headers of a GET offer a WebSocket as they must (§4.2.1)."""
    if fields.get(b"upgrade", b"").lower() != b"websocket" or fields.get(b"sec-websocket-version") != b"13":
        return False
    options = [option.strip() for option in fields.get(b"connection", b"").lower().split(b",")]
    if b"upgrade" not in options:
        return False
    try:
        return len(base64.b64decode(fields.get(b"sec-websocket-key", b""), validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def accept_for(key: bytes) -> bytes:
    """Return the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def encode_close(code: int, reason: str) -> bytes:
    """Return a server's close frame; a reason that is too long is cut between two characters."""
    text = reason.encode()[:_LONGEST_REASON].decode("utf-8", "ignore").encode()
    return bytes((_FINAL | Opcode.CLOSE, 2 + len(text))) + code.to_bytes(2, "big") + text


def read_farewell(message: Message) -> Farewell:
    """Return what a close frame says."""
    payload = message.payload or b""
    if len(payload) < 2:
        return Farewell()
    return Farewell(int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace"))


class _Frame(Struct, gc=False):
    """A frame whose payload is coming in."""

    first: int  # the byte with opcode and flags
    mask: bytes
    size: int
    left: int
    payload: bytearray | None  # None where it is passed over


class MessageReader:
    """One direction of a connection, from the first byte behind the handshake."""

    __slots__ = ("_frame", "_head", "_limit", "_opcode", "_payload", "_size")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._head = b""  # of a frame, not yet whole
        self._frame: _Frame | None = None
        self._opcode: int | None = None  # of the message that is coming in
        self._payload: bytearray | None = None  # of that message; None where it cannot be read
        self._size = 0

    @property
    def at_boundary(self) -> bool:
        """Whether all frames so far are whole, so that another may follow."""
        return self._frame is None and not self._head

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages and control frames that these bytes complete."""
        messages: list[Message] = []
        if self._head:
            data = self._head + data
            self._head = b""
        place = 0
        while True:
            frame = self._frame
            if frame is None:
                start = self._begin_frame(data, place)
                frame = self._frame
                if frame is None:
                    self._head = data[place:]
                    return messages
                place = start
            piece = data[place : place + frame.left]
            place += len(piece)
            frame.left -= len(piece)
            if frame.payload is not None:
                frame.payload += piece
            if frame.left:
                return messages
            self._frame = None
            message = self._end_frame(frame)
            if message is not None:
                messages.append(message)

    def _begin_frame(self, data: bytes, place: int) -> int:
        """Read a frame's head, if it is whole; return where its payload begins."""
        if len(data) < place + 2:
            return place
        first, second = data[place], data[place + 1]
        size = second & _LENGTH
        start = place + 2
        extended = _EXTENDED.get(size, 0)
        mask_bytes = _MASK_BYTES if second & _MASKED else 0
        if len(data) < start + extended + mask_bytes:
            return place
        if extended:
            size = int.from_bytes(data[start : start + extended], "big")
            start += extended
        mask = data[start : start + mask_bytes]
        payload = bytearray() if self._readable(first, size) else None
        self._frame = _Frame(first, mask, size, size, payload)
        return start + mask_bytes

    def _readable(self, first: int, size: int) -> bool:
        if first & _RESERVED:
            return False
        if first & _OPCODE == Opcode.CONTINUATION:
            return self._payload is not None and len(self._payload) + size <= self._limit
        return size <= self._limit

    def _end_frame(self, frame: _Frame) -> Message | None:
        payload = None if frame.payload is None else _unmask(bytes(frame.payload), frame.mask)
        opcode = frame.first & _OPCODE
        if opcode & _CONTROL:
            return Message(opcode, payload, frame.size)
        if opcode != Opcode.CONTINUATION:
            self._opcode, self._size, self._payload = opcode, 0, bytearray()
        elif self._opcode is None:
            return None  # goes on with what never began
        self._size += frame.size
        if payload is None:
            self._payload = None
        elif self._payload is not None:
            self._payload += payload
        if not frame.first & _FINAL:
            return None
        message = Message(self._opcode, None if self._payload is None else bytes(self._payload), self._size)
        self._opcode, self._payload = None, None
        return message


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """Return a payload as it was before the mask: four bytes over and over, as one long number."""
    if not mask:
        return payload
    size = len(payload)
    key = (mask * (size // _MASK_BYTES + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")

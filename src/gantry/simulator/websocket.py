"""RFC 6455 as a server speaks it: the handshake, frames in and out, and messages put together again.

Law: pure, and strict where the standard is: frames of a client are masked, control frames are short and whole,
reserved bits are zero, text is UTF-8, close codes are among those that may be sent.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from enum import IntEnum

from msgspec import Struct

from gantry.simulator.exchange import Request

LARGEST_MESSAGE = 16 * 1024 * 1024
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST_CONTROL = 125
_KEY_BYTES = 16


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Code(IntEnum):
    """The close codes used here."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    NOT_UTF8 = 1007
    TOO_BIG = 1009


class Frame(Struct, frozen=True):
    opcode: Opcode
    payload: bytes
    final: bool = True


class WebSocketError(Exception):
    """What the other side did wrong, with the close code that says so."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def handshake(request: Request) -> bytes | None:
    """Return the head of the answer that opens a WebSocket, if the request asks for one as it must."""
    key = request.header(b"sec-websocket-key") or b""
    tokens = {token.strip().lower() for token in (request.header(b"connection") or b"").split(b",")}
    wanted = (request.header(b"upgrade") or b"").lower() == b"websocket" and b"upgrade" in tokens
    if not wanted or request.header(b"sec-websocket-version") != b"13" or not _is_key(key):
        return None
    accept = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    fields = b"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: " + accept
    return b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n"


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False


def encode(frame: Frame) -> bytes:
    """Return the bytes of a server's frame: it is not masked."""
    first, size = frame.opcode | (0x80 if frame.final else 0), len(frame.payload)
    if size < 126:
        return bytes((first, size)) + frame.payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + frame.payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + frame.payload


def encode_close(code: int, reason: str = "") -> bytes:
    payload = code.to_bytes(2, "big") + reason.encode()[: _LONGEST_CONTROL - 2]
    return encode(Frame(Opcode.CLOSE, payload))


class Reader:
    """From bytes to frames in order: control frames as they come, messages when they are complete.

    Raises WebSocketError at the first byte that shows a fault.
    """

    def __init__(self, largest: int = LARGEST_MESSAGE) -> None:
        self._largest = largest
        self._buffer = bytearray()
        self._opcode: Opcode | None = None  # of the message that is coming in
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._buffer += data
        while (frame := self._frame()) is not None:
            whole = self._assemble(frame)
            if whole is not None:
                yield whole

    def _frame(self) -> Frame | None:
        """Cut one frame off the buffer, if it holds one."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        opcode, size = self._check_head(buffer[0], buffer[1])
        place = 2
        if size >= 126:
            width = 2 if size == 126 else 8
            if len(buffer) < place + width:
                return None
            size = int.from_bytes(buffer[place : place + width], "big")
            place += width
        if self._size + size > self._largest:
            raise WebSocketError(Code.TOO_BIG, f"a message may have {self._largest} bytes")
        if len(buffer) < place + 4 + size:
            return None
        mask, masked = bytes(buffer[place : place + 4]), bytes(buffer[place + 4 : place + 4 + size])
        final = bool(buffer[0] & 0x80)
        del buffer[: place + 4 + size]
        return Frame(opcode, _unmask(masked, mask), final)

    def _check_head(self, first: int, second: int) -> tuple[Opcode, int]:
        if first & 0x70:
            raise WebSocketError(Code.PROTOCOL_ERROR, "a reserved bit is set")
        try:
            opcode = Opcode(first & 0x0F)
        except ValueError:
            raise WebSocketError(Code.PROTOCOL_ERROR, f"opcode {first & 0x0F} is unknown") from None
        if not second & 0x80:
            raise WebSocketError(Code.PROTOCOL_ERROR, "a frame of a client must be masked")
        if opcode >= Opcode.CLOSE and (second & 0x7F > _LONGEST_CONTROL or not first & 0x80):
            raise WebSocketError(Code.PROTOCOL_ERROR, "a control frame must be short and whole")
        return opcode, second & 0x7F

    def _assemble(self, frame: Frame) -> Frame | None:
        if frame.opcode is Opcode.CLOSE:
            return _checked_close(frame)
        if frame.opcode >= Opcode.CLOSE:
            return frame
        if (frame.opcode is Opcode.CONTINUATION) != (self._opcode is not None):
            raise WebSocketError(Code.PROTOCOL_ERROR, "the fragments of a message are out of order")
        opcode = frame.opcode if self._opcode is None else self._opcode
        self._opcode = opcode
        self._parts.append(frame.payload)
        self._size += len(frame.payload)
        if not frame.final:
            return None
        payload = b"".join(self._parts)
        self._opcode, self._size = None, 0
        self._parts.clear()
        if opcode is Opcode.TEXT:
            _check_text(payload)
        return Frame(opcode, payload)


def _unmask(masked: bytes, mask: bytes) -> bytes:
    size = len(masked)
    spread = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(masked, "big") ^ int.from_bytes(spread, "big")).to_bytes(size, "big")


def _checked_close(frame: Frame) -> Frame:
    if not frame.payload:
        return frame
    code = int.from_bytes(frame.payload[:2], "big")
    allowed = 1000 <= code <= 1014 and code not in (1004, 1005, 1006)
    if len(frame.payload) < 2 or not (allowed or 3000 <= code <= 4999):
        raise WebSocketError(Code.PROTOCOL_ERROR, "the close code may not be sent")
    _check_text(frame.payload[2:])
    return frame


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise WebSocketError(Code.NOT_UTF8, "text is not UTF-8") from None

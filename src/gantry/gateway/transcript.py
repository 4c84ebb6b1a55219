"""The transcript: what is kept of one direction of a WebSocket, one message per line.

Law: a line is JSON, and a JSON message is kept as it was sent, in one line. Sound is not: base64 in a message stands as
its size, and so does a message that is binary or cannot be read. Pings and pongs leave no line.
"""

import re
from typing import Final

import msgspec
from msgspec import Raw

from gantry.dialects.media import size_note
from gantry.gateway.capture import Capture
from gantry.wire.websocket import Farewell, Message, MessageReader, Opcode, read_farewell

_SOUND: Final = re.compile(rb'"((?:[A-Za-z0-9+/_-]|\\/){256,}+)={0,2}"')
_ESCAPED_SLASH: Final = rb"\/"


class Transcript:
    """One direction: reads the frames that pass, and feeds the capture."""

    __slots__ = ("_reader", "capture", "farewell", "passed")

    def __init__(self, capture: Capture) -> None:
        self._reader = MessageReader()
        self.capture = capture
        self.passed = 0  # bytes
        self.farewell: Farewell | None = None

    @property
    def at_boundary(self) -> bool:
        """Whether a frame of ours may follow: between two frames, and before the close frame, which is the last."""
        return self._reader.at_boundary and self.farewell is None

    def feed(self, data: bytes) -> None:
        self.passed += len(data)
        for message in self._reader.feed(data):
            if message.opcode in (Opcode.TEXT, Opcode.BINARY):
                self.capture.feed(line_of(message))
            elif message.opcode == Opcode.CLOSE and self.farewell is None:
                self.farewell = read_farewell(message)


def line_of(message: Message) -> bytes:
    """Return the line that stands for a message."""
    payload = message.payload
    if payload is None or message.opcode != Opcode.TEXT:
        kind = "text" if message.opcode == Opcode.TEXT else "binary"
        return msgspec.json.encode({"type": kind, "data": size_note(message.size, "")}) + b"\n"
    try:
        msgspec.json.decode(payload, type=Raw)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return msgspec.json.encode(payload.decode("utf-8", "replace")) + b"\n"
    # Where a line may end in JSON, any white space may stand.
    return _SOUND.sub(_note, payload).replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


def _note(found: re.Match[bytes]) -> bytes:
    characters = len(found[1]) - found[1].count(_ESCAPED_SLASH)
    return b'"%b"' % size_note(characters * 3 // 4, "").encode()

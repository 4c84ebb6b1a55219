"""A stream's bytes cut where its events end, for who has to act between two of them.

Law: the cuts are those of the stream, whatever the reads were: the same bytes come to the same whole events, and
nothing is held back, changed or understood. A CR that ends an event may be followed by its LF only in the next cut.
"""

import re
from typing import Final, Protocol

_BLANK_LINE: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_NEAR: Final = 2  # bytes before, that a blank line may have begun in
_LENGTH: Final = 4  # bytes that say how long a message is, with themselves


class StreamCutter(Protocol):
    def cut(self, data: bytes) -> tuple[list[bytes], bytes]:
        """Return what completes an event, each by itself, and what is behind the last of them."""


class EventCutter:
    """Of server-sent events."""

    __slots__ = ("_near",)

    def __init__(self) -> None:
        self._near = b""

    def cut(self, data: bytes) -> tuple[list[bytes], bytes]:
        near = self._near
        if not near and len(data) > 1 and data.find(b"\n\n") == len(data) - 2 and b"\r" not in data:
            return [data], b""  # one whole event, as most reads are
        joined = near + data
        start = len(near)
        pieces: list[bytes] = []
        for found in _BLANK_LINE.finditer(joined):
            pieces.append(joined[start : found.end()])
            start = found.end()
        rest = joined[start:]
        self._near = rest[-_NEAR:] if pieces else joined[-_NEAR:]
        return pieces, rest


class MessageCutter:
    """Of Amazon's event stream, whose messages begin with their length."""

    __slots__ = ("_left", "_length")

    def __init__(self) -> None:
        self._length = b""  # of a message, as far as it came
        self._left = 0  # bytes of the message whose length is known

    def cut(self, data: bytes) -> tuple[list[bytes], bytes]:
        pieces: list[bytes] = []
        start = at = 0
        while at < len(data):
            if not self._left:
                more = data[at : at + _LENGTH - len(self._length)]
                self._length += more
                at += len(more)
                if len(self._length) < _LENGTH:
                    break
                self._left = max(int.from_bytes(self._length, "big") - _LENGTH, 1)
                self._length = b""
            step = min(self._left, len(data) - at)
            at += step
            self._left -= step
            if not self._left:
                pieces.append(data[start:at])
                start = at
        return pieces, data[start:]

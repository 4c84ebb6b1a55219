"""Server-sent events as bytes: an incremental parser, and the boundary of events for relays.

Law: any re-chunking of the same bytes gives the same events. Lines end at LF, CR or CRLF and nowhere else: U+2028 and
the like are content, so nothing here decodes text. Spec: HTML Living Standard §9.2.6, except that `close` also hands
out a last event whose blank line never came: official SDKs read it too, and a record wants what could be read.
"""

from typing import Final

from msgspec import Struct

_CR: Final = ord("\r")
_BOM: Final = b"\xef\xbb\xbf"
_BLANK_LINE_ENDS: Final = (b"\n\n", b"\n\r", b"\r\r", b"\n\r\n", b"\r\r\n")

DEFAULT_LIMIT: Final = 16 * 1024 * 1024


class EventTooLarge(ValueError):
    """One event grew past the parser's limit."""


class SSEEvent(Struct, frozen=True, gc=False):
    """One event: its `data` lines joined by LF, and the value of its last `event` line."""

    data: bytes
    event: bytes = b""


class SSEParser:
    """Bytes in, whole events out. Comments, `id` and `retry` are passed over."""

    __slots__ = ("_at_start", "_last_was_cr", "_limit", "_pending")

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._last_was_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> list[SSEEvent]:
        """Return the events that these bytes complete. Raises EventTooLarge."""
        if self._last_was_cr and data:
            self._last_was_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        if _CR in data:
            self._last_was_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        pending = self._pending
        if not pending and data[-2:] == b"\n\n" and len(data) <= self._limit:  # whole events, as most reads are
            event = _plain_event(data[:-2])
            if event is not None:
                self._at_start = False
                return [event]
            return self._take_all(data[:-2].split(b"\n\n"))
        # A blank line may begin with the last byte already held, and nowhere before it.
        searched = max(len(pending) - 1, 0)
        pending += data
        end = pending.find(b"\n\n", searched)
        if end < 0:
            self._bound(len(pending) - 1)
            return []
        blocks: list[bytes] = []
        start = 0
        while end >= 0:
            self._bound(end - start)
            blocks.append(bytes(pending[start:end]))
            start = end + 2
            end = pending.find(b"\n\n", start)
        del pending[:start]
        self._bound(len(pending) - 1)
        return self._take_all(blocks)

    def close(self) -> list[SSEEvent]:
        """Return the event that was left without its blank line, if there is one."""
        rest, self._pending = bytes(self._pending), bytearray()
        return self._take_all([rest])

    def _bound(self, size: int) -> None:
        if size > self._limit:
            raise EventTooLarge(f"one event of the stream is larger than {self._limit} bytes")

    def _take_all(self, blocks: list[bytes]) -> list[SSEEvent]:
        if self._at_start:
            self._at_start = False
            blocks[0] = blocks[0].removeprefix(_BOM)
        events = [_plain_event(block) or _read_event(block) for block in blocks]
        return [event for event in events if event is not None]


def _plain_event(block: bytes) -> SSEEvent | None:
    """Return an event of one line of data, named or not, as nearly all are; None for any other."""
    if block.startswith(b"data: "):
        return SSEEvent(block[6:]) if block.find(b"\n") < 0 else None
    if block.startswith(b"event: "):
        end = block.find(b"\n")
        if block[end : end + 7] == b"\ndata: " and block.find(b"\n", end + 7) < 0:
            return SSEEvent(block[end + 7 :], block[7:end])
    return None


def _read_event(block: bytes) -> SSEEvent | None:
    """Return the event that lines come to; None when there is no data in them."""
    name = b""
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return SSEEvent(b"\n".join(lines), name) if lines else None


def ends_event(tail: bytes) -> bool:
    """Say whether a stream stands between two events, by its last bytes (three at least, once there were so many)."""
    return tail.endswith(_BLANK_LINE_ENDS)

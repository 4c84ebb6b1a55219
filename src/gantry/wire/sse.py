"""Server-sent events as bytes: an incremental parser, and the boundary of events for relays.

Law: any re-chunking of the same bytes gives the same events. Lines end at LF, CR or CRLF and nowhere else: U+2028 and
the like are content, so nothing here decodes text. Spec: HTML Living Standard §9.2.6, except that `close` also hands
out a last event whose blank line never came: official SDKs read it too, and a record wants what could be read.
"""

from typing import Final

from msgspec import Struct

_BOM: Final = b"\xef\xbb\xbf"
_BLANK_LINE_ENDS: Final = (b"\n\n", b"\n\r", b"\r\r", b"\n\r\n", b"\r\r\n")

DEFAULT_LIMIT: Final = 16 * 1024 * 1024


class EventTooLarge(ValueError):
    """One event grew past the parser's limit."""


class SSEEvent(Struct, frozen=True):
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
        if b"\r" in data:
            self._last_was_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        pending = self._pending
        if not pending and data.endswith(b"\n\n") and len(data) <= self._limit:  # whole events, as most reads are
            events: list[SSEEvent] = []
            for block in data[:-2].split(b"\n\n"):
                self._take(block, events)
            return events
        # A blank line may begin with the last byte already held, and nowhere before it.
        searched = max(len(pending) - 1, 0)
        pending += data
        end = pending.find(b"\n\n", searched)
        if end < 0:
            self._bound(len(pending) - 1)
            return []
        events = []
        start = 0
        while end >= 0:
            self._bound(end - start)
            self._take(pending[start:end], events)
            start = end + 2
            end = pending.find(b"\n\n", start)
        del pending[:start]
        self._bound(len(pending) - 1)
        return events

    def close(self) -> list[SSEEvent]:
        """Return the event that was left without its blank line, if there is one."""
        events: list[SSEEvent] = []
        self._take(self._pending, events)
        self._pending = bytearray()
        return events

    def _bound(self, size: int) -> None:
        if size > self._limit:
            raise EventTooLarge(f"one event of the stream is larger than {self._limit} bytes")

    def _take(self, block: bytes | bytearray, events: list[SSEEvent]) -> None:
        if self._at_start:
            self._at_start = False
            block = block.removeprefix(_BOM)
        if block.startswith(b"data: ") and b"\n" not in block:
            events.append(SSEEvent(bytes(block[6:])))
            return
        if block.startswith(b"event: ") and block.count(b"\n") == 1:
            line, _, rest = block.partition(b"\n")
            if rest.startswith(b"data: "):
                events.append(SSEEvent(bytes(rest[6:]), bytes(line[7:])))
                return
        name = b""
        lines: list[bytes] = []
        for line in bytes(block).split(b"\n"):
            field, _, value = line.partition(b":")
            if field == b"data":
                lines.append(value.removeprefix(b" "))
            elif field == b"event":
                name = value.removeprefix(b" ")
        if lines:
            events.append(SSEEvent(b"\n".join(lines), name))


def ends_event(tail: bytes) -> bool:
    """Say whether a stream stands between two events, by its last bytes (three at least, once there were so many)."""
    return tail.endswith(_BLANK_LINE_ENDS)

"""The capture: what is remembered of an answer while it passes, for the record.

Law: bounded and harmless. It holds references to chunks, writes a part to the journal when they pass 32 KB, and never
raises into the pump. Where content is withheld (by the key's policy or the journal's ladder) nothing of it is written:
it is held while it is small, for what tells of its cost, and else only its head and its tail, where usage is reported.
"""

from typing import Final

from gantry.journal.frames import Direction, FrameKind, PartCaptured, encode_payload
from gantry.journal.writer import JournalFull, JournalLevel, JournalWriter

PART_BYTES: Final = 32 * 1024
HEAD_BYTES: Final = 2048
TAIL_BYTES: Final = 4096
HELD_BYTES: Final = 64 * 1024  # of a withheld answer, for each of a thousand streams
_NO_BODIES: Final = JournalLevel.NO_BODIES


class Capture:
    """One direction of one call."""

    __slots__ = (
        "_bound",
        "_chunks",
        "_direction",
        "_journal",
        "_limit",
        "_log_id",
        "_part_bytes",
        "head",
        "keeps",
        "tail",
        "total",
        "truncated",
    )

    def __init__(
        self,
        journal: JournalWriter,
        log_id: str,
        direction: Direction,
        keeps: bool,
        limit: int,
        in_parts: bool = True,
    ) -> None:
        self._journal = journal
        self._log_id = log_id
        self._direction = direction
        self._limit = limit
        self._part_bytes = bound = PART_BYTES if in_parts else limit
        self._bound = bound if bound < limit else limit  # of the total, beyond which something has to be done
        self._chunks: list[bytes] = []
        self.keeps = keeps
        self.head = b""  # only where nothing was ever kept
        self.tail = b""
        self.total = 0
        self.truncated = False

    def feed(self, data: bytes) -> None:
        total = self.total = self.total + len(data)
        if not self.keeps:
            if len(self.head) < HEAD_BYTES and total - len(data) == len(self.head):
                self.head += data[: HEAD_BYTES - len(self.head)]
            self.tail = (self.tail + data)[-TAIL_BYTES:]
            if total > HELD_BYTES:
                self._chunks.clear()
            elif not self.truncated:
                self._chunks.append(data)
            return
        self._chunks.append(data)
        if total > self._bound:
            if total > self._limit:
                self._stop(self.take())
            else:
                self._write_part()
                self._bound = min(total + self._part_bytes, self._limit)

    def take(self) -> bytes:
        """Return what was captured since the last part, and forget it."""
        chunks, self._chunks = self._chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @property
    def withheld(self) -> bytes:
        """All of an answer that nothing is kept of, while it is small; else nothing."""
        return b"" if self.keeps else b"".join(self._chunks)

    def remembered(self) -> bytes:
        """Return the end of what passed, as far as it is still here: all of a small answer."""
        chunks = self._chunks
        if not self.keeps or not chunks:
            return self.tail
        return chunks[0] if len(chunks) == 1 and not self.tail else b"".join((self.tail, *chunks))

    def end(self) -> None:
        """Write what is left as a last part, for a direction that no close frame carries."""
        if self.keeps and self._chunks:
            self._write_part()

    def _write_part(self) -> None:
        data = self.take()
        if self._journal.level >= _NO_BODIES:  # the journal has filled since the call began
            self._stop(data)
            return
        try:
            part = PartCaptured(self._log_id, self._direction, data)
            self._journal.append(FrameKind.PART_CAPTURED, encode_payload(part))
        except JournalFull:
            self._stop(data)
            return
        self.tail = data[-TAIL_BYTES:]

    def _stop(self, rest: bytes) -> None:
        """Keep no more than a tail from here on."""
        self.tail = (self.tail + rest)[-TAIL_BYTES:]
        self.keeps = False
        self.truncated = True

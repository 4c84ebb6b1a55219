"""The step that exports: the logs after a mark, as spans, in one bounded request; then the mark moves.

Law: at least once. The mark moves after the receiver has taken what lies before it, so whoever dies between has it sent
again, with the same ids. What the receiver may take later is sent ever more rarely and never given up; what it says it
will never take is sent in halves, until the one log that is refused stands alone and is left out, and counted.

It follows what is stored, so it holds up no record: a receiver that is gone is a lag, which is told.
"""

import gzip
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from gantry import __version__
from gantry.board.board import Slot, Word
from gantry.clerk.post import PostFailed
from gantry.core.request_log import RequestLog
from gantry.dialects.otlp.log_span import MOST_CONTENT, spans_of
from gantry.dialects.otlp.message import Batch
from gantry.dialects.otlp.writing import encode_batch, encode_span
from gantry.store.followers import Followed, advance, claim, given_between, read_after
from gantry.store.log_tail import newest_number
from gantry.store.logs import LogStore

NAME: Final = "otlp"
MOST_LOGS: Final = 200
MOST_BYTES: Final = 4 * 1024 * 1024  # of spans in one request, unpacked; a log alone may have more
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
_HELD_SECONDS: Final = 60.0  # longer than a step takes
_SETTLED_SECONDS: Final = 10.0  # after which no number that was given may still be another writer's
_NEVER: Final = frozenset((400, 413, 415, 422))  # a receiver's word that the same would be refused again
_FIXED: Final = Batch({"service.name": "gantry", "service.version": __version__}, "gantry", ())
_LEVEL: Final = 1  # of packing: fast
_NS: Final = 1_000_000_000

logger = logging.getLogger(__name__)


class Receiver(Protocol):
    """Takes a request, packed. Raises PostFailed."""

    def take(self, body: bytes) -> None: ...


class Exporter:
    """For one thread."""

    def __init__(
        self,
        logs: LogStore,
        names: Callable[[set[str]], dict[str, str]],
        receiver: Receiver,
        slot: Slot,
        holder: str,
        *,
        content: bool,
        clock: Callable[[], int] = time.time_ns,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """`names` returns those of keys by their ids."""
        self._logs = logs
        self._names = names
        self._receiver = receiver
        self._slot = slot
        self._holder = holder
        self._content = content
        self._clock = clock
        self._draw = draw
        self._mark: int | None = None
        self._failures = 0
        self._not_before = 0
        self._newest: tuple[int, int] | None = None  # a number that was the newest, and when
        self._settled_to = 0  # up to which what is missing never comes

    def step(self) -> bool:
        """Export what is due, and return whether more is waiting. Raises StoreUnavailable."""
        now = self._clock()
        if self._mark is None:
            self._logs.begin_following(NAME)
            self._mark = 0
        if now < self._not_before:
            return False
        with self._logs.reading() as connection:
            newest = newest_number(connection)
        if newest <= self._mark:
            self._slot[Word.EXPORT_LAG] = 0
            return False
        with self._logs.writing() as connection:
            mark = claim(connection, NAME, self._holder, now, now + int(_HELD_SECONDS * _NS))
        if mark is None:  # another clerk exports what all of them store
            self._slot[Word.EXPORT_LAG] = 0
            return False
        self._mark = mark
        return self._export(mark, now)

    def _export(self, mark: int, now: int) -> bool:
        with self._logs.reading() as connection:
            followed = read_after(connection, mark, MOST_LOGS, most_said=MOST_CONTENT if self._content else 0)
            newest = newest_number(connection)
        self._slot[Word.EXPORT_LAG] = given_between(mark, newest)
        found = self._settled(followed, mark, newest, now)
        if not found.logs:
            return False
        try:
            self._send(self._encoded(found.logs))
        except PostFailed as error:
            self._pause(error, now)
            return False
        self._failures = 0
        self._slot[Word.EXPORTS_FAILED] = 0
        self._mark = found.numbers[-1]
        with self._logs.writing() as connection:
            advance(connection, NAME, self._holder, self._mark)
        self._slot[Word.EXPORT_LAG] = given_between(self._mark, newest)
        return len(followed.logs) == MOST_LOGS

    def _settled(self, followed: Followed, mark: int, newest: int, now: int) -> Followed:
        """Return the logs up to the first number that another writer may still have under way.

        Numbers are lost with every log that is posted twice, so they are not waited for one after the other. The first
        of a day is waited for also where none is missing: who began before midnight may bring one of the day before.
        """
        if not self._logs.has_other_writers:
            return followed
        if self._newest is None or now - self._newest[1] >= _SETTLED_SECONDS * _NS:
            self._settled_to = 0 if self._newest is None else self._newest[0]
            self._newest = newest, now
        before = mark
        for place, number in enumerate(followed.numbers):
            if number != before + 1 and number - 1 > self._settled_to:
                return Followed(followed.numbers[:place], followed.logs[:place])
            before = number
        return followed

    def _encoded(self, logs: Sequence[RequestLog]) -> list[list[bytes]]:
        """Return the spans of each log. One that cannot be told as spans is left out."""
        names = self._names({log.key_id for log in logs if log.key_id is not None})
        encoded = []
        for log in logs:
            try:
                spans = spans_of(log, names.get(log.key_id or ""), content=self._content)
                encoded.append([encode_span(span) for span in spans])
            except Exception:  # the boundary of a log: what it holds is its caller's
                logger.exception("the log %s cannot be exported", log.log_id)
                self._slot.add(Word.EXPORTS_DROPPED)
        return encoded

    def _send(self, logs: list[list[bytes]]) -> None:
        """Send the spans of some logs, in halves where they are too much or not taken. Raises PostFailed."""
        if not logs:
            return
        spans = [span for some in logs for span in some]
        if len(logs) == 1 or sum(map(len, spans)) <= MOST_BYTES:
            try:
                self._receiver.take(gzip.compress(encode_batch(_FIXED, spans), _LEVEL))
            except PostFailed as error:
                if error.status not in _NEVER:
                    raise
                if len(logs) == 1:
                    logger.warning("a log is not exported: %s", error)
                    self._slot.add(Word.EXPORTS_DROPPED)
                    return
            else:
                self._slot.add(Word.LOGS_EXPORTED, len(logs))
                self._slot[Word.EXPORTED_AT] = self._clock()
                return
        middle = len(logs) // 2
        self._send(logs[:middle])
        self._send(logs[middle:])

    def _pause(self, error: PostFailed, now: int) -> None:
        if not self._failures:
            logger.warning("spans are not exported, and will be tried again: %s", error)
        self._slot.add(Word.EXPORT_FAULTS)
        pause = min(FIRST_PAUSE * 2**self._failures, LONGEST_PAUSE) * (0.5 + self._draw())
        self._failures = min(self._failures + 1, 30)
        self._slot[Word.EXPORTS_FAILED] = self._failures
        self._not_before = now + int(pause * _NS)

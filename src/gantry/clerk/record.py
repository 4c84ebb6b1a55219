"""The recorder: from the journals of all incarnations into the log store.

Law: a batch of frames becomes one transaction of rows, sums, open calls and checkpoints, and a segment is deleted only
after the commit that covers it. Whatever fails, the position stays; whatever is read twice is stored once.

A call that does not end within its batch is kept in the store, so that a long stream pins no segment. When a worker is
gone and its journal read to the end, the calls it left open are recorded as crashed, then its directory goes, then its
checkpoint: dying between any two of these repeats only what is harmless to repeat.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from msgspec import Struct, structs

from gantry.board.board import Slot, Word
from gantry.clerk.batch import Batch, BatchBuilder, IsKept, Meter
from gantry.clerk.correct import Noting
from gantry.clerk.erase import Forgotten
from gantry.clerk.join import Joined, join_frames
from gantry.clerk.reject import Origin, RejectedFrames, kind_of, minimal_row
from gantry.core.request_log import RequestLog
from gantry.journal.reader import START, JournalReader, Position, Reading, list_incarnations
from gantry.store.alerts import NOTHING_TO_TELL, Outbox
from gantry.store.logs import BoardNote, LogStore, RecordBatch, StoreUnavailable

MAX_FRAMES = 4000
MAX_BYTES = 8 << 20
_AT_A_TIME = 128  # frames: what was decoded of them is still in the CPU's cache when it is metered
CRASHED_SLICE = 25  # calls recovered in one transaction: what was captured of them is in memory together

logger = logging.getLogger(__name__)


class Watcher(Protocol):
    """Looks at the logs of each batch once, and says what somebody wants to know."""

    def look_at(self, logs: list[RequestLog]) -> Outbox: ...


class Tally(Protocol):
    """Adds up logs that were stored."""

    def add(self, logs: list[RequestLog]) -> None: ...


class _Pending(Struct, frozen=True):
    """A batch on its way into the store, kept as it is for as long as the store is away."""

    batch: Batch
    readings: list[tuple[JournalReader, Reading]] = []
    forget: list[str] = []
    outbox: Outbox = NOTHING_TO_TELL


class Recorder:
    """Stores what the workers append. It belongs to one thread."""

    def __init__(
        self,
        journal: Path,
        rejected: Path,
        store: LogStore,
        meter: Meter,
        slot: Slot,
        *,
        clock: Callable[[], int] = time.time_ns,
        max_frames: int = MAX_FRAMES,
        is_kept: IsKept = lambda *_: True,
        watcher: Watcher | None = None,
        corrections: Noting | None = None,
        tally: Tally | None = None,
        forgotten: Forgotten | None = None,
    ) -> None:
        """`corrections` sets right the board that workers count on, `tally` adds up what was stored, and `forgotten`
        are customers who were erased.
        """
        self._journal = journal
        self._rejected = RejectedFrames(rejected)
        self._store = store
        self._corrections = corrections
        self._forgotten = forgotten
        self._builder = BatchBuilder(store, meter, clock, is_kept, self._corrections)
        self._slot = slot
        self._clock = clock
        self._max_frames = max_frames
        self._watcher = watcher
        self._tally = tally
        self._checkpoints: dict[str, Position] | None = None  # of incarnations not attended yet
        self._readers: dict[str, JournalReader] = {}
        self._finished: dict[str, JournalReader] = {}
        self._forget: list[str] = []
        self._pending: _Pending | None = None
        self._turn = 0
        self.is_behind = False  # the last batch was cut short: more is waiting
        self.stored = 0  # records of the last batch

    def run_once(self) -> bool:
        """Store one batch, and return whether there was one. After any exception, call again: nothing is lost."""
        began = self._clock()
        try:
            if self._corrections is not None:
                self._corrections.apply()
            if self._pending is None:
                self._attend()
                self._pending = self._recover() or self._gather()
            if self._pending is None:
                self.stored = 0
                return False
            self._commit_without_forgotten(self._pending)
            self._pending = None
            if self._corrections is not None:
                self._corrections.apply()
            return True
        finally:
            self._slot[Word.LAG] = self._count_lag()
            self._slot[Word.HEARTBEAT] = began  # the lag counts all that was appended before this turn began

    def _count_lag(self) -> int:
        """Return the frames not yet stored; a crashed worker counts as one until all it left open is recorded."""
        return sum(reader.count_unread() for reader in self._readers.values()) + len(self._finished)

    def _attend(self) -> None:
        """Take up incarnations that are new here, from where the store says they were left."""
        present = list_incarnations(self._journal)
        if self._checkpoints is None:
            places = self._store.checkpoints()
            self._checkpoints = {name: Position(*place) for name, place in places.items()}
            self._forget = [name for name in places if name not in present]
        for name in present:
            if name not in self._readers and name not in self._finished:
                position = self._checkpoints.pop(name, START)
                self._readers[name] = JournalReader(self._journal, name, position)

    def _recover(self) -> _Pending | None:
        """Return calls that a finished incarnation left open; delete its journal when there are none left."""
        for name, reader in list(self._finished.items()):
            batch = self._builder.build_crashed(name, reader.last_written(), CRASHED_SLICE)
            if batch.closed:
                self.is_behind = True
                return _Pending(batch, outbox=self._look_at(batch))
            reader.remove()
            del self._finished[name]
            self._forget.append(name)
        return None

    def _gather(self) -> _Pending | None:
        """Read on in every journal, beginning with another one each time, and return what came together."""
        joined, batch = Joined(), Batch()
        readings = []
        frames, size = self._max_frames, MAX_BYTES
        readers = list(self._readers.values())
        self._turn += 1
        start = self._turn % len(readers) if readers else 0
        for reader in readers[start:] + readers[:start]:
            if frames <= 0 or size <= 0:
                break
            reading = reader.read(frames, size)
            if reading.position == reader.position and not reading.finished:
                continue
            readings.append((reader, reading))
            for start in range(0, len(reading.frames), _AT_A_TIME):
                join_frames(reader.incarnation, reading.frames[start : start + _AT_A_TIME], joined)
                self._builder.take(joined, batch)
            frames -= len(reading.frames)
            size -= reading.size
        self.is_behind = frames <= 0 or size <= 0
        if not readings and not self._forget:
            return None
        self._builder.finish(joined, batch)
        return _Pending(batch, readings, list(self._forget), self._look_at(batch))

    def _look_at(self, batch: Batch) -> Outbox:
        """Return what the logs of a batch give reason to tell. That this fails holds up no record."""
        if self._watcher is None or not batch.logs:
            return NOTHING_TO_TELL
        try:
            return self._watcher.look_at(batch.logs)
        except Exception as error:  # noqa: BLE001 - the boundary around all that judges what was recorded
            logger.error("nobody is told of a batch of %d rows: %s", len(batch.logs), kind_of(error))
            return NOTHING_TO_TELL

    def _commit_without_forgotten(self, pending: _Pending) -> None:
        if self._forgotten is None:
            self._commit(pending)
            return
        with self._forgotten.standing_still():
            batch = self._forgotten.applied(pending.batch)
            if batch is not pending.batch:  # what is told of it may name them
                pending = structs.replace(pending, batch=batch, outbox=NOTHING_TO_TELL)
            self._commit(pending)

    def _commit(self, pending: _Pending) -> None:
        """Store a batch; only then move on in the journals, and delete what lies behind."""
        batch = pending.batch
        for origin in batch.rejected:
            self._rejected.keep(origin)
        effects = RecordBatch(
            opened=batch.opened,
            parts=batch.parts,
            closed=batch.closed,
            checkpoints={reader.incarnation: reading.position for reader, reading in pending.readings},
            forget=pending.forget,
            cache=batch.cache,
            outbox=pending.outbox,
            customers=list(batch.customers.values()),
            board=self._note_of(batch),
        )
        stored = self.stored = self._record(batch, effects)
        if self._tally is not None:
            self._tally.add(batch.logs)
        self._slot.add(Word.RECORDS, stored)
        self._slot.add(Word.RECORDS_REJECTED, len(batch.rejected))
        self._forget = [name for name in self._forget if name not in pending.forget]
        for reader, reading in pending.readings:
            if reading.skipped:
                logger.warning("skipped %d torn bytes in the journal of %s", reading.skipped, reader.incarnation)
            reader.advance(reading)
            if reading.finished:
                self._finished[reader.incarnation] = self._readers.pop(reader.incarnation)

    def _record(self, batch: Batch, effects: RecordBatch) -> int:
        """Store rows and effects in one transaction and return how many rows were new.

        If the store refuses the data, the rows go first, in parts, and the effects with the checkpoint afterwards: a
        row stored without its checkpoint is met again, and not counted again. Alerts are left out then, in case
        it is they that are refused.
        """
        try:
            return len(self._store.record(structs.replace(effects, logs=batch.logs)))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary around data that the engine refuses
            logger.error("the store refuses a batch of %d rows: %s", len(batch.logs), kind_of(error))
        outbox = Outbox(channels=effects.outbox.channels, at=effects.outbox.at)
        stored = self._record_apart(batch, list(zip(batch.logs, batch.origins, strict=True)), outbox)
        return stored + len(self._store.record(structs.replace(effects, outbox=NOTHING_TO_TELL)))

    def _note_of(self, batch: Batch) -> BoardNote | None:
        corrections = self._corrections
        return None if corrections is None or not batch.differences else corrections.note(batch.differences)

    def _record_apart(self, batch: Batch, rows: list[tuple[RequestLog, Origin]], outbox: Outbox) -> int:
        """Store rows in ever smaller parts until the one that is refused stands alone, and reject that one."""
        if not rows:
            return 0
        try:
            logs = [log for log, _ in rows]
            return len(self._store.record(RecordBatch(logs=logs, outbox=outbox, board=self._note_of(batch))))
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the same boundary, for a part of the batch
            if len(rows) == 1:
                return self._record_minimal(rows[0][1], error, outbox)
        middle = len(rows) // 2
        halves = rows[:middle], rows[middle:]
        return sum(self._record_apart(batch, half, outbox) for half in halves)

    def _record_minimal(self, origin: Origin, error: Exception, outbox: Outbox) -> int:
        self._rejected.keep(origin)
        row = minimal_row(origin, f"the store refused it: {kind_of(error)}", self._clock())
        stored = len(self._store.record(RecordBatch(logs=[row] if row else [], outbox=outbox)))
        self._slot.add(Word.RECORDS_REJECTED)
        return stored

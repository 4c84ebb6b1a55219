"""Setting right the counters that several machines share, on a server that may be slow, still, gone, or empty.

Law: recording never waits for the server. The recorder notes, in the transaction of the rows, what each call came to on
each counter; another thread adds that to the server, in order, once: the server itself keeps how far it is, and a note
moves both together. What a call has there already is known by the name of the counters, when they were made: on those
that came after a loss it has nothing.

A server that is empty is filled from the store's sums by one clerk, while others record. So it keeps which notes were
in the store when that one added up: their rows are in the sums, as far as their calls began before the counters were
made, and those of later notes are not. That is exact whoever fills.
"""

import logging
import os
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from mmap import mmap
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from gantry.board.all_counters import PART_BITS, Ledger, Moved, SharedLost, SharedSilent, Standing
from gantry.board.counters import Counters
from gantry.clerk.correct import budgets_of, counted_of, differences_of, put_customer
from gantry.clerk.refill import amounts_before, books_now
from gantry.core.limits import Counted, CounterKind, Difference, LimitUnit
from gantry.core.periods import window_at
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.journal.frames import HoldNote
from gantry.store.board_notes import last_notes
from gantry.store.control import ControlStore
from gantry.store.customer_sums import CustomerNote
from gantry.store.logs import BoardNote, LogStore

REST: Final = 0.1  # seconds between two looks for notes
_LOOK_EVERY: Final = 1.0  # seconds between two looks for a server that was lost, or is back
_WORDS: Final = 2
_NAME, _NUMBER = range(_WORDS)  # who we are, the number of the last note
_PREFIX: Final = "shared-"
_MINUTE: Final = 60_000_000_000
_WENT_BACK: Final = (
    "the server of the shared counters has come back with older counts than it had: empty its database, and it is "
    "filled anew; let it keep everything on disk (`appendonly yes`) or nothing"
)
_decoder: Final = msgspec.msgpack.Decoder(list[Difference])

logger = logging.getLogger(__name__)


class SharedNotes:
    """Notes what calls came to. Belongs to the recording thread."""

    def __init__(self, path: Path, local: Counters, store: LogStore, clock: Callable[[], int]) -> None:
        """`local` has what customers may spend. Raises OSError when there is no room for the file, StoreUnavailable."""
        self._local = local
        self._clock = clock
        self._words, file = _open_words(path)
        self.name = f"{_PREFIX}{self._words[_NAME]:016x}-{file:x}"
        for number, _ in store.noted_differences(self.name, self._words[_NUMBER]):
            self._words[_NUMBER] = number
        self.first = 0  # the number of the first note that is not added whole, as far as that is known
        self.noted = threading.Event()
        self.noted.set()

    def of_call(self, log: RequestLog, held: HoldNote | None, settled: HoldNote | None) -> list[Difference]:
        """Return by how much the record of a call differs from what was counted of it, or that it does not."""
        found = differences_of(log, counted_of(held, settled), keep=True)
        return [_dated(log, one) for one in found]

    def of_posted(self, log: RequestLog) -> list[Difference]:
        """Return what a posted log adds to its customer's budgets."""
        counted = [
            Counted(
                one.key,
                one.unit,
                int(one.kind),
                window_at(one.period, log.started_at, one.anchor).number,
                0,
                one.markup_ppm,
            )
            for one in budgets_of(log, self._local, self._clock())
        ]
        return [Difference(one.counted, one.amount, log.started_at) for one in differences_of(log, counted)]

    def put_customer(self, organization_id: str, environment: Environment, note: CustomerNote) -> None:
        """Note what a posted log says that its customer may spend."""
        put_customer(self._local, organization_id, environment, note)

    def note(self, differences: dict[str, list[Difference]]) -> BoardNote:
        """Return what is to be stored with the rows of these logs."""
        self._words[_NUMBER] += 1
        return BoardNote(self.name, int(self._words[_NUMBER]), self.first, differences)

    def apply(self) -> None:
        """Tell the other thread that there are notes."""
        self.noted.set()


class SharedCorrections:
    """Adds what is noted to the server, and fills it where it is empty. The step of a loop of its own."""

    def __init__(
        self,
        notes: SharedNotes,
        ledger: Ledger,
        control: str | Path,
        store: LogStore,
        clock: Callable[[], int] = time.time_ns,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notes = notes
        self._ledger = ledger
        self._control = control
        self._store = store
        self._clock = clock
        self._monotonic = monotonic
        self._turn = threading.Lock()
        self._looks = 0.0  # when to look again
        self._is_silent = False
        self._known = Standing(0, False, 0, 0)
        self._is_told = False

    def step(self) -> bool:
        """Add what is noted, if the server answers. Raises StoreUnavailable."""
        with self._turn:
            now = self._monotonic()
            if now < self._looks and (self._is_silent or not self._notes.noted.is_set()):
                return False
            self._looks = now + _LOOK_EVERY
            self._notes.noted.clear()
            try:
                self._apply()
            except (SharedSilent, SharedLost) as error:
                self._notes.noted.set()
                if not self._is_silent and isinstance(error, SharedSilent):
                    logger.warning("limits are set right later, and what is recorded stays noted: %s", error)
                self._is_silent = True
                return False
            except BaseException:
                self._notes.noted.set()
                raise
            if self._is_silent:
                logger.info("the shared counters answer; they are set right again")
            self._is_silent = False
            return False

    def _apply(self) -> None:
        name = self._notes.name
        standing = self._ledger.stand(name)
        if not standing.is_filled:
            self._fill()
            standing = self._ledger.stand(name)
            if not standing.is_filled:
                raise SharedLost("another clerk fills them")
        if standing.made == self._known.made and standing.place < self._known.place and not self._is_told:
            logger.error(_WENT_BACK)
            self._is_told = True
        self._known = standing
        for number, payload in self._store.noted_differences(name, standing.first):
            moved = self._moved(_decoder.decode(payload), number, standing)
            self._ledger.apply(name, standing, number, moved)
            self._notes.first = number + 1
            self._known = replace(standing, place=(number + 1 << PART_BITS) - 1)

    def _moved(self, differences: list[Difference], number: int, standing: Standing) -> list[Moved]:
        """Return what a note adds to the counters that the server has now, each once."""
        is_summed, made_at = number <= standing.summed, standing.made * 1000
        found: defaultdict[tuple[bytes, str, int, int], int] = defaultdict(int)
        for one in differences:
            counted = one.counted
            there = counted.amount if counted.board == standing.made else 0
            if counted.kind != CounterKind.WINDOW:
                # A bucket that is gone, or that a minute has filled up, needs nothing.
                if there and one.at > self._clock() - _MINUTE:
                    found[counted.key, counted.unit, counted.kind, counted.window] += one.amount
                continue
            is_there = is_summed and one.at < made_at
            came_to = 0 if is_there else counted.amount + one.amount
            found[counted.key, counted.unit, counted.kind, counted.window] += came_to - there
        return [(Counted(*place, 0), amount) for place, amount in found.items() if amount]

    def _fill(self) -> None:
        """Fill a server that is empty, unless another clerk does. Raises SharedLost where it took over."""
        name, began = self._notes.name, self._monotonic()
        made = self._ledger.begin_fill(name)
        if made is None:
            return
        with ControlStore(self._control) as configured, configured.reading() as connection:
            books, bound = books_now(connection, self._store)
        with self._store.reading() as connection:
            summed = last_notes(connection, _PREFIX)
            amounts = amounts_before(connection, books, bound, made * 1000, self._clock)
            count = self._ledger.fill(name, made, amounts, self._clock())
        self._ledger.end_fill(name, made, summed)
        seconds = self._monotonic() - began
        logger.info("the shared counters were empty: %d are filled from the sums, in %.1f s", count, seconds)


def _dated(log: RequestLog, found: Difference) -> Difference:
    """Return a difference with when it counts, and of requests the one that no board counted."""
    counted, amount = found.counted, found.amount
    if counted.unit == LimitUnit.REQUESTS and counted.amount == 0:
        amount = 1
    return Difference(counted, amount, log.started_at if counted.kind == CounterKind.WINDOW else log.ended_at)


def _open_words(path: Path) -> tuple["memoryview[int]", int]:
    """Return our name and number, and the file's: a copy of a home is another clerk."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(fd).st_size != 8 * _WORDS:
            os.pwrite(fd, secrets.token_bytes(8) + bytes(8), 0)
        return memoryview(mmap(fd, 8 * _WORDS)).cast("Q"), os.fstat(fd).st_ino
    finally:
        os.close(fd)

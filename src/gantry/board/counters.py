"""The counters of limits and credits, for all processes of one machine, in one mapped file.

Law: all or none, exactly. A call's counters are held under one lock, taken once for all of them, and settled under it
once more; a process that is killed in between leaves nothing by half (`board/rows.py`). A counter of a window is one
number, what is settled and what is held together, so a killed worker's holds stay counted and need no cleaning up. Only
counters of calls under way know whose the calls are: a row has a number for each slot, and who takes over a slot, or
buries its process, takes that slot's number away.

`now` is when a call began, for it counts in the windows that it began in. What comes when a window is over changes
nothing: the row's stamp is another one then. The file outlives restarts; when it is lost, the clerk fills it again.
"""

import fcntl
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from gantry.board import rate
from gantry.board.board import SLOTS
from gantry.board.counter_rows import FILLED, VALUE, CounterRows, NoRoom, bounded
from gantry.board.customer_rows import CustomerRows
from gantry.board.held import CALLS, FAR, WINDOW, Gate, Held, Lane, Spot
from gantry.board.rows import CHANGES, FIRST, GAUGE_COLUMNS, HeadWord, RowFile, RowsUnreadable, Table, Target
from gantry.board.standings import (
    Refused,
    Standing,
    notable_from,
    pack_counters,
    pack_limits,
    refusal,
    refuses,
)
from gantry.core.limits import Counted, CounterTerms, CustomerTerms

_MOST_REMEMBERED: Final = 32_768
_MOST_GATES: Final = 2048
_STAMP: Final[Any] = int(HeadWord.STAMP)  # an index of which compiled code makes no object anew
_EPOCHS: Final = int(HeadWord.EPOCHS)
_lock: Final = fcntl.flock
_EXCLUSIVE: Final = fcntl.LOCK_EX
_NONE: Final = fcntl.LOCK_UN

logger = logging.getLogger(__name__)


class Counters:
    """The mapped file. For one thread of each process."""

    __slots__ = ("_clock", "_customers", "_epoch", "_fail_closed", "_file", "_gates", "_rows", "_slot", "_spots")

    def __init__(
        self,
        path: Path,
        *,
        slot: int | None = None,
        fail_closed: bool = False,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """Open the file, making it when it is missing. Raises RowsUnreadable, or OSError when there is no room for it.

        `slot` is this process's on the board, and only who has one can hold counters of calls under way; what its
        predecessor held of them is let go. A counter that the disk has no room for is not counted, and the call passes
        it, unless the board is to `fail_closed`.
        """
        self._clock = clock
        self._file = RowFile(path, clock())
        self._rows = CounterRows(self._file, clock)
        self._customers = CustomerRows(self._file)
        self._spots: dict[int, Spot] = {}
        self._gates: dict[int, Gate] = {}
        self._fail_closed = fail_closed
        self._slot = slot
        self._epoch = 0 if slot is None else self.release_slot(slot)

    def close(self) -> None:
        self._file.close()

    # A call

    def hold(
        self, terms: Sequence[CounterTerms], cost: int | None, tokens: int, now: int, *, present: int = 0
    ) -> Held | Refused:
        """Count a call's estimate on all its counters, or on none.

        A cost of None is not known: it counts nothing, and does not pass a counter of cost that is used up. `present`
        is the time by which buckets of a minute have filled up, where that is later than `now`.
        """
        file = self._file
        _lock(file.fd, _EXCLUSIVE)
        try:
            if file.head[CHANGES]:
                file.make_changes()
            gate = self._gates.get(id(terms))
            if gate is None or gate.terms is not terms or not gate.starts <= now < gate.ends or not self._is_true(gate):
                gate = self._open(terms, now)
            return self._hold(gate, cost, tokens, now, present if present > now else now)
        except NoRoom:
            return Refused(None, (), "the disk has no room for a counter")
        finally:
            _lock(file.fd, _NONE)

    def settle(self, held: Held, cost: int, tokens: int, now: int) -> Held:
        """Replace a call's estimate by what it was. Calls under way are one less."""
        self._replace(held, held.gate.settled, cost if cost > 0 else 0, tokens if tokens > 0 else 0, 1, now)
        return held

    def release(self, held: Held, now: int) -> None:
        """Count nothing of a call any more, as if it had never been."""
        self._replace(held, held.gate.all, 0, 0, 0, now)

    def _hold(self, gate: Gate, cost: int | None, tokens: int, now: int, present: int) -> Held | Refused:
        is_notable = cost is None
        known = 0 if cost is None else cost
        befores: list[int] = []
        added: list[int] = []
        moments: list[int] = []
        changes = gate.all.changes
        note, place = changes.note, FIRST
        for spot in gate.all.spots:
            amount = spot.amount(known, tokens, 1)
            before: int = spot.words[spot.value_at]
            if spot.is_window:
                new = before + amount
                note[place] = new if new < FAR else bounded(new)
                place += 1
            elif spot.is_gauge:
                new = before + 1
                place = self._enter(note, place, spot, 1)
            else:
                moments.append(before if before > present else present)
                before = self._missing(spot, present)
                new = before + amount
                place = self._take(note, place, spot, amount, present)
            befores.append(before)
            added.append(amount)
            if new >= spot.notable:
                is_notable = True
        held = Held(gate, befores, added, moments, is_notable)
        if is_notable:
            refused = self._refuse(held, cost, now, present)
            if refused is not None:
                return refused
        self._file.make(changes)
        return held

    def _replace(self, held: Held, lane: Lane, cost: int, tokens: int, calls: int, now: int) -> None:
        """Put other amounts in place of those that are held. A row that means something else now stays as it is."""
        if held.is_over:
            return
        held.is_over = True
        file, added = self._file, held.added
        _lock(file.fd, _EXCLUSIVE)
        try:
            if file.head[CHANGES]:
                file.make_changes()
            is_true = self._is_true(held.gate)
            if not is_true:
                lane = held.gate.all
            amounts = added.copy()
            note, place = lane.changes.note, FIRST
            for number, spot in enumerate(lane.spots):
                row = lane.places[number]
                amount = spot.amount(cost, tokens, calls)
                difference = amount - added[row]
                if not is_true and not spot.is_same:  # it is as it is, and nothing is counted
                    amount = 0
                    place = self._leave(note, place, spot)
                elif spot.is_window:
                    value: int = spot.words[spot.value_at]
                    value += difference
                    note[place] = value if 0 <= value < FAR else bounded(value)
                    place += 1
                elif spot.is_gauge:
                    place = self._enter(note, place, spot, -1)
                elif difference:
                    if not spot.blocks:
                        difference = amount - rate.given(spot.capacity, held.befores[row], added[row])
                    place = self._take(note, place, spot, difference, max(now, self._clock() - rate.FARTHEST))
                else:
                    place = self._leave(note, place, spot)
                amounts[row] = amount
            file.make(lane.changes)
        finally:
            _lock(file.fd, _NONE)
        held.amounts = amounts

    def _leave(self, note: list[Any], place: int, spot: Spot) -> int:
        """Change nothing of a row; return where the next row's numbers are noted."""
        for further in self._further(spot):
            note[place] = spot.words[spot.value_at + further]
            place += 1
        return place

    def _missing(self, spot: Spot, now: int) -> int:
        """Return how many were taken from a bucket and are not there again."""
        full_at: int = spot.words[spot.value_at]
        return 0 if full_at < now else rate.taken(full_at, spot.words[spot.value_at + 1], spot.capacity, now)

    def _take(self, note: list[Any], place: int, spot: Spot, amount: int, now: int) -> int:
        """Take from a bucket, or give back to it; return where the next row's numbers are noted.

        One that only warns gets no emptier than empty.
        """
        capacity, words, at = spot.capacity, spot.words, spot.value_at
        if capacity <= 0:
            return place
        full_at: int = words[at]
        rest: int = words[at + 1]
        full_after, rest_after = rate.take(full_at, rest, capacity, amount, now)
        if not spot.blocks:
            full_after, rest_after = min((full_after, rest_after), max((full_at, rest), (now + rate.MINUTE, 0)))
        note[place], note[place + 1] = full_after, rest_after
        return place + 2

    def _enter(self, note: list[Any], place: int, spot: Spot, difference: int) -> int:
        """Count a call under way, or one that is over, in all and in the slot's column, as long as that is ours; return
        where the next row's numbers are noted."""
        slot, words, at = self._slot, spot.words, spot.value_at
        assert slot is not None, "`_open` has seen to it"
        if self._file.head[_EPOCHS + slot] != self._epoch:
            difference = 0
        note[place] = words[at] + difference
        note[place + 1] = words[at + GAUGE_COLUMNS + slot - VALUE] + difference
        return place + 2

    def _refuse(self, held: Held, cost: int | None, now: int, present: int) -> Refused | None:
        """Return the refusal of the first counter that refuses."""
        standings = held.standings
        for spot, standing, amount in zip(held.gate.all.spots, standings, held.added, strict=True):
            if refuses(spot.term, standing.current, amount, cost):
                return Refused(self._refusal(standing, spot, amount, now, present), standings)
        return None

    def _refusal(self, standing: Standing, spot: Spot, amount: int, now: int, present: int) -> Standing:
        """Return the standing of a counter that refuses, with when it will not."""
        if spot.is_window or spot.is_gauge:
            return refusal(standing, spot.window.end, now)
        capacity, full_at, rest = spot.capacity, present, 0
        if standing.current:
            full_at, rest = spot.words[spot.value_at], spot.words[spot.value_at + 1]
        passes_at = rate.passes_at(full_at, rest, capacity, amount) if capacity > 0 else None
        return refusal(standing, passes_at, present)

    def _open(self, terms: Sequence[CounterTerms], now: int) -> Gate:
        """Find the rows of counters; remember them together, unless one is missing."""
        spots: list[Spot] = []
        for term in terms:
            spot = self._spots.get(id(term))
            if spot is None or spot.term is not term or not spot.is_same or not spot.starts <= now < spot.ends:
                spot = self._find(term, now, spots)
            if spot is not None:
                spots.append(spot)
        settled = [place for place, spot in enumerate(spots) if spot.is_gauge or spot.asked != CALLS]
        gate = Gate(
            terms,
            self._lane(spots, list(range(len(spots)))),
            self._lane(spots, settled),
            pack_counters([spot.counted(0) for spot in spots]),
            pack_limits([spot.term for spot in spots]),
            self._file.head[_STAMP],
        )
        if len(spots) == len(terms) and isinstance(terms, tuple):
            if len(self._gates) >= _MOST_GATES:
                self._gates.clear()
            self._gates[id(terms)] = gate
        return gate

    def _is_true(self, gate: Gate) -> bool:
        """Say whether all rows still are a gate's counters': one may mean something else where any in the file does."""
        stamp: int = self._file.head[_STAMP]
        if stamp != gate.stamp:
            if not gate.is_same:
                return False
            gate.stamp = stamp
        return True

    def _lane(self, spots: Sequence[Spot], chosen: list[int]) -> Lane:
        targets: list[Target] = []
        places: list[int] = []
        of_lane = [spots[place] for place in chosen]
        for spot in of_lane:
            further = self._further(spot)
            targets += [(spot.words, spot.value_at + one) for one in further]
            places += [spot.place + one for one in further]
        return Lane(of_lane, chosen, self._file.changes_at(targets, places))

    def _further(self, spot: Spot) -> Sequence[int]:
        """Return where the numbers of a row are that calls change, counted from its value."""
        if spot.is_window:
            return (0,)
        if not spot.is_gauge:
            return (0, 1) if spot.capacity > 0 else ()
        if self._slot is None:
            raise ValueError("who has no slot on the board cannot hold counters of calls under way")
        return 0, GAUGE_COLUMNS + self._slot - VALUE

    def _find(self, term: CounterTerms, now: int, others: Sequence[Spot]) -> Spot | None:
        """Find a counter's row and remember it; None where nothing is to be counted."""
        window = self._rows.window(term, now)
        try:
            found = self._rows.find(term, now, window, {spot.stamp for spot in others})
        except NoRoom:
            if self._fail_closed:
                raise
            return None
        if found is None:
            return None
        segment, index = found
        if len(self._spots) >= _MOST_REMEMBERED:
            self._spots.clear()
        at = index + VALUE
        spot = self._spots[id(term)] = Spot(term, segment.words, at, segment.place(at), window, notable_from(term))
        return spot

    # A node's start and end

    def survived(self, boot: int) -> bool:
        """Say whether what stands in the file was written in this run of the machine, or before a stop of the last that
        waited for the disk; from now on it is of this one."""
        head = self._file.head
        before, was_clean = head[HeadWord.BOOT], head[HeadWord.IS_CLEAN]
        head[HeadWord.BOOT], head[HeadWord.IS_CLEAN] = boot, 0
        return before in (0, boot) or bool(was_clean)

    def stop(self) -> None:
        """Wait until all is on the disk, for nobody counts any more, and close. Raises OSError."""
        self._file.flush()
        self._file.head[HeadWord.IS_CLEAN] = 1
        self._file.flush()
        self.close()

    def release_slot(self, slot: int) -> int:
        """Let go what a slot's process held of calls under way; return the number of who comes now.

        Who had the slot before and is still alive counts no more in it.
        """
        with self._file.locked():
            return self._rows.release_slot(slot)

    # The clerk's, and people's

    @property
    def is_new(self) -> bool:
        """Whether what the store knew when the file was made is still to be added, by `fill`."""
        return not self._file.head[HeadWord.FILLED]

    @property
    def made_at(self) -> int:
        """When the file was made, in ns since the epoch.

        What a call counted that began before that is lost: `fill` adds it where its record is in the store by then;
        else `correct` adds all that it came to.
        """
        return self._file.head[HeadWord.MADE_AT]

    @property
    def without_room(self) -> int:
        """How often the disk had no room for a counter or a customer."""
        return self._file.head[HeadWord.WITHOUT_ROOM]

    def fill(self, term: CounterTerms, amount: int, now: int) -> bool:
        """Add what the store knows of the window that is on, from before the file was made; say whether it was added.

        Twice is once, as long as the window is the same: a clerk that was killed fills from the beginning.
        """
        if int(term.kind) != WINDOW:
            return False
        with self._file.locked():
            try:
                found = self._rows.find(term, now, self._rows.window(term, now))
            except NoRoom:
                return False
            if found is None or found[0].words[found[1] + FILLED]:
                return False
            words, index, place = found[0].words, found[1], found[0].place(found[1])
            targets = [(words, index + VALUE), (words, index + FILLED)]
            numbers = [bounded(words[index + VALUE] + amount), 1]
            self._file.change(targets, [place + VALUE, place + FILLED], numbers)
            return True

    def mark_filled(self) -> None:
        self._file.head[HeadWord.FILLED] = 1

    def correct(self, counted: Counted, amount: int, now: int) -> bool:
        """Add a difference to what a record has counted; False where that window is over or the counter is gone."""
        with self._file.locked():
            return self._rows.correct(counted, amount, now)

    def read(self, term: CounterTerms, now: int) -> int:
        """Return what is counted at a moment."""
        with self._file.locked():
            return self._rows.read(term, now)

    def reset(self, keys: Iterable[bytes] | None = None) -> int:
        """Let counters begin anew, by their keys, or all; return how many. Calls under way stay counted as such.

        What is held at that moment is not counted any more; when such a call ends, its record says so, and the clerk
        adds what it cost.
        """
        count = 0
        if keys is None:
            for place in self._rows.each(Table.COUNTERS):
                self._rows.empty(place)
                count += 1
            return count
        for key in keys:
            with self._file.locked():
                found = self._file.find(Table.COUNTERS, key)
                if found is not None:
                    self._rows.empty(found)
                    count += 1
        return count

    def retain(self, is_wanted: Callable[[bytes], bool]) -> int:
        """Let go the counters whose keys nobody wants any more; return how many. Calls under way keep theirs."""
        count = 0
        for table in (Table.COUNTERS, Table.GAUGES):
            for segment, index in self._rows.each(table):
                is_idle = table is Table.COUNTERS or segment.words[index + VALUE] == 0
                if is_idle and not is_wanted(segment.key(index)):
                    segment.free(index)
                    self._file.next_stamp()
                    count += 1
        return count

    def customer(self, key: bytes) -> CustomerTerms | None:
        """Return what is known of what a customer may spend."""
        return self._customers.find(key)

    def put_customer(self, key: bytes, terms: CustomerTerms, *, only_unmanaged: bool = False) -> bool:
        """Note what a customer may spend; False where people have set it and `only_unmanaged`, or there is no room."""
        return self._customers.put(key, terms, only_unmanaged=only_unmanaged)

    def forget_customer(self, key: bytes) -> bool:
        """Forget what a customer may spend; False where nothing is known."""
        return self._customers.forget(key)


def prepare_counters(path: Path, boot: int) -> Counters:
    """Open the file at the start of a node, before any worker: calls under way that nobody has any more are let go.

    Counts stay as they are. But a file that is not ours, or that a machine took down with it before all was written
    (`boot` is a number of this run of the machine, 0 where there is none), is not believed: it is made anew, to be
    filled by the clerk. Raises OSError when there is no room for it.
    """
    try:
        counters = Counters(path)
    except RowsUnreadable as error:
        logger.warning("%s; it is made anew and filled from the store", error)
        path.unlink()
        counters = Counters(path)
    if not counters.survived(boot):
        logger.warning("%s may be older than the machine's last stop; it is made anew and filled from the store", path)
        counters.close()
        path.unlink()
        counters = Counters(path)
        counters.survived(boot)
    for slot in range(SLOTS):
        counters.release_slot(slot)
    return counters

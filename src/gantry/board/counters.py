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
from typing import Final

from gantry.board import rate
from gantry.board.board import SLOTS
from gantry.board.counter_rows import FILLED, NEVER, VALUE, CounterRows, NoRoom, bounded
from gantry.board.customer_rows import CustomerRows
from gantry.board.held import GAUGE, RATE, WINDOW, Amounts, Gate, Held, Lane, Spot, counted_on, picker
from gantry.board.rows import GAUGE_COLUMNS, HeadWord, RowFile, RowsUnreadable, Table, Target, changes_at
from gantry.board.standings import (
    Refused,
    Standing,
    notable_from,
    pack_counters,
    pack_limits,
    refusal,
    refuses,
)
from gantry.core.limits import Counted, CounterTerms, CustomerTerms, LimitUnit

_MOST_REMEMBERED: Final = 32_768
_MOST_GATES: Final = 2048
_CHANGES, _STAMP = int(HeadWord.CHANGES), int(HeadWord.STAMP)
_EPOCHS: Final = int(HeadWord.EPOCHS)
_AMOUNTS: Final = {LimitUnit.COST: 0, LimitUnit.REQUESTS: 1, LimitUnit.TOKENS: 2, LimitUnit.CONCURRENCY: 1}

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
        fcntl.flock(file.fd, fcntl.LOCK_EX)
        try:
            if file.head[_CHANGES]:
                file.make_changes()
            return self._hold(terms, cost, tokens, now, present if present > now else now)
        except NoRoom:
            return Refused(None, (), "the disk has no room for a counter")
        finally:
            fcntl.flock(file.fd, fcntl.LOCK_UN)

    def settle(self, held: Held, cost: int, tokens: int, now: int) -> Held:
        """Replace a call's estimate by what it was. Calls under way are one less."""
        came = (cost if cost > 0 else 0, 1, tokens if tokens > 0 else 0)
        self._replace(held, came, now, held.gate.settled)
        return held

    def release(self, held: Held, now: int) -> None:
        """Count nothing of a call any more, as if it had never been."""
        self._replace(held, (0, 0, 0), now, held.gate.all)

    def _hold(
        self, terms: Sequence[CounterTerms], cost: int | None, tokens: int, now: int, present: int
    ) -> Held | Refused:
        gate = self._gates.get(id(terms))
        is_on = gate is not None and gate.terms is terms and gate.starts <= now < gate.ends
        if gate is None or not is_on or (self._file.head[_STAMP] != gate.stamp and not self._is_true(gate)):
            gate = self._open(terms, now)
        asked = (cost or 0, 1, tokens)
        befores: list[int] = []
        moments: list[int] = []
        numbers: list[int] = []
        is_notable = cost is None
        lane = gate.all
        for (words, at, notable, other), amount in zip(lane.rows, lane.pick(asked), strict=True):
            before = words[at]
            if other is None:
                new = before + amount
                numbers.append(new)
            else:
                if other.kind == RATE:
                    moments.append(before if before > present else present)
                    before = self._take(numbers, other, amount, present)
                else:
                    self._enter(numbers, other, 1)
                new = before + amount
            befores.append(before)
            if new >= notable:
                is_notable = True
        held = Held(gate, befores, asked, moments, is_notable, asked)
        if is_notable:
            refused = self._refuse(held, cost, now, present)
            if refused is not None:
                return refused
            numbers = [number if number <= NEVER else NEVER for number in numbers]
        self._file.change(lane.changes, numbers)
        return held

    def _replace(self, held: Held, came: Amounts, now: int, lane: Lane) -> None:
        """Put other amounts in place of those that are held. A row that means something else now stays as it is."""
        if held.is_over:
            return
        held.is_over = True
        file, gate = self._file, held.gate
        fcntl.flock(file.fd, fcntl.LOCK_EX)
        try:
            if file.head[_CHANGES]:
                file.make_changes()
            if file.head[_STAMP] != gate.stamp and not self._is_true(gate):
                self._replace_some(held, came, now)
                return
            numbers: list[int] = []
            for (words, at, _, other), amount, before in zip(
                lane.rows, lane.pick(came), lane.pick(held.held), strict=True
            ):
                if other is None:
                    number = words[at] + amount - before
                    numbers.append(number if 0 <= number <= NEVER else bounded(number))
                else:
                    self._give_back(numbers, other, amount - before, now)
            file.change(lane.changes, numbers)
        finally:
            fcntl.flock(file.fd, fcntl.LOCK_UN)
        held.came = came

    def _replace_some(self, held: Held, came: Amounts, now: int) -> None:
        """Do the same where some of the rows mean something else now: those are as they are, and nothing is counted."""
        lane = held.gate.all
        left: list[int] = []
        numbers: list[int] = []
        for spot, amount, before in zip(held.gate.spots, lane.pick(came), lane.pick(held.held), strict=True):
            words, at = spot.words, spot.value_at
            is_same = words[at - 1] == spot.stamp
            left.append(amount if is_same else 0)
            if spot.kind == WINDOW:
                numbers.append(bounded(words[at] + amount - before) if is_same else words[at])
            elif is_same:
                self._give_back(numbers, spot, amount - before, now)
            else:
                numbers += (words[at + further] for further in self._further(spot))
        self._file.change(lane.changes, numbers)
        held.left = left

    def _give_back(self, numbers: list[int], spot: Spot, difference: int, now: int) -> None:
        """Change what is counted on a row that is more than a count."""
        words, at = spot.words, spot.value_at
        if spot.kind == GAUGE:
            self._enter(numbers, spot, -1)
        elif spot.kind == WINDOW:
            numbers.append(bounded(words[at] + difference))
        elif difference:
            self._take(numbers, spot, difference, max(now, self._clock() - rate.FARTHEST))
        elif spot.term.capacity > 0:
            numbers += (words[at], words[at + 1])

    def _take(self, numbers: list[int], spot: Spot, amount: int, now: int) -> int:
        """Take from a bucket, or give back to it; return how many were missing from it.

        One that only warns gets no emptier than empty.
        """
        term, words, at = spot.term, spot.words, spot.value_at
        full_at, rest, capacity = words[at], words[at + 1], term.capacity
        if capacity > 0:
            after = rate.take(full_at, rest, capacity, amount, now)
            numbers += after if term.blocks else min(after, max((full_at, rest), (now + rate.MINUTE, 0)))
        return 0 if full_at < now else rate.taken(full_at, rest, capacity, now)

    def _enter(self, numbers: list[int], spot: Spot, difference: int) -> None:
        """Count a call under way, or one that is over, in all and in the slot's column, as long as that is ours."""
        slot, words, at = self._slot, spot.words, spot.value_at
        assert slot is not None, "`_open` has seen to it"
        if self._file.head[_EPOCHS + slot] != self._epoch:
            difference = 0
        numbers += (words[at] + difference, words[at + GAUGE_COLUMNS + slot - VALUE] + difference)

    def _refuse(self, held: Held, cost: int | None, now: int, present: int) -> Refused | None:
        """Return the refusal of the first counter that refuses."""
        standings = held.standings
        for spot, standing, amount in zip(held.gate.spots, standings, held.added, strict=True):
            if refuses(spot.term, standing.current, amount, cost):
                return Refused(self._refusal(standing, spot, amount, now, present), standings)
        return None

    def _refusal(self, standing: Standing, spot: Spot, amount: int, now: int, present: int) -> Standing:
        """Return the standing of a counter that refuses, with when it will not."""
        if spot.kind != RATE:
            return refusal(standing, spot.resets_at, now)
        capacity = spot.term.capacity
        fullness = (spot.words[spot.value_at], spot.words[spot.value_at + 1]) if standing.current else (present, 0)
        passes_at = rate.passes_at(*fullness, capacity, amount) if capacity > 0 else None
        return refusal(standing, passes_at, present)

    def _open(self, terms: Sequence[CounterTerms], now: int) -> Gate:
        """Find the rows of counters; remember them together, unless one is missing."""
        spots: list[Spot] = []
        for term in terms:
            spot = self._spots.get(id(term))
            if (
                spot is None
                or spot.term is not term
                or spot.words[spot.value_at - 1] != spot.stamp
                or not spot.starts <= now < spot.ends
            ):
                spot = self._find(term, now, spots)
            if spot is not None:
                spots.append(spot)
        settled = [spot for spot in spots if spot.kind == GAUGE or spot.term.unit is not LimitUnit.REQUESTS]
        gate = Gate(
            terms,
            tuple(spots),
            max((spot.starts for spot in spots), default=0),
            min((spot.ends for spot in spots), default=NEVER),
            self._lane(spots),
            self._lane(settled),
            pack_counters([counted_on(spot, 0) for spot in spots]),
            pack_limits([spot.term for spot in spots]),
            self._file.head[_STAMP],
        )
        if len(spots) == len(terms) and isinstance(terms, tuple):
            if len(self._gates) >= _MOST_GATES:
                self._gates.clear()
            self._gates[id(terms)] = gate
        return gate

    def _is_true(self, gate: Gate) -> bool:
        """Say whether all rows still are these counters'; some in the file mean something else than before."""
        is_true = all(spot.words[spot.value_at - 1] == spot.stamp for spot in gate.spots)
        if is_true:
            gate.stamp = self._file.head[_STAMP]
        return is_true

    def _lane(self, spots: Sequence[Spot]) -> Lane:
        targets: list[Target] = []
        places: list[int] = []
        for spot in spots:
            further = self._further(spot)
            targets += ((spot.words, spot.value_at + one) for one in further)
            places += (spot.place + one for one in further)
        rows = [(spot.words, spot.value_at, spot.notable, spot if spot.kind != WINDOW else None) for spot in spots]
        return Lane(rows, picker(spots), changes_at(targets, places))

    def _further(self, spot: Spot) -> Sequence[int]:
        """Return where the numbers of a row are that calls change, counted from its value."""
        if spot.kind == WINDOW:
            return (0,)
        if spot.kind == RATE:
            return (0, 1) if spot.term.capacity > 0 else ()
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
        words, at = segment.words, index + VALUE
        spot = self._spots[id(term)] = Spot(
            term,
            words,
            words[index],
            at,
            segment.place(at),
            window.start,
            NEVER if window.end is None else window.end,
            int(term.kind),
            _AMOUNTS[term.unit],
            term.markup_ppm if term.unit is LimitUnit.COST else 0,
            notable_from(term),
            window.end,
            window.number,
        )
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
            self._file.change(changes_at(targets, [place + VALUE, place + FILLED]), numbers)
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

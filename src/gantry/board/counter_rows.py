"""The rows that counters are kept in: which row is a counter's in which window, and when one begins anew.

Law: all of it is done with the file's lock held, but for `each`, which takes it. A row belongs to one counter in one
window, and its stamp changes when either does: what remembers a row and a stamp knows by them that nothing has changed.
"""

from collections.abc import Callable, Iterator, Set
from typing import Final

from gantry.board import rate
from gantry.board.board import SLOTS
from gantry.board.rows import GAUGE_COLUMNS, HeadWord, RowFile, Segment, Table
from gantry.core.limits import Counted, CounterKind, CounterTerms, LimitUnit
from gantry.core.periods import ALWAYS, Period, Window, window_at

VALUE, REST = (
    1,
    2,
)  # words of a row, behind the stamp: of a bucket `board/rate.py` has them, else the value is the count
FILLED: Final = REST  # of a window: 1 once the store's sum was added
NEVER: Final = (1 << 63) - 1
_NUMBER, _ENDS, _FORM = 3, 4, 5
_FORM_BITS: Final = 9
_FORM_MASK: Final = (1 << _FORM_BITS) - 1
_KIND_MASK: Final = 3
_MOST_WINDOWS: Final = 4096
_SCANNED: Final = 4096  # rows under one lock
_UNITS: Final = {unit: number for number, unit in enumerate(LimitUnit)}
_PERIODS: Final = {period: number for number, period in enumerate(Period)}
_NO_COLUMNS: Final = memoryview(bytes(SLOTS * 8)).cast("q")

Place = tuple[Segment, int]  # and the index of a row's first word


class NoRoom(Exception):
    """The disk has none for a row."""


class CounterRows:
    """For one thread of each process."""

    __slots__ = ("_clock", "_file", "_windows")

    def __init__(self, file: RowFile, clock: Callable[[], int]) -> None:
        self._file = file
        self._clock = clock
        self._windows: dict[tuple[Period, int], Window] = {}

    def window(self, term: CounterTerms, now: int) -> Window:
        """Return the window in which a counter counts what begins at a moment."""
        if term.kind is not CounterKind.WINDOW or term.period is Period.LIFETIME:
            return ALWAYS
        span = term.period, term.anchor
        window = self._windows.get(span)
        if window is None or window.end is None or not window.start <= now < window.end:
            if len(self._windows) >= _MOST_WINDOWS:
                self._windows.clear()
            window = self._windows[span] = window_at(term.period, now, term.anchor)
        return window

    def find(self, term: CounterTerms, now: int, window: Window, kept: Set[int] = frozenset()) -> Place | None:
        """Return a counter's row in a window, made where there is none, but never out of those with a stamp to be kept.

        None where nothing is to be counted, because that window is over and the row has gone on. Raises NoRoom.
        """
        table = _table(term)
        found = self._file.find(table, term.key)
        if found is None:
            found = self._file.take(
                table,
                term.key,
                lambda segment, index: _is_over(segment, index, now) and segment.words[index] not in kept,
            )
            if found is None:
                raise NoRoom
            self._begin(*found, term, window)
            found[0].name(found[1], term.key)
            return found
        words, index = found[0].words, found[1]
        form, ends = _form(term), _end(window)
        if words[index] == 0 or (words[index + _FORM] ^ form) & _FORM_MASK:
            self._begin(*found, term, window)
        elif words[index + _NUMBER] != window.number or words[index + _ENDS] != ends:
            # A row whose window is over goes on. One that seems to be ahead is so of a call that came late, unless the
            # call's window is on: then it was a clock that was wrong, or the periods begin elsewhere now.
            if now < words[index + _ENDS] and self._clock() >= ends:
                return None
            self._begin(*found, term, window)
        words[index + _FORM] = form
        return found

    def read(self, term: CounterTerms, now: int) -> int:
        """Return what is counted at a moment."""
        found = self._file.find(_table(term), term.key)
        if found is None:
            return 0
        words, index = found[0].words, found[1]
        if words[index] == 0 or (words[index + _FORM] ^ _form(term)) & _FORM_MASK:
            return 0
        if term.kind is CounterKind.RATE:
            return rate.taken(words[index + VALUE], words[index + REST], term.capacity, now)
        window = self.window(term, now)
        is_on = words[index + _NUMBER] == window.number and words[index + _ENDS] == _end(window)
        return words[index + VALUE] if is_on else 0

    def correct(self, counted: Counted, amount: int, now: int) -> bool:
        """Add a difference to what a record has counted; False where that window is over or the counter is gone."""
        found = None if counted.kind == CounterKind.GAUGE else self._file.find(Table.COUNTERS, counted.key)
        if found is None:
            return False
        segment, index = found
        words, place = segment.words, segment.place(index)
        form = words[index + _FORM]
        if words[index] == 0 or form & _KIND_MASK != counted.kind:
            return False
        if counted.kind == CounterKind.WINDOW:
            if words[index + _NUMBER] != counted.window:
                return False
            words[index + VALUE] = bounded(words[index + VALUE] + amount)
        elif capacity := form >> _FORM_BITS:
            full_at, rest = rate.take(words[index + VALUE], words[index + REST], capacity, amount, now)
            targets = [(words, index + VALUE), (words, index + REST)]
            self._file.change(targets, [place + VALUE, place + REST], [full_at, rest])
        return True

    def empty(self, place: Place) -> None:
        """Count nothing in a row any more."""
        words, index = place[0].words, place[1]
        words[index] = 0
        words[index + VALUE] = words[index + REST] = 0
        words[index] = self._file.next_stamp()

    def release_slot(self, slot: int) -> int:
        """Let go what a slot's process held of calls under way; return the number of who comes now."""
        head = self._file.head
        epoch = head[HeadWord.EPOCHS + slot] = head[HeadWord.EPOCHS + slot] + 1
        for segment in self._file.segments(Table.GAUGES):
            for row, number in enumerate(segment.column(GAUGE_COLUMNS + slot)):
                if number:
                    self._leave(segment, segment.start + row * segment.width, slot)
        return epoch

    def each(self, table: Table) -> Iterator[Place]:
        """Yield the rows that something is counted in, some at a time under the lock, which it takes."""
        with self._file.locked():
            segments = list(self._file.segments(table))
        for segment in segments:
            for first in range(0, segment.rows, _SCANNED):
                with self._file.locked():
                    for row in range(first, min(first + _SCANNED, segment.rows)):
                        index = segment.start + row * segment.width
                        if segment.words[index]:
                            yield segment, index

    def _begin(self, segment: Segment, index: int, term: CounterTerms, window: Window) -> None:
        words = segment.words
        words[index] = 0
        words[index + VALUE] = words[index + REST] = 0
        words[index + _NUMBER] = window.number
        words[index + _ENDS] = _end(window)
        words[index + _FORM] = _form(term)
        if term.kind is CounterKind.GAUGE:
            words[index + GAUGE_COLUMNS : index + segment.width] = _NO_COLUMNS
        words[index] = self._file.next_stamp()

    def _leave(self, segment: Segment, index: int, slot: int) -> None:
        """Take away a slot's calls under way, and add up anew what all have together, which heals whatever is wrong."""
        words, place, column = segment.words, segment.place(index), GAUGE_COLUMNS + slot
        columns = words[index + GAUGE_COLUMNS : index + segment.width].tolist()
        columns[slot] = 0
        targets = [(words, index + VALUE), (words, index + column)]
        self._file.change(targets, [place + VALUE, place + column], [sum(columns), 0])


def bounded(count: int) -> int:
    """Return a count as a row has room for it: 9 billion dollars."""
    return 0 if count < 0 else min(count, NEVER)


def _table(term: CounterTerms) -> Table:
    return Table.GAUGES if term.kind is CounterKind.GAUGE else Table.COUNTERS


def _end(window: Window) -> int:
    return NEVER if window.end is None else window.end


def _form(term: CounterTerms) -> int:
    """Return a number for what a row counts; of a bucket its capacity too, for who corrects it without the terms."""
    form = int(term.kind) | _UNITS[term.unit] << 2 | _PERIODS[term.period] << 5
    capacity = min(max(0, term.capacity), NEVER >> _FORM_BITS)
    return form | capacity << _FORM_BITS if term.kind is CounterKind.RATE else form


def _is_over(segment: Segment, index: int, now: int) -> bool:
    """Say whether nobody misses a row: its window is over, its bucket is full, or no call is under way."""
    words = segment.words
    if words[index] == 0:
        return True
    if segment.table == Table.GAUGES:
        return words[index + VALUE] == 0
    if words[index + _FORM] & _KIND_MASK == CounterKind.RATE:
        return words[index + VALUE] < now
    return words[index + _ENDS] <= now

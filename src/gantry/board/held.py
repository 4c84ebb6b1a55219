"""What a call has taken: the rows of all counters that it passes, found once for all calls that pass the same.

Law: what a row means is known by the stamp before its value, and who looks at it holds the file's lock. What a record
says of its counters is encoded once; a call adds its amounts.

These are no structs, for nothing encodes them and each call reads many of their fields (adr/0016).
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Raw

from gantry.board.rows import Changes
from gantry.board.standings import Standing, is_to_tell
from gantry.core.limits import Counted, CounterKind, CounterTerms, LimitUnit, marked_up
from gantry.core.periods import Window

WINDOW: Final = int(CounterKind.WINDOW)
GAUGE: Final = int(CounterKind.GAUGE)
COST: Final = 0  # what is asked of a counter
TOKENS: Final = 1
CALLS: Final = 2
FAR: Final = (1 << 62) - 1  # a moment that does not come, and which compiled code makes no object of
_ASKED: Final = {
    LimitUnit.COST: COST,
    LimitUnit.TOKENS: TOKENS,
    LimitUnit.REQUESTS: CALLS,
    LimitUnit.CONCURRENCY: CALLS,
}


class Spot:
    """A counter's row as a process remembers it, with what each call asks of it laid out."""

    __slots__ = (
        "asked",
        "blocks",
        "capacity",
        "ends",
        "is_gauge",
        "is_window",
        "markup_ppm",
        "notable",
        "place",
        "stamp",
        "starts",
        "term",
        "value_at",
        "window",
        "words",
    )

    def __init__(
        self, term: CounterTerms, words: "memoryview[int]", value_at: int, place: int, window: Window, notable: int
    ) -> None:
        self.term = term
        self.capacity = term.capacity
        self.blocks = term.blocks
        self.words = words
        self.stamp = words[value_at - 1]
        self.value_at: Any = value_at  # an int, of which compiled code makes no object anew
        self.place = place  # of the value, for everybody
        self.window = window
        self.starts = window.start
        self.ends = FAR if window.end is None else window.end
        self.is_window = int(term.kind) == WINDOW
        self.is_gauge = int(term.kind) == GAUGE
        self.asked = _ASKED[term.unit]
        self.markup_ppm = term.markup_ppm if term.unit is LimitUnit.COST else 0
        self.notable = notable  # from this count on there is more to ask

    @property
    def is_same(self) -> bool:
        """Whether the row still is this counter's."""
        return bool(self.words[self.value_at - 1] == self.stamp)

    def amount(self, cost: int, tokens: int, calls: int) -> int:
        """Return what a call adds."""
        if self.asked == CALLS:
            return calls
        if self.asked == TOKENS:
            return tokens
        return marked_up(cost, self.markup_ppm) if self.markup_ppm else cost

    def counted(self, amount: int) -> Counted:
        """Return an amount as records have it."""
        term = self.term
        return Counted(term.key, term.unit, int(term.kind), self.window.number, amount, self.markup_ppm)


class Lane:
    """Some of a gate's rows, and where what is counted on them is written."""

    __slots__ = ("changes", "places", "spots")

    def __init__(self, spots: list[Spot], places: list[int], changes: Changes) -> None:
        self.spots = spots
        self.places = places  # of the rows in the gate
        self.changes = changes


class Gate:
    """The rows of all counters that a call passes at once, and what is the same for each call that does."""

    __slots__ = ("all", "counters", "ends", "limits", "settled", "stamp", "starts", "terms")

    def __init__(
        self, terms: Sequence[CounterTerms], every: Lane, settled: Lane, counters: Raw, limits: Raw, stamp: int
    ) -> None:
        self.terms = terms
        self.all = every
        self.settled = settled  # without those that count a call as one, whatever it comes to
        # From the one on, and before the other, the windows of all are on.
        self.starts = max((spot.starts for spot in every.spots), default=0)
        self.ends = min((spot.ends for spot in every.spots), default=FAR)
        self.counters = counters  # as records have them
        self.limits = limits
        self.stamp = stamp  # the last of the file's when all rows were these counters'

    @property
    def is_same(self) -> bool:
        """Whether all rows still are these counters'."""
        return all(spot.is_same for spot in self.all.spots)


class Held:
    """A call has passed all its counters. It is settled or released once; a second time changes nothing."""

    __slots__ = ("added", "amounts", "befores", "gate", "is_notable", "is_over", "moments")

    def __init__(
        self, gate: Gate, befores: list[int], added: list[int], moments: Sequence[int], is_notable: bool
    ) -> None:
        self.gate = gate
        self.befores = befores  # by counter, what is counted of other calls
        self.added = added  # by counter, what was added when it was held
        self.amounts = added  # by counter, what is counted of it now
        self.moments = moments  # when buckets would be full without it
        self.is_notable = is_notable
        self.is_over = False

    @property
    def counted(self) -> tuple[Counted, ...]:
        """What the record says of it; nothing is told of calls under way."""
        every = zip(self.gate.all.spots, self.amounts, strict=True)
        return tuple([spot.counted(amount) for spot, amount in every if not spot.is_gauge])

    @property
    def standings(self) -> tuple[Standing, ...]:
        moments = iter(self.moments)
        every = zip(self.gate.all.spots, self.befores, self.added, strict=True)
        return tuple(
            [
                Standing(
                    spot.term,
                    before,
                    before + amount,
                    spot.window.end if spot.is_window or spot.is_gauge else next(moments),
                )
                for spot, before, amount in every
            ]
        )

    @property
    def warned(self) -> tuple[Standing, ...]:
        """Counters over capacity that only warn, and those past the lowest percentage of an alert."""
        if not self.is_notable:
            return ()
        return tuple([one for one in self.standings if is_to_tell(one.terms, one.new)])


class HeldElsewhere:
    """What is held, or is counted now, on counters that are not of this file."""

    __slots__ = ("call", "counted", "is_over", "local", "made", "names", "standings", "terms", "there", "warned")

    def __init__(
        self,
        counted: tuple[Counted, ...],
        warned: tuple[Standing, ...] = (),
        standings: tuple[Standing, ...] = (),
        local: Held | None = None,
    ) -> None:
        self.counted = counted
        self.warned = warned
        self.standings = standings
        self.local = local  # on this machine's file, where the server was silent
        # On the server:
        self.terms: tuple[CounterTerms, ...] = ()
        self.names: tuple[str, ...] = ()
        self.there: tuple[int, ...] = ()  # what is held of each
        self.call = ""
        self.made = b""
        self.is_over = False


Taking = Held | HeldElsewhere
NOTHING_HELD: Final = HeldElsewhere(())

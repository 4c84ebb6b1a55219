"""What a call has taken: the rows of all counters that it passes, found once for all calls that pass the same.

Law: what a row means is known by the stamp before its value, and who looks at it holds the file's lock. What a record
says of its counters is encoded once; a call adds its amounts.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final

from msgspec import Raw, Struct, field

from gantry.board.rows import Changes, changes_at
from gantry.board.standings import Standing, is_to_tell, pack_counters, pack_limits
from gantry.core.limits import Counted, CounterKind, CounterTerms, marked_up

WINDOW, RATE, GAUGE = (int(kind) for kind in CounterKind)

Amounts = tuple[int, int, int]  # of cost, requests, tokens


class Spot(Struct, frozen=True, gc=False):
    """A counter's row as a process remembers it, with what each call asks of it laid out."""

    term: CounterTerms
    words: "memoryview[int]"
    stamp: int  # stands before the value
    value_at: int
    place: int  # of the value, for everybody
    starts: int
    ends: int
    kind: int
    amount_at: int  # in a call's amounts: cost, requests, tokens
    markup_ppm: int
    notable: int  # from this count on there is more to ask
    resets_at: int | None
    number: int  # of the window


Row = tuple["memoryview[int]", int, int, Spot | None]  # its value, what is notable, and itself if it is no plain count


class Lane(Struct, frozen=True, gc=False):
    """Some of a gate's rows, and where what is counted on them is written."""

    rows: list[Row]
    pick: Callable[[Amounts], Sequence[int]]  # of a call's amounts, one for each row
    changes: Changes


class Gate(Struct, gc=False):
    """The rows of all counters that a call passes at once, and what is the same for each call that does."""

    terms: Sequence[CounterTerms]
    spots: tuple[Spot, ...]
    starts: int  # from then on, and before it ends, the windows of all are on
    ends: int
    all: Lane
    settled: Lane  # without those that count a call as one, whatever it comes to
    counters: Raw  # as records have them
    limits: Raw
    stamp: int  # the last of the file's when all rows were these counters'


_NO_LANE: Final = Lane([], tuple, changes_at((), ()))
_NO_GATE: Final = Gate((), (), 0, 0, _NO_LANE, _NO_LANE, pack_counters(()), pack_limits(()), 0)


class Held(Struct, gc=False):
    """A call has passed all its counters. It is settled or released once; a second time changes nothing."""

    gate: Gate = field(default_factory=lambda: _NO_GATE)
    befores: Sequence[int] = ()  # by counter, what is counted of other calls
    held: Amounts = (0, 0, 0)  # what is added for this one: of cost, requests, tokens
    moments: Sequence[int] = ()  # when buckets would be full without it
    is_notable: bool = False
    came: Amounts = (0, 0, 0)  # what is counted of it now
    left: Sequence[int] | None = None  # the same by counter, where some are not there any more
    is_over: bool = False

    @property
    def counters(self) -> Raw | None:
        """The counters as records have them, the same for all calls that pass them; None where they are elsewhere."""
        return self.gate.counters

    @property
    def limits(self) -> Raw:
        """The limits as records have them."""
        return self.gate.limits

    @property
    def amounts(self) -> Sequence[int]:
        """What is counted of it now, by counter."""
        return self.gate.all.pick(self.came) if self.left is None else self.left

    @property
    def added(self) -> Sequence[int]:
        """What was added when it was held, by counter."""
        return self.gate.all.pick(self.held)

    @property
    def counted(self) -> tuple[Counted, ...]:
        """What the record says of it; nothing is told of calls under way."""
        return tuple(
            counted_on(spot, amount)
            for spot, amount in zip(self.gate.spots, self.amounts, strict=True)
            if spot.kind != GAUGE
        )

    @property
    def standings(self) -> tuple[Standing, ...]:
        moments = iter(self.moments)
        return tuple(
            Standing(spot.term, before, before + amount, next(moments) if spot.kind == RATE else spot.resets_at)
            for spot, before, amount in zip(self.gate.spots, self.befores, self.added, strict=True)
        )

    @property
    def warned(self) -> tuple[Standing, ...]:
        """Counters over capacity that only warn, and those past the lowest percentage of an alert."""
        if not self.is_notable:
            return ()
        return tuple(one for one in self.standings if is_to_tell(one.terms, one.new))


class HeldElsewhere(Held, kw_only=True, gc=False):
    """What is held, or is counted now, on counters that are not of this file."""

    counted: tuple[Counted, ...]
    warned: tuple[Standing, ...] = ()
    standings: tuple[Standing, ...] = ()

    @property
    def counters(self) -> Raw | None:
        return None


def counted_on(spot: Spot, amount: int) -> Counted:
    return Counted(spot.term.key, spot.term.unit, spot.kind, spot.number, amount, spot.markup_ppm)


def picker(spots: Sequence[Spot]) -> Callable[[Amounts], Sequence[int]]:
    """Return what makes one amount for each row of a call's amounts."""
    if len(spots) > 1 and not any(spot.markup_ppm for spot in spots):
        return itemgetter(*(spot.amount_at for spot in spots))
    marked = [(spot.amount_at, spot.markup_ppm) for spot in spots]
    return lambda amounts: [marked_up(amounts[at], markup_ppm) for at, markup_ppm in marked]

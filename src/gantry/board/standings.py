"""What the board answers a call: it may go, and what is counted of it; or it may not, and by how much."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.limits import Asked, Counted, CounterTerms, LimitUnit

_encode: Final = msgspec.msgpack.Encoder().encode
_SECOND: Final = 1_000_000_000
_LARGEST: Final = (1 << 63) - 1  # that a row has room for


class Standing(Struct, frozen=True, gc=False):
    """How a call stands to one counter: what is counted without it, and with it."""

    terms: CounterTerms
    current: int
    new: int
    resets_at: int | None = None  # ns since the epoch; None for a lifetime, and for calls under way
    retry_after: int | None = None  # seconds, of a refusal that waiting cures

    @property
    def is_over(self) -> bool:
        return self.new > self.terms.capacity


class Refused(Struct, frozen=True):
    """A call has not passed, and nothing of it is counted. `standing` is of the first counter that refused.

    It is None where the call could not be counted, and is not to pass uncounted: the disk has no room for a counter, or
    the machine that counts for several does not answer. `reason` says which.
    """

    standing: Standing | None
    standings: tuple[Standing, ...] = ()
    reason: str = ""


def refuses(terms: CounterTerms, current: int, amount: int, cost: int | None) -> bool:
    """Say whether a counter stops a call. One that costs nothing passes whatever is used up; one of which nobody knows
    what it costs does not pass what is used up. What only warns never stops any."""
    if not terms.blocks:
        return False
    if terms.unit is LimitUnit.COST and cost is None:
        return current >= terms.capacity
    return amount > 0 and current + amount > terms.capacity


def refusal(standing: Standing, resets_at: int | None, now: int) -> Standing:
    """Return a standing as that of a counter that refuses until `resets_at`."""
    wait = None if resets_at is None else max(1, -((now - resets_at) // _SECOND))
    return Standing(standing.terms, standing.current, standing.new, resets_at, wait)


def is_to_tell(terms: CounterTerms, new: int) -> bool:
    """Say whether a call that has passed is over a counter that only warns, or past a percentage of an alert."""
    alerts = terms.alerts
    return (new > terms.capacity and not terms.blocks) or (bool(alerts) and new * 100 >= min(alerts) * terms.capacity)


def notable_from(terms: CounterTerms) -> int:
    """Return the count from which on a counter may refuse, or is to be told of."""
    over = min(terms.capacity + 1, _LARGEST)
    return min(over, -(-min(terms.alerts) * terms.capacity // 100)) if terms.alerts else over


def pack_counters(counted: Sequence[Counted]) -> Raw:
    """Return the counters of calls, of which nothing is counted yet, as their records have them."""
    return Raw(_encode(counted))


def pack_limits(terms: Sequence[CounterTerms]) -> Raw:
    """Return the limits that calls have asked, as their records have them."""
    return Raw(_encode([Asked(one.name, one.unit, min(one.capacity, _LARGEST), one.reserve) for one in terms]))

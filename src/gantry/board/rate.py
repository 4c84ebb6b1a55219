"""A bucket that fills up steadily, in exact integers (GCRA): all that it knows is when it will be full.

Law: pure. That moment is `full_at` nanoseconds and `rest` parts of one more, a part being 1/capacity, so nothing is
ever rounded. Taking n moves it n/capacity of a minute on; a call passes while it stays within a minute from now.
"""

from typing import Final

MINUTE: Final = 60_000_000_000
FARTHEST: Final = 60 * MINUTE  # so much debt, when a call was far larger than its estimate; more was another clock's
_TOO_FAR: Final = 2 * FARTHEST

Fullness = tuple[int, int]  # full_at, in ns since the epoch, and the rest


def taken(full_at: int, rest: int, capacity: int, now: int) -> int:
    """Return how many are missing from a bucket; a part of one counts as one."""
    if full_at < now or full_at > now + _TOO_FAR:
        return 0
    return -(-((full_at - now) * capacity + rest) // MINUTE)


def take(full_at: int, rest: int, capacity: int, amount: int, now: int) -> Fullness:
    """Return when a bucket is full after `amount` more has been taken, or given back."""
    if full_at < now or full_at > now + _TOO_FAR:
        full_at, rest = now, 0
    parts = rest + amount * MINUTE
    whole, rest = parts // capacity, parts % capacity
    full_at += whole
    return (full_at, rest) if whole <= FARTHEST or full_at < now + FARTHEST else (now + FARTHEST, 0)


def given(capacity: int, missing: int, amount: int) -> int:
    """Return how much of an amount a bucket had that gets no emptier than empty."""
    return min(amount, max(capacity - missing, 0))


def passes_at(full_at: int, rest: int, capacity: int, amount: int) -> int | None:
    """Return the first moment when so many may be taken; None where a whole bucket has not so many."""
    if amount > capacity:
        return None
    return full_at - ((capacity - amount) * MINUTE - rest) // capacity

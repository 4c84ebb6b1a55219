"""A bucket in integers does what a bucket in fractions does, to the nanosecond."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from gantry.board.rate import MINUTE, passes_at, take, taken

START = 1_800_000_000_000_000_000
CAPACITIES = st.integers(1, 200_000_000)


class NaiveBucket:
    """So much is missing from a full bucket, in fractions; it fills up by its capacity a minute."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.missing = Fraction(0)
        self.at = START

    def wait(self, now: int) -> None:
        self.missing = max(Fraction(0), self.missing - Fraction((now - self.at) * self.capacity, MINUTE))
        self.at = now

    def take(self, amount: int) -> bool:
        if self.missing + amount > self.capacity:
            return False
        self.missing += amount
        return True


@given(CAPACITIES, st.lists(st.tuples(st.integers(0, 2 * MINUTE), st.integers(1, 1 << 28)), max_size=30))
def test_it_lets_through_what_a_bucket_of_fractions_lets_through(capacity: int, asked: list[tuple[int, int]]) -> None:
    naive, now = NaiveBucket(capacity), START
    fullness = (0, 0)
    for pause, size in asked:
        now += pause
        amount = 1 + size % capacity
        naive.wait(now)
        missing = taken(*fullness, capacity, now)
        assert missing - 1 < naive.missing <= missing
        passes = naive.take(amount)
        assert (missing + amount <= capacity) == passes
        if passes:
            fullness = take(*fullness, capacity, amount, now)
        else:
            at = passes_at(*fullness, capacity, amount)
            assert at is not None
            assert now < at
            assert taken(*fullness, capacity, at) + amount <= capacity < taken(*fullness, capacity, at - 1) + amount


@given(CAPACITIES, st.integers(1, 1 << 28), st.integers(0, 1 << 28))
def test_what_is_given_back_at_once_was_never_taken(capacity: int, size: int, before: int) -> None:
    fullness = take(0, 0, capacity, before % capacity, START)
    amount = size % capacity
    assert take(*take(*fullness, capacity, amount, START), capacity, -amount, START) == fullness


def test_a_call_beyond_its_estimate_is_a_debt_but_not_for_ever() -> None:
    full_at, rest = take(0, 0, 60, 60 * 5, START)
    assert taken(full_at, rest, 60, START) == 300
    assert passes_at(full_at, rest, 60, 1) == START + 4 * MINUTE + MINUTE // 60
    full_at, _ = take(full_at, rest, 60, 60 * 1_000_000, START)
    assert full_at == START + 60 * MINUTE


def test_what_does_not_fit_into_a_whole_bucket_never_passes() -> None:
    assert passes_at(START, 0, 10, 11) is None


def test_a_clock_that_was_years_ahead_does_not_empty_the_bucket_for_years() -> None:
    years = 10 * 365 * 86_400 * 1_000_000_000
    assert taken(*take(0, 0, 60, 60, START + years), 60, START) == 0

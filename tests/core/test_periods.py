"""The windows of periods: every moment is in exactly one, and they follow each other without a gap."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.limits import marked_up
from gantry.core.periods import Period, window_at

NS = 1_000_000_000
BOUNDED = [period for period in Period if period is not Period.LIFETIME]


def at(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * NS  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (Period.MINUTE, at(2026, 11, 29, 18, 7), at(2026, 11, 29, 18, 8)),
        (Period.HOUR, at(2026, 11, 29, 18), at(2026, 11, 29, 19)),
        (Period.DAY, at(2026, 11, 29), at(2026, 11, 30)),
        (Period.WEEK, at(2026, 11, 23), at(2026, 11, 30)),  # the 29th is a Sunday
        (Period.MONTH, at(2026, 11, 1), at(2026, 12, 1)),
        (Period.YEAR, at(2026, 1, 1), at(2027, 1, 1)),
    ],
)
def test_periods_are_those_of_the_calendar(period: Period, start: int, end: int) -> None:
    window = window_at(period, at(2026, 11, 29, 18, 7, 30))
    assert (window.start, window.end) == (start, end)


def test_a_lifetime_has_no_end() -> None:
    assert window_at(Period.LIFETIME, at(2026, 1, 1)).end is None


def test_a_month_from_the_31st_ends_on_the_last_day_of_a_shorter_one() -> None:
    anchor = at(2026, 1, 31)
    window = window_at(Period.MONTH, at(2026, 3, 1), anchor)
    assert (window.start, window.end) == (at(2026, 2, 28), at(2026, 3, 31))


@given(
    st.sampled_from(BOUNDED),
    st.integers(at(2000, 1, 1), at(2100, 1, 1)),
    st.sampled_from([0, at(2024, 2, 29, 13), at(2026, 8, 31), at(2025, 12, 15, 23, 59)]),
)
def test_each_moment_is_in_one_window_and_the_next_begins_where_it_ends(period: Period, now: int, anchor: int) -> None:
    window = window_at(period, now, anchor)
    assert window.end is not None
    assert window.start <= now < window.end
    assert window_at(period, window.end, anchor) == (
        window.number + 1,
        window.end,
        window_at(period, window.end, anchor).end,
    )
    assert window_at(period, window.start, anchor) == window


@pytest.mark.parametrize(
    ("cost", "ppm", "charged"),
    [(100, 0, 100), (100, 200_000, 120), (5, 100_000, 6), (15, 100_000, 16), (25, 100_000, 28)],
)
def test_a_markup_is_rounded_half_to_even(cost: int, ppm: int, charged: int) -> None:
    assert marked_up(cost, ppm) == charged

"""Ranges in buckets: no holes, no overlaps, and each begins where the zone's clock says."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.time_range import (
    DAY,
    HOUR,
    MINUTE,
    QUARTER,
    RangeRefused,
    Summed,
    Tick,
    make_range,
    named_range,
    range_before,
)

moments = st.integers(0, 2_000_000_000).map(lambda seconds: seconds * 10**9)
offsets = st.integers(-48, 56).map(lambda quarters: quarters * QUARTER)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 10**9


def local(ns: int, offset: int) -> datetime:
    return datetime.fromtimestamp(ns / 10**9, timezone(timedelta(seconds=offset / 10**9)))


@given(moments, st.integers(1, 900), st.sampled_from(Tick), offsets)
def test_buckets_follow_each_other(since: int, hours: int, tick: Tick, offset: int) -> None:
    until = since + hours * HOUR // (60 if tick is Tick.MINUTE else 1)
    shown = make_range(since, until, tick, offset)
    bounds = [shown.bounds(number) for number in range(len(shown.starts))]
    assert (bounds[0][0], bounds[-1][1]) == (since, until)
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    assert all(shown.bucket_of(start) == number for number, (start, _) in enumerate(bounds))
    for start in shown.starts:
        begins = local(start, offset)
        assert begins.second == 0
        assert begins.minute == 0 or tick is Tick.MINUTE
        assert begins.hour == 0 or tick in (Tick.MINUTE, Tick.HOUR)
        assert begins.weekday() == 0 or tick is not Tick.WEEK
        assert begins.day == 1 or tick is not Tick.MONTH


@pytest.mark.parametrize(
    ("summed", "date", "offset", "since", "buckets", "until"),
    [
        (Summed.DAILY, "2026-03-10T23:00Z", 0, "2026-03-10T00:00Z", 24, "2026-03-11T00:00Z"),
        (Summed.DAILY, "2026-03-10T23:00Z", 11 * HOUR // 2, "2026-03-10T18:30Z", 24, "2026-03-11T18:30Z"),
        (Summed.WEEKLY, "2026-03-10T23:00Z", 0, "2026-03-09T00:00Z", 7, "2026-03-16T00:00Z"),
        (Summed.MONTHLY, "2024-02-29T23:00Z", 0, "2024-02-01T00:00Z", 29, "2024-03-01T00:00Z"),
        (Summed.MONTHLY, "2024-02-29T23:00Z", 2 * HOUR, "2024-02-29T22:00Z", 31, "2024-03-31T22:00Z"),
        (Summed.QUARTERLY, "2025-12-31T00:00Z", 0, "2025-10-01T00:00Z", 92, "2026-01-01T00:00Z"),
        (Summed.YEARLY, "2025-06-01T00:00Z", -3 * HOUR, "2025-01-01T03:00Z", 12, "2026-01-01T03:00Z"),
    ],
)
def test_named_ranges(summed: Summed, date: str, offset: int, since: str, buckets: int, until: str) -> None:
    shown = named_range(summed, at(date), at("2027-01-01T00:00Z"), offset)
    assert (shown.since, shown.until, len(shown.starts)) == (at(since), at(until), buckets)


def test_a_range_that_is_not_over_ends_with_the_bucket_that_is_now() -> None:
    now = at("2026-03-10T10:20Z")
    assert named_range(Summed.DAILY, now, now).until == at("2026-03-10T11:00Z")
    assert len(named_range(Summed.MONTHLY, now, now).starts) == 10
    assert len(named_range(Summed.YEARLY, now, now).starts) == 3
    assert named_range(Summed.MONTHLY, at("2026-05-01T00:00Z"), now).starts == ()
    last = named_range(Summed.LAST_24H, now, now)
    assert (last.since, last.until, len(last.starts)) == (now - DAY, now, 25)
    everything = named_range(Summed.ALL, now, now, first=now - 40 * DAY)
    assert (everything.since, everything.tick) == (now - 40 * DAY, Tick.DAY)
    assert named_range(Summed.ALL, now, now, first=now).starts == ()


def test_the_period_before() -> None:
    now = at("2026-03-10T10:20Z")
    to_date = named_range(Summed.MONTHLY, now, now)
    assert range_before(Summed.MONTHLY, to_date) == (at("2026-02-01T00:00Z"), at("2026-02-11T00:00Z"))
    whole = named_range(Summed.MONTHLY, at("2026-02-05T00:00Z"), now)
    assert range_before(Summed.MONTHLY, whole) == (at("2026-01-01T00:00Z"), at("2026-02-01T00:00Z"))
    long = named_range(Summed.MONTHLY, at("2026-03-31T00:00Z"), at("2026-03-31T05:00Z"))
    assert range_before(Summed.MONTHLY, long) == (at("2026-02-01T00:00Z"), at("2026-03-01T00:00Z"))
    last = make_range(now - 3 * HOUR, now)
    assert range_before(None, last) == (now - 6 * HOUR, now - 3 * HOUR)


def test_too_many_buckets_are_refused() -> None:
    with pytest.raises(RangeRefused, match="buckets of a minute"):
        make_range(0, 365 * DAY, Tick.MINUTE)
    with pytest.raises(RangeRefused, match="ends before"):
        make_range(1, 0)
    assert make_range(0, 3 * HOUR).tick is Tick.MINUTE
    assert make_range(0, 60 * MINUTE * 24 * 30).tick is Tick.DAY
    assert datetime.fromtimestamp(0, UTC).year == 1970

"""Ranges of time in buckets, in a zone of a fixed offset: what a chart shows. Pure.

Law: buckets follow each other without holes, and each begins where the zone's minute, hour, day, week (from Monday on)
or month does; the first and the last of them may be cut by the range. Times are ns since the epoch.
"""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

MINUTE: Final = 60_000_000_000
HOUR: Final = 60 * MINUTE
QUARTER: Final = 15 * MINUTE  # every zone is a whole number of them ahead of UTC or behind it
DAY: Final = 24 * HOUR
MOST_BUCKETS: Final = 11_000  # a week of minutes, a year of hours
MOST_OFFSET: Final = 15 * HOUR
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MONDAY: Final = 4 * DAY
_MONTH: Final = 31 * DAY  # at most


class Tick(StrEnum):
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Summed(StrEnum):
    """A range by its name: the zone's day, week, … that a date is in, the last 24 hours, or all there is."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    YEARLY = "yearly"
    LAST_24H = "last_24h"
    ALL = "all"


class RangeRefused(ValueError):
    """A range that cannot be shown; the message says why."""


class TimeRange(Struct, frozen=True):
    """From `since` until before `until`, in buckets that begin at `starts`; the first may begin before `since`."""

    since: int
    until: int
    tick: Tick
    starts: tuple[int, ...]
    offset: int = 0  # ns by which the zone is ahead of UTC

    def bucket_of(self, moment: int) -> int:
        """Return the number of the bucket that a moment of the range is in."""
        return bisect_right(self.starts, moment) - 1

    def bounds(self, number: int) -> tuple[int, int]:
        """Return where a bucket begins and ends within the range."""
        end = self.starts[number + 1] if number + 1 < len(self.starts) else self.until
        return max(self.starts[number], self.since), end


_TICKS: Final = {
    Summed.DAILY: Tick.HOUR,
    Summed.WEEKLY: Tick.DAY,
    Summed.MONTHLY: Tick.DAY,
    Summed.QUARTERLY: Tick.DAY,
    Summed.YEARLY: Tick.MONTH,
    Summed.LAST_24H: Tick.HOUR,
}
_LENGTHS: Final = {Tick.MINUTE: MINUTE, Tick.HOUR: HOUR, Tick.DAY: DAY, Tick.WEEK: 7 * DAY}
_MONTHS: Final = {Summed.MONTHLY: 1, Summed.QUARTERLY: 3, Summed.YEARLY: 12}


def length_of(tick: Tick) -> int | None:
    """Return how long each bucket of a tick is; None where they differ."""
    return _LENGTHS.get(tick)


def make_range(since: int, until: int, tick: Tick | None = None, offset: int = 0) -> TimeRange:
    """Return the range between two moments; without a tick, with one of which a chart has room. Raises RangeRefused."""
    if until < since:
        raise RangeRefused("the range ends before it begins")
    tick = tick or _tick_for(until - since)
    if (until - since) // _LENGTHS.get(tick, _MONTH) > MOST_BUCKETS:
        raise RangeRefused(f"the range has more than {MOST_BUCKETS} buckets of a {tick}; choose longer ones")
    starts = []
    start = bucket_start(since, tick, offset)
    while start < until and since < until:
        starts.append(start)
        start = _next(start, tick, offset)
    return TimeRange(since, until, tick, tuple(starts), offset)


def named_range(
    summed: Summed, date: int, now: int, offset: int = 0, *, tick: Tick | None = None, first: int = 0
) -> TimeRange:
    """Return the range of this name at a date, up to the bucket that is now; `first` is where all that is begins."""
    if summed is Summed.LAST_24H:
        return make_range(now - DAY, now, tick or _TICKS[summed], offset)
    if summed is Summed.ALL:
        return make_range(min(first, now), now, tick or max(_tick_for(now - first), Tick.DAY, key=_size), offset)
    since, end = named_bounds(summed, date, offset)
    tick = tick or _TICKS[summed]
    until = min(end, _next(bucket_start(now, tick, offset), tick, offset)) if now < end else end
    return make_range(since, max(since, until), tick, offset)


def named_bounds(summed: Summed, date: int, offset: int) -> tuple[int, int]:
    """Return where the zone's day, week, month, quarter or year around a moment begins and ends."""
    if summed in (Summed.DAILY, Summed.WEEKLY):
        tick = Tick.DAY if summed is Summed.DAILY else Tick.WEEK
        start = bucket_start(date, tick, offset)
        return start, start + _LENGTHS[tick]
    span = _MONTHS[summed]
    local = _moment(date + offset)
    month = local.month - 1 - (local.month - 1) % span
    return _month(local.year, month) - offset, _month(local.year, month + span) - offset


def range_before(summed: Summed | None, shown: TimeRange) -> tuple[int, int]:
    """Return the period before a range: the calendar's for a named one, as long as what is over of it."""
    length = shown.until - shown.since
    if summed is None or summed in (Summed.LAST_24H, Summed.ALL):
        return shown.since - length, shown.since
    start, end = named_bounds(summed, shown.since - 1, shown.offset)
    whole = shown.until == named_bounds(summed, shown.since, shown.offset)[1]
    return start, end if whole else min(start + length, end)


def bucket_start(moment: int, tick: Tick, offset: int = 0) -> int:
    """Return where the zone's bucket around a moment begins."""
    length = _LENGTHS.get(tick)
    if length is None:
        local = _moment(moment + offset)
        return _month(local.year, local.month - 1) - offset
    base = (_FIRST_MONDAY if tick is Tick.WEEK else 0) - offset
    return base + (moment - base) // length * length


def _next(start: int, tick: Tick, offset: int) -> int:
    length = _LENGTHS.get(tick)
    if length is not None:
        return start + length
    local = _moment(start + offset)
    return _month(local.year, local.month) - offset


def _tick_for(length: int) -> Tick:
    if length <= 3 * HOUR:
        return Tick.MINUTE
    return Tick.HOUR if length <= 3 * DAY else Tick.DAY if length <= 366 * DAY else Tick.MONTH


def _size(tick: Tick) -> int:
    return _LENGTHS.get(tick, _MONTH)


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _month(year: int, month: int) -> int:
    """Return where a month begins, from 0 on, and beyond 11 in the next year."""
    return (datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * 1000

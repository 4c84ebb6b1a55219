"""Periods: the spans of time by which limits, budgets and sums begin anew. All of them are UTC's.

Law: pure. A period's number grows by one with each, so a counter knows by comparing two numbers that it begins anew.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

_NS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Period(StrEnum):
    LIFETIME = "lifetime"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"  # from Monday on
    MONTH = "month"
    YEAR = "year"


_LENGTHS: Final = {
    Period.MINUTE: 60 * _NS,
    Period.HOUR: 3600 * _NS,
    Period.DAY: 86_400 * _NS,
    Period.WEEK: 604_800 * _NS,
}
_FIRST_MONDAY: Final = 4 * 86_400 * _NS  # 1970-01-05
_MONTHS: Final = {Period.MONTH: 1, Period.YEAR: 12}


class Window(NamedTuple):
    """One period: its number, its beginning and its end, in ns since the epoch; a lifetime has no end."""

    number: int
    start: int
    end: int | None


ALWAYS: Final = Window(0, 0, None)


def window_at(period: Period, now: int, anchor: int = 0) -> Window:
    """Return the window that a moment is in. With an anchor, weeks and months begin where they would count from it."""
    if period is Period.LIFETIME:
        return ALWAYS
    length = _LENGTHS.get(period)
    if length is not None:
        offset = anchor or (_FIRST_MONDAY if period is Period.WEEK else 0)
        number = (now - offset) // length
        start = offset + number * length
        return Window(number, start, start + length)
    return _months_at(_MONTHS[period], now, anchor)


def _months_at(span: int, now: int, anchor: int) -> Window:
    """Return the window of calendar months; an anchor late in a month means the last day of shorter ones."""
    first = _moment(anchor)
    number = (_months_of(_moment(now)) - _months_of(first)) // span + 1
    while _nth(first, number, span) > now:
        number -= 1
    return Window(number, _nth(first, number, span), _nth(first, number + 1, span))


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def _months_of(moment: datetime) -> int:
    return moment.year * 12 + moment.month - 1


def _nth(first: datetime, number: int, span: int) -> int:
    year, month = divmod(_months_of(first) + number * span, 12)
    day = first.day
    while True:
        try:
            moment = first.replace(year=year, month=month + 1, day=day)
        except ValueError:
            day -= 1
            continue
        return (moment - _EPOCH) // timedelta(microseconds=1) * 1000

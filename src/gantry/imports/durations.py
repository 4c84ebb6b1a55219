"""LiteLLM's spans of time, `30d` or `1mo`, as Gantry's periods, days and seconds. Pure."""

import re
from typing import Any, Final

from gantry.core.periods import Period
from gantry.imports.amounts import amount_in

_SPAN: Final = re.compile(r"(\d+)(s|m|h|d|w|mo|y)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "mo": 30 * 86_400, "y": 365 * 86_400}
_DAY: Final = 86_400
# A month is 28 to 31 days, a year 365 or 366: whoever wrote `30d` meant one.
_PERIODS: Final = (
    (range(60, 61), Period.MINUTE),
    (range(3600, 3601), Period.HOUR),
    (range(_DAY, _DAY + 1), Period.DAY),
    (range(7 * _DAY, 7 * _DAY + 1), Period.WEEK),
    (range(28 * _DAY, 31 * _DAY + 1), Period.MONTH),
    (range(365 * _DAY, 366 * _DAY + 1), Period.YEAR),
)


def seconds_in(text: Any) -> int | None:
    """Return how long a span is; None where it is none."""
    if isinstance(text, int | float):
        number = amount_in(text)
        return None if number is None else int(number)
    found = _SPAN.fullmatch(str(text).strip().lower())
    return None if found is None else int(found[1]) * _SECONDS[found[2]]


def period_of(text: Any) -> Period | None:
    """Return the period that a span is; LIFETIME for nothing, None for one that is no period here."""
    if text in (None, ""):
        return Period.LIFETIME
    seconds = seconds_in(text)
    return next((period for span, period in _PERIODS if seconds is not None and seconds in span), None)


def days_in(text: Any) -> int | None:
    """Return how many days a span is, at least one."""
    seconds = seconds_in(text)
    return None if seconds is None or seconds <= 0 else max(1, seconds // _DAY)

"""Dates as HTTP has them (RFC 9110 §5.6.7): the form of today and the two of before, all of them UTC's.

Law: what is no date is None. The standard library's reader is that of e-mail, and comes with all of it: 2 MB.
"""

import re
from datetime import UTC, datetime
from typing import Final

_MONTHS: Final = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAY: Final = "(?P<day>[0-9]{1,2})"
_MONTH: Final = "(?P<month>[a-z]{3})"
_TIME: Final = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS: Final = (
    re.compile(rf"[a-z]+, {_DAY}[ -]{_MONTH}[ -](?P<year>[0-9]{{4}}|[0-9][0-9]) {_TIME} (?:gmt|utc|\+0000)"),
    re.compile(rf"[a-z]{{3}} {_MONTH} +{_DAY} {_TIME} (?P<year>[0-9]{{4}})"),
)
_CENTURY: Final = 70  # a year of two digits from here on is of the last one


def read_http_date(text: str) -> float | None:
    """Return a date in seconds since the epoch."""
    for form in _FORMS:
        found = form.fullmatch(text.strip().lower())
        if found is None or found["month"] not in _MONTHS:
            continue
        year = int(found["year"])
        if len(found["year"]) == 2:
            year += 1900 if year >= _CENTURY else 2000
        month, second = _MONTHS.index(found["month"]) + 1, min(int(found["second"]), 59)  # 60 is a leap second
        try:
            moment = datetime(
                year, month, int(found["day"]), int(found["hour"]), int(found["minute"]), second, tzinfo=UTC
            )
        except ValueError:
            return None
        return moment.timestamp()
    return None

"""When an hour's spend is far above what is usual at that hour. Pure.

Law: robust, so that one bad day does not become what is usual: the median of the same hour of the last four weeks, and
the median deviation from it. Beside that stands a ratio to the second highest of those hours and their neighbours:
growth, however long it goes on, is never alarming, for yesterday was nearly as high, and what comes every week is not
either. Whoever has less than a week behind is measured by all hours of the last three days instead, and by nothing in
the first one.
"""

from collections.abc import Mapping
from statistics import median
from typing import Final

from msgspec import Struct

from gantry.core.alert import AlertRules

_DAYS: Final = 28
_HOURS: Final = 24
_LEAST_DAYS: Final = 7
_RECENT_HOURS: Final = 72
_SIGMA: Final = 1.4826  # of a normal distribution, for each median deviation


class Anomaly(Struct, frozen=True):
    """Nano-dollars: what was spent, what is usual, and from where on it is far above that."""

    spent: int
    usual: int
    threshold: int


def hours_before(hour: int) -> list[int]:
    """Return the hours that an hour is judged by."""
    same = [hour - _HOURS * day + near for day in range(1, _DAYS + 1) for near in (-1, 0, 1)]
    return sorted({*same, *range(hour - _RECENT_HOURS, hour)})


def judge(hour: int, spent: int, past: Mapping[int, int], rules: AlertRules) -> Anomaly | None:
    """Return an anomaly where what was spent in an hour so far is one. `past` has what `hours_before` cost."""
    began = min((earlier for earlier, cost in past.items() if cost > 0), default=hour)
    days = [hour - _HOURS * day for day in range(1, _DAYS + 1)]
    usual = [past.get(earlier, 0) for earlier in days if earlier >= began]
    nearby = [past.get(earlier + near, 0) for earlier in days for near in (-1, 0, 1)]
    if len(usual) < _LEAST_DAYS:
        usual = nearby = [past.get(earlier, 0) for earlier in range(max(began, hour - _RECENT_HOURS), hour)]
        if len(usual) < _HOURS:
            return None
    middle = median(usual)
    deviation = _SIGMA * median(abs(cost - middle) for cost in usual)
    second = sorted(nearby)[-2]
    line = max(
        middle + rules.anomaly_deviations * deviation,
        rules.anomaly_ratio * second,
        float(rules.anomaly_floor),
    )
    return Anomaly(spent, round(middle), round(line)) if spent > line else None

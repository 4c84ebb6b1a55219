"""By which column a table's rows belong to a day: what moves and what is compared goes by it."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement

_DAY: Final = 86_400_000_000_000  # ns
# The column, and how many of it make a day.
TIMES: Final[Mapping[str, tuple[str, int]]] = {
    "request_logs": ("started_at", _DAY),
    "credit_entries": ("created_at", _DAY),
    "minute_sums": ("minute", 1440),
    "hour_sums": ("hour", 24),
    "hour_sketches": ("hour", 24),
    "day_sums": ("day", 1),
    "day_sketches": ("day", 1),
    "customer_days": ("day", 1),
    "alerts": ("raised_at", _DAY),
    "deliveries": ("created_at", _DAY),
    "audit_entries": ("at", _DAY),
}
# Tables that are as large as there are logs, and of which few days change: those that did are copied again, by the day.
BY_DAYS: Final = (
    "credit_entries",
    "minute_sums",
    "hour_sums",
    "hour_sketches",
    "day_sums",
    "day_sketches",
    "customer_days",
)


def day_of(column: ColumnElement[Any], per_day: int) -> ColumnElement[Any]:
    """Return the day of a time. Both engines divide whole numbers alike, also those from before 1970."""
    return column if per_day == 1 else column.op("/")(per_day)


def day_in_sql(table: str, prefix: str = "") -> str:
    """Return the same as SQL, of a row that goes by a prefix."""
    column, per_day = TIMES[table]
    return f"{prefix}{column} / {per_day}"

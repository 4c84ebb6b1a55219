"""Whether what moved is what there was: counts and sums of each table, by the day where it has one.

Law: exact. Sums of 64-bit numbers may pass 64 bits, which SQLite refuses to add: they are added in two parts.
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, func, literal_column, select

from gantry.store.control_tables import CONTROL
from gantry.store.log_tables import LOGS, request_log_bodies, request_logs
from gantry.store.metadata import Sum
from gantry.store.move_days import TIMES, day_of

_PART: Final = 1_000_000_000
# Of a row's own numbers, those that are added up anywhere; in other tables all sums are, and these.
_OF_LOGS: Final = (
    "cost charged customer_cost cache_savings input_tokens output_tokens total_tokens cached_input_tokens "
    "reasoning_tokens latency request_bytes response_bytes status_code"
).split()
_AMOUNTS: Final = frozenset(("amount", "period_budget", "total_budget"))
Figures = dict[int, tuple[int, ...]]  # by day: the count, and the sums


class Difference(Struct, frozen=True):
    """A day of a table where both do not say the same."""

    table: str
    day: int
    source: tuple[int, ...]
    target: tuple[int, ...]


def tables() -> list[Table]:
    """Return the tables that are compared: all."""
    return [table for tree in (CONTROL, LOGS) for table in tree.metadata.sorted_tables]


def figures_of(connection: Connection, table: Table) -> Figures:
    """Return count and sums of a table, by the day."""
    time, per_day = TIMES.get(table.name, ("", 1))
    day: ColumnElement[Any] = day_of(table.c[time], per_day) if time else literal_column("0")
    columns: list[ColumnElement[Any]] = [table.c[name] for name in _summed(table)]
    if table is request_log_bodies:
        columns = [func.length(table.c.content)]
    parts = [part for column in columns for part in _sum(connection, column)]
    query = select(day.label("day"), func.count(), *parts).select_from(table).group_by("day")
    found: Figures = {}
    for row in connection.execute(query):
        sums = [int(value or 0) for value in row[2:]]
        if connection.dialect.name == "sqlite":
            sums = [high * _PART + low for high, low in zip(sums[::2], sums[1::2], strict=True)]
        found[int(row[0])] = (int(row[1]), *sums)
    return found


def differences(table: Table, source: Figures, target: Figures) -> list[Difference]:
    return [
        Difference(table.name, day, source.get(day, ()), target.get(day, ()))
        for day in sorted(source.keys() | target.keys())
        if source.get(day) != target.get(day)
    ]


def _summed(table: Table) -> list[str]:
    if table is request_logs:
        return list(_OF_LOGS)
    return [column.name for column in table.c if column.type is Sum or column.name in _AMOUNTS]


def _sum(connection: Connection, column: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    if connection.dialect.name == "sqlite":
        return [func.sum(column.op("/")(_PART)), func.sum(column.op("%")(_PART))]
    return [func.sum(column)]

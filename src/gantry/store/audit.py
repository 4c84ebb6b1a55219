"""The books looked at by themselves: the same money summed along several ways must be the same, to the nano-dollar.

Law: nothing is mended here, and nothing is compared that need not agree: where logs were deleted, their sums go on; a
customer that was forgotten has none. A day is compared with its rows only where it has as many of them as it counted.

Sums are exact on both engines: SQLite's `sum` fails beyond 64 bits, and callers post numbers of 64 bits, so there the
upper and the lower half of each number are summed apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, func, literal_column, select

from gantry.core.credits import DAY, OF_CALLS
from gantry.core.money import NANO_PER_USD
from gantry.store.log_tables import (
    credit_entries,
    customer_days,
    customers,
    day_sums,
    hour_sums,
    minute_sums,
    request_logs,
)
from gantry.store.rollups import MINUTE, MINUTES_KEPT
from gantry.store.streamed import streamed

_LOW: Final = (1 << 32) - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONEY: Final = frozenset(("cost", "charged", "customer_cost"))
_AT_ONCE: Final = 5000  # rows in memory
_MINUTES: Final = 24 * 60
_SUMMED: Final = ("requests", "errors", "input_tokens", "output_tokens", "total_tokens", "cost", "charged", "unpriced")
_OF_ROWS: Final = ("cost", "charged")
_OF_CUSTOMERS: Final = ("requests", "errors", "input_tokens", "output_tokens", "total_tokens", "cost", "customer_cost")

Sums = dict[tuple[Any, ...], list[int]]  # by organization, and day where there is one


class Imbalance(Struct, frozen=True):
    """Two sums of the same that differ. Money is nano-dollars; a day is counted since the epoch, UTC."""

    organization_id: str
    what: str  # is summed
    one: str
    one_sum: int
    other: str
    other_sum: int
    day: int | None = None
    log_id: str | None = None

    @property
    def sentence(self) -> str:
        where = self.organization_id
        if self.day is not None:
            where += f" on {(_EPOCH + timedelta(days=self.day)).date()}"
        if self.log_id is not None:
            where += f", log {self.log_id}"
        one, other = self._said(self.one_sum), self._said(self.other_sum)
        return f"{self.what} of {where}: {one} by {self.one}, {other} by {self.other}"

    def _said(self, amount: int) -> str:
        return f"${Decimal(amount) / NANO_PER_USD:.9f}" if self.what in _MONEY else str(amount)


def audit_books(connection: Connection, now: int, first_day: int = 0, *, rows: bool = True) -> list[Imbalance]:
    """Return where the books differ, from a day on; the ledger as a whole. `rows`: look into each log, too."""
    return [
        *_ledger(connection),
        *_levels(connection, first_day),
        *_minutes(connection, now),
        *_logs(connection, first_day),
        *_customers(connection, first_day),
        *(_parts(connection, first_day) if rows else ()),
    ]


def _ledger(connection: Connection) -> Iterator[Imbalance]:
    """What calls entered in the ledger, and what their sums say they were charged."""
    entries = credit_entries.c
    of_calls = entries.kind.in_(sorted(OF_CALLS))
    entered = _sums(connection, [entries.organization_id], [entries.amount], of_calls)
    charged = _sums(connection, [day_sums.c.organization_id], [day_sums.c.charged])
    entered = {key: [-amount] for key, (amount,) in entered.items()}
    yield from _differences(["charged"], "the ledger", entered, "sums by day", charged)


def _levels(connection: Connection, first_day: int) -> Iterator[Imbalance]:
    hours, days = hour_sums.c, day_sums.c
    by_hour = _sums(
        connection,
        [hours.organization_id, hours.hour // 24],
        [hours[name] for name in _SUMMED],
        hours.hour >= 24 * first_day,
    )
    by_day = _sums(
        connection, [days.organization_id, days.day], [days[name] for name in _SUMMED], days.day >= first_day
    )
    yield from _differences(_SUMMED, "sums by hour", by_hour, "sums by day", by_day)


def _minutes(connection: Connection, now: int) -> Iterator[Imbalance]:
    """Minutes are kept for some days only: from the first whole day on. What comes late is older, until it goes."""
    minutes, days = minute_sums.c, day_sums.c
    oldest = connection.scalar(select(func.min(minutes.minute)))
    if oldest is None:
        return
    first = -(-max(oldest, now // MINUTE - MINUTES_KEPT) // _MINUTES)
    by_minute = _sums(
        connection,
        [minutes.organization_id, minutes.minute // _MINUTES],
        [minutes[name] for name in _SUMMED],
        minutes.minute >= first * _MINUTES,
    )
    by_day = _sums(connection, [days.organization_id, days.day], [days[name] for name in _SUMMED], days.day >= first)
    yield from _differences(_SUMMED, "sums by minute", by_minute, "sums by day", by_day)


def _logs(connection: Connection, first_day: int) -> Iterator[Imbalance]:
    logs, days = request_logs.c, day_sums.c
    called = [logs.organization_id, logs.started_at // DAY]
    by_rows = _sums(
        connection, called, [logs[name] for name in _OF_ROWS], logs.started_at >= first_day * DAY, count=True
    )
    summed = [days.requests, *(days[name] for name in _OF_ROWS)]
    by_day = _sums(connection, [days.organization_id, days.day], summed, days.day >= first_day)
    whole = {key: sums for key, sums in by_day.items() if by_rows.get(key, [0])[0] == sums[0]}
    yield from _differences(
        ("requests", *_OF_ROWS), "logs", {key: by_rows.get(key, [0] * 3) for key in whole}, "sums by day", whole
    )


def _customers(connection: Connection, first_day: int) -> Iterator[Imbalance]:
    days, ever, logs = customer_days.c, customers.c, request_logs.c
    if first_day <= 0:
        key = [days.organization_id, days.environment, days.customer_identifier]
        by_day = _sums(connection, key[:1], [days[name] for name in _OF_CUSTOMERS])
        together = _sums(connection, [ever.organization_id], [ever[name] for name in _OF_CUSTOMERS])
        yield from _differences(_OF_CUSTOMERS, "customers", together, "customers by day", by_day)
    cost = func.coalesce(logs.customer_cost, logs.cost)
    named = and_(logs.customer_identifier.is_not(None), logs.started_at >= first_day * DAY)
    by_rows = _sums(connection, [logs.organization_id, logs.started_at // DAY], [logs.cost, cost], named, count=True)
    of_day = [days.requests, days.cost, days.customer_cost]
    of_days = _sums(connection, [days.organization_id, days.day], of_day, days.day >= first_day)
    whole = {key: sums for key, sums in of_days.items() if by_rows.get(key, [0])[0] == sums[0]}
    names = ("requests", "cost", "customer_cost")
    rows = {key: by_rows.get(key, [0] * 3) for key in whole}
    yield from _differences(names, "logs with customers", rows, "customers by day", whole)


def _parts(connection: Connection, first_day: int) -> Iterator[Imbalance]:
    """Each log against its own breakdown, of which each part is rounded on its own."""
    logs = request_logs.c
    wanted = select(logs.organization_id, logs.log_id, logs.cost, logs.cost_by_unit).where(
        logs.cost_by_unit.is_not(None), logs.started_at >= first_day * DAY
    )
    for row in streamed(connection, wanted, _AT_ONCE):
        parts = msgspec.json.decode(row.cost_by_unit, type=dict[str, int])
        total = sum(parts.values())
        if row.cost is None or abs(row.cost - total) > len(parts):
            yield Imbalance(
                row.organization_id, "cost", "the log", row.cost or 0, "its parts", total, log_id=row.log_id
            )


def _differences(
    names: Sequence[str], one: str, ones: Mapping[tuple[Any, ...], list[int]], other: str, others: Sums
) -> Iterator[Imbalance]:
    nothing = [0] * len(names)
    for key in sorted({*ones, *others}):
        for name, left, right in zip(names, ones.get(key, nothing), others.get(key, nothing), strict=True):
            if left != right:
                yield Imbalance(key[0], name, one, left, other, right, key[1] if len(key) > 1 else None)


def _sums(
    connection: Connection,
    key: Sequence[ColumnElement[Any]],
    values: Sequence[ColumnElement[Any]],
    where: ColumnElement[bool] | None = None,
    *,
    count: bool = False,
) -> Sums:
    """Return exact sums of values by a key, behind how many rows there are if that is to be counted."""
    is_sqlite = connection.dialect.name == "sqlite"
    wanted: list[ColumnElement[Any]] = [func.count()] if count else []
    for value in values:
        halves = (value.op(">>")(32), value.op("&")(_LOW)) if is_sqlite else (value,)
        wanted += [func.sum(half) for half in halves]
    places: list[ColumnElement[Any]] = [literal_column(str(place + 1)) for place in range(len(key))]
    statement = select(*key, *wanted).group_by(*places)
    found: Sums = {}
    for row in connection.execute(statement if where is None else statement.where(where)):
        names, sums = tuple(row[: len(key)]), [int(value or 0) for value in row[len(key) :]]
        counted, rest = (sums[:1], sums[1:]) if count else ([], sums)
        if is_sqlite:
            rest = [(high << 32) + low for high, low in zip(rest[::2], rest[1::2], strict=True)]
        found[(names[0], *map(int, names[1:]))] = counted + rest
    return found

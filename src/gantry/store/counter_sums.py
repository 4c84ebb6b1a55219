"""What counters would have counted: sums of the calls that began in a window, before a moment.

Law: sums know the day, the hour or the minute and not the moment, so what began after it is taken off again, by its
rows. Posted logs were counted by no limit, and refused calls by nobody; sums by customer know neither and have both.
A customer's period that begins within a day has that day whole.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, and_, case, func, or_, select

from gantry.core.credits import DAY
from gantry.core.limits import CustomerTerms
from gantry.core.request_log import CACHED_MODEL
from gantry.core.vocabulary import Environment, Outcome
from gantry.store.control_tables import api_keys
from gantry.store.customer_sums import TERMS, CustomerKey
from gantry.store.customers import terms_of
from gantry.store.engine_sql import ordered
from gantry.store.log_tables import HAS_MARKS, customer_days, customers, day_sums, hour_sums, minute_sums, request_logs
from gantry.store.streamed import streamed
from gantry.store.whole_sum import WholeSum

_NOT_COUNTED: Final = (Outcome.LOGGED.value, Outcome.REFUSED.value)
_SPANS: Final = ((DAY, day_sums, "day"), (DAY // 24, hour_sums, "hour"), (60_000_000_000, minute_sums, "minute"))
_AT_ONCE: Final = 5000  # rows in memory

Days = dict[int, int]  # cost with markup, by day


class Counts(Struct):
    requests: int = 0
    tokens: int = 0
    cost: int = 0

    def add(self, other: "Counts", sign: int = 1) -> None:
        self.requests += sign * other.requests
        self.tokens += sign * other.tokens
        self.cost += sign * other.cost


class Calls(Struct, frozen=True):
    """Those of one key for one model."""

    key_id: str
    environment: str
    model: str
    provider_id: str
    counts: Counts
    sign: int  # -1: taken off


def calls_between(connection: Connection, organization_id: str, start: int, end: int) -> Iterator[Calls]:
    """Yield what an organization's calls come to that began within a window's beginning and a moment."""
    table, number, least = _span_from(start)
    sums = table.c
    names = (sums.key_id, sums.environment, sums.model, sums.provider_id)
    statement = (
        select(*names, WholeSum(sums.requests), WholeSum(sums.total_tokens), WholeSum(sums.cost))
        .where(sums.organization_id == organization_id, number >= least, sums.outcome.not_in(_NOT_COUNTED))
        .group_by(*names)
    )
    yield from _calls(connection.execute(statement), 1)
    logs = request_logs.c
    called = (logs.key_id, logs.environment, logs.model, logs.provider_id)
    late = (
        select(*called, func.count(), WholeSum(_tokens()), WholeSum(logs.cost))
        .where(logs.organization_id == organization_id, logs.started_at >= end, logs.outcome.not_in(_NOT_COUNTED))
        .group_by(*called)
    )
    yield from _calls(connection.execute(late), -1)


def charged_before(connection: Connection, organization_id: str, end: int) -> int:
    """Return what calls were charged, ever, that began before a moment."""
    sums, logs = day_sums.c, request_logs.c
    ever = select(WholeSum(sums.charged)).where(sums.organization_id == organization_id)
    late = select(WholeSum(logs.charged)).where(logs.organization_id == organization_id, logs.started_at >= end)
    return int(connection.scalar(ever) or 0) - int(connection.scalar(late) or 0)


def customers_between(
    connection: Connection,
    organization_id: str,
    environment: Environment | None,
    customer: str | None,
    start: int,
    end: int,
) -> Iterator[tuple[str, Counts]]:
    """Yield what each customer's calls come to, or one's; both environments together where none is named."""
    logs, days = request_logs.c, customer_days.c
    chosen: list[ColumnElement[bool]] = [logs.organization_id == organization_id, logs.customer_identifier.is_not(None)]
    theirs: list[ColumnElement[bool]] = [days.organization_id == organization_id, days.day >= start // DAY]
    if environment is not None:
        chosen.append(logs.environment == environment.value)
        theirs.append(days.environment == environment.value)
    if customer is not None:
        chosen.append(logs.customer_identifier == customer)
        theirs.append(days.customer_identifier == customer)
    of_rows = select(logs.customer_identifier, func.count(), WholeSum(_tokens()), WholeSum(logs.cost)).group_by(
        logs.customer_identifier
    )
    if start % DAY:
        within = of_rows.where(*chosen, logs.started_at >= start, logs.started_at < end)
        for name, *counts in connection.execute(within.where(logs.outcome.not_in(_NOT_COUNTED))):
            yield name, _counts(counts)
        return
    late = {
        name: _counts(counts) for name, *counts in connection.execute(of_rows.where(*chosen, logs.started_at >= end))
    }
    of_days = select(
        days.customer_identifier, WholeSum(days.requests), WholeSum(days.total_tokens), WholeSum(days.cost)
    )
    grouped = of_days.where(*theirs).group_by(days.customer_identifier)
    for name, *counts in streamed(connection, grouped, _AT_ONCE):
        found = _counts(counts)
        if name in late:
            found.add(late[name], -1)
        yield name, found


def budgets_before(
    connection: Connection, since: int, end: int
) -> Iterator[tuple[CustomerKey, CustomerTerms, int, Days]]:
    """Yield the customers of whom is said what they may spend, with what they have spent ever and by day since a day.

    A million of them are never in memory together: two readings in one order are put side by side.
    """
    late = _late_costs(connection, end)
    by_day = _days_in_order(connection, since)
    key_of_days, days = next(by_day, (None, {}))
    for row in _in_order(connection):
        key = (row.organization_id, row.environment, row.customer_identifier)
        while key_of_days is not None and key_of_days < key:
            key_of_days, days = next(by_day, (None, {}))
        theirs = dict(days) if key_of_days == key else {}
        ever = int(row.customer_cost)
        for day, cost in late.get(key, {}).items():
            ever -= cost
            theirs[day] = theirs.get(day, 0) - cost
        yield key, terms_of(row), ever, theirs


def bound_keys(connection: Connection) -> dict[str, tuple[str, ...]]:
    """Return the keys on whose limits the calls of others count, by those others."""
    keys = api_keys.c
    rows = connection.execute(select(keys.id, keys.bound_by).where(keys.bound_by != "[]"))
    return {row.id: tuple(msgspec.json.decode(row.bound_by)) for row in rows}


def _span_from(start: int) -> tuple[Table, ColumnElement[int], int]:
    """Return the longest spans of which some begin with a window."""
    for length, table, name in _SPANS:
        if start % length == 0:
            return table, table.c[name], start // length
    raise ValueError(f"no sums begin at {start}")


def _tokens() -> ColumnElement[Any]:
    """Return the tokens of a row as the sums have them: of answers that somebody was paid for."""
    logs = request_logs.c
    total = func.coalesce(logs.total_tokens, logs.input_tokens + logs.output_tokens, 0)
    return case((func.coalesce(logs.model, "") == CACHED_MODEL, 0), else_=total)


def _calls(rows: Any, sign: int) -> Iterator[Calls]:
    for key_id, environment, model, provider_id, *counts in rows:
        yield Calls(key_id or "", environment, model or "", provider_id or "", _counts(counts), sign)


def _counts(values: Any) -> Counts:
    return Counts(*(int(value or 0) for value in values))


def _in_order(connection: Connection) -> Iterator[Any]:
    columns = customers.c
    said = or_(*(columns[name].is_not(None) for name in ("period_budget", "total_budget", "rate_limit")), HAS_MARKS)
    names = (columns.organization_id, columns.environment, columns.customer_identifier)
    wanted = (*names, columns.customer_cost, *(columns[name] for name in TERMS), columns.managed)
    statement = select(*wanted).where(said).order_by(*map(ordered, names))
    yield from streamed(connection, statement, _AT_ONCE)


def _days_in_order(connection: Connection, since: int) -> Iterator[tuple[CustomerKey | None, Days]]:
    columns = customer_days.c
    names = (columns.organization_id, columns.environment, columns.customer_identifier)
    statement = select(*names, columns.day, columns.customer_cost).where(columns.day >= since)
    rows = streamed(connection, statement.order_by(*map(ordered, names)), _AT_ONCE)
    known: CustomerKey | None = None
    days: Days = {}
    for row in rows:
        key = (row.organization_id, row.environment, row.customer_identifier)
        if key != known:
            if known is not None:
                yield known, days
            known, days = key, {}
        days[row.day] = int(row.customer_cost)
    if known is not None:
        yield known, days


def _late_costs(connection: Connection, end: int) -> Mapping[CustomerKey, Days]:
    """Return what customers spent by calls that began from a moment on."""
    logs = request_logs.c
    statement = select(
        logs.organization_id, logs.environment, logs.customer_identifier, logs.started_at, logs.customer_cost, logs.cost
    ).where(and_(logs.started_at >= end, logs.customer_identifier.is_not(None), logs.cost.is_not(None)))
    found: dict[CustomerKey, Days] = {}
    for organization_id, environment, customer, started_at, theirs, cost in connection.execute(statement):
        days = found.setdefault((organization_id, environment, customer), {})
        day = started_at // DAY
        days[day] = days.get(day, 0) + (cost if theirs is None else theirs)
    return found

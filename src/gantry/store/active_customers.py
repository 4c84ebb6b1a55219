"""How many of the callers' customers were there: by bucket of time, and in all.

Law: a customer counts once in a bucket, and once in all. Whole days are read from what is kept of customers by day; the
rest, and what that does not know, from rows. Buckets of rows alone take one statement together, for there may be ten
thousand.
"""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, select, union

from gantry.core.time_range import DAY, length_of
from gantry.store.log_filter import conditions_in
from gantry.store.log_query import matching
from gantry.store.log_tables import customer_days, request_logs
from gantry.store.together import together
from gantry.store.usage_sums import UsageQuery, logs_of


def count_by_bucket(connection: Connection, query: UsageQuery) -> list[int]:
    """Return how many customers each bucket has."""
    shown = query.shown
    bounds = [shown.bounds(number) for number in range(len(shown.starts))]
    if query.key_id is not None or conditions_in(query.filters) or (length_of(shown.tick) or DAY) < DAY:
        return _count_rows(connection, query)
    whole = {since // DAY for since, until in bounds if not since % DAY and until - since == DAY}
    by_day: dict[int, int] = {}
    if whole:
        columns = customer_days.c
        counted = func.count(columns.customer_identifier.distinct()) if query.environment is None else func.count()
        statement = select(columns.day, counted).where(*_in_days(query, min(whole), max(whole) + 1))
        found = {int(day): int(count) for day, count in connection.execute(statement.group_by(columns.day))}
        by_day = {day: found.get(day, 0) for day in whole}
    oldest = _oldest(connection, query)
    return [
        by_day[since // DAY]
        if since // DAY in by_day and until - since == DAY
        else _count(connection, query, since, until)
        if until > oldest
        else 0
        for since, until in bounds
    ]


def count_all(connection: Connection, query: UsageQuery) -> int:
    """Return how many customers the range has."""
    return _count(connection, query, query.shown.since, query.shown.until)


def _count_rows(connection: Connection, query: UsageQuery) -> list[int]:
    """Return how many customers each bucket has, by rows."""
    counts = [0] * len(query.shown.starts)
    if not counts:
        return counts
    columns, length = request_logs.c, length_of(query.shown.tick)
    if length is None:  # months
        return [_count(connection, query, *query.shown.bounds(number)) for number in range(len(counts))]
    number = (columns.started_at - query.shown.starts[0]) // length
    rows = matching(logs_of(query, query.shown.since, query.shown.until))
    statement = select(number.label("number"), func.count(columns.customer_identifier.distinct())).where(rows)
    for place, count in connection.execute(statement.group_by("number")):
        counts[int(place)] = int(count)
    return counts


def _oldest(connection: Connection, query: UsageQuery) -> int:
    """Return when the first log or day of an organization began; nothing is before it."""
    days, logs = customer_days.c, request_logs.c
    day = connection.scalar(select(func.min(days.day)).where(days.organization_id == query.organization_id))
    log = connection.scalar(select(func.min(logs.started_at)).where(logs.organization_id == query.organization_id))
    return min(query.shown.until if day is None else int(day) * DAY, query.shown.until if log is None else int(log))


def _count(connection: Connection, query: UsageQuery, since: int, until: int) -> int:
    if since >= until:
        return 0
    found = together(connection, _pieces(query, since, until), union)
    return connection.scalar(select(func.count()).select_from(found)) or 0


def _pieces(query: UsageQuery, since: int, until: int) -> list[Select[Any]]:
    """Return statements for the customers of a time, each once, which together may name some again."""
    first, last = -(-since // DAY), until // DAY
    if first >= last or query.key_id is not None or conditions_in(query.filters):
        return [_of_rows(query, since, until)]
    pieces = [_of_days(query, first, last)]
    if since < first * DAY:
        pieces.append(_of_rows(query, since, first * DAY))
    if last * DAY < until:
        pieces.append(_of_rows(query, last * DAY, until))
    return pieces


def _of_days(query: UsageQuery, first: int, last: int) -> Select[Any]:
    return select(customer_days.c.customer_identifier).where(*_in_days(query, first, last)).distinct()


def _in_days(query: UsageQuery, first: int, last: int) -> list[ColumnElement[bool]]:
    columns = customer_days.c
    conditions = [columns.organization_id == query.organization_id, columns.day >= first, columns.day < last]
    if query.environment is not None:
        conditions.append(columns.environment == query.environment.value)
    return conditions


def _of_rows(query: UsageQuery, since: int, until: int) -> Select[Any]:
    identifier = request_logs.c.customer_identifier
    return select(identifier).where(matching(logs_of(query, since, until)), identifier.is_not(None)).distinct()

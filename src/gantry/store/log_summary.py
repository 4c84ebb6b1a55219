"""One row of sums over the logs that match: from the sums by hour where they can tell, else from rows.

Law: both ways give the same for the same logs. The sums by hour know organization, environment, API key, model,
provider and outcome; they answer for the whole hours in a time range, and rows for the pieces at its ends. They go on
counting logs that were deleted: the money was spent.
"""

from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Connection, Float, Select, and_, case, cast, func, literal, select

from gantry.store.filter_sql import column_of, condition_of
from gantry.store.log_filter import EVERYTHING, FIELDS, Condition, Filter, conditions_in
from gantry.store.log_query import LogQuery, matching
from gantry.store.tables import request_logs, rollups

MOST_OPTIONS: Final = 1000
_HOUR: Final = 3_600_000_000_000
# As rows have it: what is unknown is NULL.
_HOURS: Final = select(
    *(
        func.nullif(column, "").label(column.name) if column.name in ("key_id", "model", "provider_id") else column
        for column in rollups.c
    )
).subquery("hours")
_SUMMED_BY: Final = frozenset(("key_id", "model", "provider_id", "outcome", "environment"))


class Summary(Struct, frozen=True):
    """Sums; money in nano-dollars, durations in ns, speeds in thousandths of a token per second."""

    requests: int = 0
    errors: int = 0
    cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    latency_sum: int = 0
    latency_count: int = 0
    time_to_first_token_sum: int = 0
    time_to_first_token_count: int = 0
    speed_sum: int = 0
    speed_count: int = 0


_SUMS: Final = Summary.__struct_fields__


def read_summary(connection: Connection, query: LogQuery) -> Summary:
    """Return the sums over all logs that match; page and order mean nothing here."""
    if not _is_summed_by_hour(query.filters):
        return _sums(connection, _of_rows(query))
    first = None if query.since is None else -(-query.since // _HOUR)
    last = None if query.until is None else query.until // _HOUR
    if first is not None and last is not None and first >= last:
        return _sums(connection, _of_rows(query))
    found = [_sums(connection, _of_hours(query, first, last, *_sums_of_hours()))]
    if first is not None and query.since != first * _HOUR:
        found.append(_sums(connection, _of_rows(structs.replace(query, until=first * _HOUR))))
    if last is not None and query.until != last * _HOUR:
        found.append(_sums(connection, _of_rows(structs.replace(query, since=last * _HOUR))))
    return Summary(*(sum(values) for values in zip(*map(structs.astuple, found), strict=True)))


def read_options(connection: Connection, query: LogQuery) -> dict[str, list[str]]:
    """Return the values that the sums by hour know of the query's time range, whole hours of it; the filters aside."""
    first = None if query.since is None else query.since // _HOUR
    last = None if query.until is None else -(-query.until // _HOUR)
    query = structs.replace(query, filters=EVERYTHING)
    options: dict[str, list[str]] = {}
    for name in sorted(_SUMMED_BY):
        rows = connection.execute(_of_hours(query, first, last, _HOURS.c[name]).distinct().limit(MOST_OPTIONS))
        options[name] = sorted(value for (value,) in rows if value is not None)
    return options


def _is_summed_by_hour(filters: Filter) -> bool:
    return all(_is_summed_by(condition) for condition in conditions_in(filters))


def _is_summed_by(condition: Condition) -> bool:
    return condition.field.column in _SUMMED_BY and condition.field.member is None


def _sums_of_hours() -> list[ColumnElement[Any]]:
    return [func.sum(_HOURS.c[name]) for name in _SUMS]


def _of_hours(query: LogQuery, first: int | None, last: int | None, *wanted: ColumnElement[Any]) -> Select[Any]:
    hours = _HOURS.c
    conditions = [hours.organization_id == query.organization_id, condition_of(query.filters, _HOURS)]
    if query.environment is not None:
        conditions.append(hours.environment == query.environment.value)
    if query.key_id is not None:
        conditions.append(hours.key_id == query.key_id)
    if first is not None:
        conditions.append(hours.hour >= first)
    if last is not None:
        conditions.append(hours.hour < last)
    return select(*wanted).where(*conditions)


def _of_rows(query: LogQuery) -> Select[Any]:
    speed = column_of(FIELDS["tokens_per_second"], request_logs)
    measured = {
        "requests": literal(1),
        "errors": case((column_of(FIELDS["failed"], request_logs), 1), else_=0),
        "cost": request_logs.c.cost,
        "input_tokens": request_logs.c.input_tokens,
        "output_tokens": request_logs.c.output_tokens,
        "total_tokens": column_of(FIELDS["total_tokens"], request_logs),
        **_sum_and_count("latency", request_logs.c.latency),
        **_sum_and_count("time_to_first_token", request_logs.c.time_to_first_token),
        **_sum_and_count("speed", speed * 1000),
    }
    # In floating point: callers post numbers of 64 bits, and an integer sum of them fails.
    return select(*(func.sum(cast(measured[name], Float)) for name in _SUMS)).where(and_(matching(query)))


def _sum_and_count(name: str, value: ColumnElement[Any]) -> dict[str, ColumnElement[Any]]:
    return {f"{name}_sum": value, f"{name}_count": case((value.is_not(None), 1), else_=0)}


def _sums(connection: Connection, statement: Select[Any]) -> Summary:
    return Summary(*(int(value or 0) for value in connection.execute(statement).one()))

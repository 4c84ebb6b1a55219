"""One row of sums over the logs that match: from the sums by day and by hour where they can tell, else from rows.

Law: all ways give the same for the same logs. The sums know organization, environment, API key, model, provider and
outcome; those by day answer for the whole days in a time range, those by hour for the whole hours at its ends, and rows
for what is left. They go on counting logs that were deleted: the money was spent.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    FromClause,
    Select,
    Table,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    select,
)

from gantry.core.request_log import CACHED_MODEL
from gantry.store.filter_sql import column_of, condition_of
from gantry.store.log_filter import EVERYTHING, FIELDS, Condition, Filter, conditions_in
from gantry.store.log_query import LogQuery, matching
from gantry.store.log_tables import day_sums, hour_sums, request_logs

MOST_OPTIONS: Final = 1000
_HOUR: Final = 3_600_000_000_000


class _Span(Struct, frozen=True):
    """A table of sums by so many nanoseconds, as rows have it: what is unknown is NULL."""

    length: int
    sums: FromClause
    number: ColumnElement[int]


def _span(length: int, name: str, table: Table) -> _Span:
    known = (
        func.nullif(column, "").label(column.name) if column.name in ("key_id", "model", "provider_id") else column
        for column in table.c
    )
    sums = select(*known).subquery(f"{name}s")
    return _Span(length, sums, sums.c[name])


_HOURS: Final = _span(_HOUR, "hour", hour_sums)
_DAYS: Final = _span(24 * _HOUR, "day", day_sums)
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
    cache_hits: int = 0
    cached_tokens: int = 0
    cache_savings: int = 0
    cached_input_tokens: int = 0  # of input_tokens: read from providers' prompt caches


_SUMS: Final = Summary.__struct_fields__


def read_summary(connection: Connection, query: LogQuery) -> Summary:
    """Return the sums over all logs that match; page and order mean nothing here."""
    spans = (_DAYS, _HOURS) if _is_summed(query.filters) else ()
    found = [_sums(connection, statement) for statement in _pieces(query, spans)]
    return Summary(*(sum(values) for values in zip(*map(structs.astuple, found), strict=True)))


def _pieces(query: LogQuery, spans: Sequence[_Span]) -> Iterator[Select[Any]]:
    """Return the statements whose sums make up the query's: its time range by the longest spans that fit into it."""
    if not spans:
        yield _of_rows(query)
        yield _saved_in_rows(query)
        return
    span, *shorter = spans
    first = None if query.since is None else -(-query.since // span.length)
    last = None if query.until is None else query.until // span.length
    if first is not None and last is not None and first >= last:
        yield from _pieces(query, shorter)
        return
    yield _of_spans(query, span, first, last, *(_sum_of(span.sums.c[name]) for name in _SUMS))
    if first is not None and query.since != first * span.length:
        yield from _pieces(structs.replace(query, until=first * span.length), shorter)
    if last is not None and query.until != last * span.length:
        yield from _pieces(structs.replace(query, since=last * span.length), shorter)


def read_options(connection: Connection, query: LogQuery) -> dict[str, list[str]]:
    """Return the values that the sums by hour know of the query's time range, whole hours of it; the filters aside."""
    first = None if query.since is None else query.since // _HOUR
    last = None if query.until is None else -(-query.until // _HOUR)
    query = structs.replace(query, filters=EVERYTHING)
    options: dict[str, list[str]] = {}
    for name in sorted(_SUMMED_BY):
        rows = connection.execute(
            _of_spans(query, _HOURS, first, last, _HOURS.sums.c[name]).distinct().limit(MOST_OPTIONS)
        )
        options[name] = sorted(value for (value,) in rows if value is not None)
    return options


def _is_summed(filters: Filter) -> bool:
    return all(_is_summed_by(condition) for condition in conditions_in(filters))


def _is_summed_by(condition: Condition) -> bool:
    return condition.field.column in _SUMMED_BY and condition.field.member is None


def _of_spans(
    query: LogQuery, span: _Span, first: int | None, last: int | None, *wanted: ColumnElement[Any]
) -> Select[Any]:
    columns = span.sums.c
    conditions = [columns.organization_id == query.organization_id, condition_of(query.filters, span.sums)]
    if query.environment is not None:
        conditions.append(columns.environment == query.environment.value)
    if query.key_id is not None:
        conditions.append(columns.key_id == query.key_id)
    if first is not None:
        conditions.append(span.number >= first)
    if last is not None:
        conditions.append(span.number < last)
    return select(*wanted).where(*conditions)


def _of_rows(query: LogQuery) -> Select[Any]:
    speed = column_of(FIELDS["tokens_per_second"], request_logs)
    hit, total = column_of(FIELDS["cache_hit"], request_logs), column_of(FIELDS["total_tokens"], request_logs)
    measured = {
        "requests": literal(1),
        "errors": case((column_of(FIELDS["failed"], request_logs), 1), else_=0),
        "cost": request_logs.c.cost,
        "input_tokens": case((not_(hit), request_logs.c.input_tokens)),
        "output_tokens": case((not_(hit), request_logs.c.output_tokens)),
        "total_tokens": case((not_(hit), total)),
        **_sum_and_count("latency", request_logs.c.latency),
        **_sum_and_count("time_to_first_token", request_logs.c.time_to_first_token),
        **_sum_and_count("speed", speed * 1000),
        "cache_hits": case((hit, 1), else_=0),
        "cached_tokens": case((hit, total)),
        "cache_savings": literal(0),
        "cached_input_tokens": case((not_(hit), request_logs.c.cached_input_tokens)),
    }
    return select(*(_sum_of(measured[name]) for name in _SUMS)).where(and_(matching(query)))


def _saved_in_rows(query: LogQuery) -> Select[Any]:
    """Return the statement for what hits saved: of few rows, and in no index that the sums above are read from."""
    saved = request_logs.c.cache_savings
    sums = (_sum_of(saved if name == "cache_savings" else literal(0)) for name in _SUMS)
    return select(*sums).where(request_logs.c.model == CACHED_MODEL, matching(query))


def _sum_of(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a sum in floating point: callers post numbers of 64 bits, and an integer sum of them fails."""
    return func.sum(cast(value, Float))


def _sum_and_count(name: str, value: ColumnElement[Any]) -> dict[str, ColumnElement[Any]]:
    return {f"{name}_sum": value, f"{name}_count": case((value.is_not(None), 1), else_=0)}


def _sums(connection: Connection, statement: Select[Any]) -> Summary:
    return Summary(*(int(value or 0) for value in connection.execute(statement).one()))

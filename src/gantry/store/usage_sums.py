"""Sums over calls by buckets of time and by one thing they are told apart by: what dashboards are made of.

Law: each call counts in exactly one bucket and one group, so the sums over any groups are the same as without, and all
ways give the same: days, hours and minutes where they lie within a bucket and are kept, rows for what is left of the
range's ends, and for questions that sums do not know. Sums go on counting logs that were deleted.

Where a zone's hours begin within ours (India, Nepal), an hour is counted where it begins, and the minutes after the
border are moved over: so nothing is lost where sums by the minute are kept no longer.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from msgspec import Struct
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
    text,
)
from sqlalchemy import select as select_from

from gantry.core.request_log import CACHED_MODEL
from gantry.core.time_range import DAY, HOUR, MINUTE, QUARTER, TimeRange, length_of
from gantry.core.vocabulary import Environment
from gantry.store.filter_sql import column_of, condition_of
from gantry.store.log_filter import EVERYTHING, FIELDS, Filter, conditions_in
from gantry.store.log_query import LogQuery, matching
from gantry.store.log_tables import customer_days, day_sums, hour_sums, minute_sums, request_logs
from gantry.store.together import together

# Names of columns of the sums; the rest of them no dashboard shows.
MEASURES: Final = tuple(
    """
    requests errors cost input_tokens output_tokens total_tokens latency_sum latency_count time_to_first_token_sum
    time_to_first_token_count speed_sum speed_count cache_hits cached_tokens cache_savings cached_input_tokens
    reasoning_tokens unpriced
    """.split()
)
_UNKNOWN: Final = ("key_id", "model", "provider_id", "credential_id")  # '' in the sums, NULL in rows
_SUMMED: Final = frozenset((*_UNKNOWN, "outcome", "environment", "status_code", "status", "failed", "cache_hit"))
_CUSTOMER: Final = "customer_identifier"

Measure = tuple[str, str | None]  # a measure, or one for each of another
Sums = list[int]  # in the order of MEASURES
Found = dict[tuple[int, str], Sums]  # by bucket, and by group; '' is what is unknown


class UsageQuery(Struct, frozen=True, kw_only=True):
    """Which calls are summed up. `key_id` is the one API key whose calls may be seen; None: all."""

    organization_id: str
    shown: TimeRange
    environment: Environment | None = None  # None: both
    key_id: str | None = None
    filters: Filter = EVERYTHING


class _Span(Struct, frozen=True):
    """A table of sums by so many nanoseconds."""

    length: int
    sums: FromClause
    number: ColumnElement[int]


def _span(length: int, name: str, table: Table) -> _Span:
    known = (func.nullif(column, "").label(column.name) if column.name in _UNKNOWN else column for column in table.c)
    sums = select_from(*known).subquery(f"{table.name}_known")
    return _Span(length, sums, sums.c[name])


_SPANS: Final = (
    _span(DAY, "day", day_sums),
    _span(HOUR, "hour", hour_sums),
    _span(MINUTE, "minute", minute_sums),
)
_CUSTOMER_SPANS: Final = (_span(DAY, "day", customer_days),)
CUSTOMER_MEASURES: Final = tuple(name for name in MEASURES if name in customer_days.c)


def nothing() -> Sums:
    return [0] * len(MEASURES)


def read_usage(
    connection: Connection,
    query: UsageQuery,
    by: str | None = None,
    *,
    only: Sequence[str] | None = None,
    exactly: bool = False,
) -> Found:
    """Return the sums by bucket and by a field of a log, a name of `log_filter.FIELDS`; where nothing was, is nothing.

    `only` some groups, where they are named. Days of customers know CUSTOMER_MEASURES only; `exactly` asks rows for
    all measures.
    """
    found: Found = {}
    spans = spans_for(query, by)
    if exactly and spans is _CUSTOMER_SPANS:
        spans = ()
    _Reading(connection, query, by, found, only).cover(query.shown.since, query.shown.until, spans)
    return found


def largest_customers(connection: Connection, query: UsageQuery, measure: Measure, most: int) -> list[str]:
    """Return the customers that have most of a measure of CUSTOMER_MEASURES in the range, the first first."""
    found = together(connection, list(_customers_in(query, measure)))
    called, part = found.c.called, func.sum(found.c.part)
    whole = func.nullif(func.sum(found.c.whole), 0)
    size = part if measure[1] is None else part / whole
    ranked = select_from(called).group_by(called).order_by(size.desc().nulls_last(), called.desc()).limit(most)
    return list(connection.scalars(ranked))


def sum_customers(connection: Connection, query: UsageQuery, measure: str) -> int:
    """Return the sum of a measure over all calls of the range that have a customer."""
    found = together(connection, list(_customers_in(query, (measure, None))))
    return int(connection.scalar(select_from(func.sum(found.c.part))) or 0)


def _customers_in(query: UsageQuery, measure: Measure) -> Iterator[Select[Any]]:
    """Yield statements that together have all customers of the range, some of them several times."""
    since, until = query.shown.since, query.shown.until
    first, last = -(-since // DAY), until // DAY
    days = customer_days.c
    if first >= last or not spans_for(query, _CUSTOMER):
        yield _customer_rows(query, measure, since, until)
        return
    conditions = [days.organization_id == query.organization_id, days.day >= first, days.day < last]
    if query.environment is not None:
        conditions.append(days.environment == query.environment.value)
    sums = (cast(days[name], Float) if name else literal(0.0) for name in measure)
    part, whole = (func.sum(one) for one in sums)
    called = days.customer_identifier
    yield (
        select_from(called.label("called"), part.label("part"), whole.label("whole"))
        .where(*conditions)
        .group_by(called)
    )
    for start, end in ((since, first * DAY), (last * DAY, until)):
        if start < end:
            yield _customer_rows(query, measure, start, end)


def _customer_rows(query: UsageQuery, measure: Measure, since: int, until: int) -> Select[Any]:
    called, measures = request_logs.c.customer_identifier, measures_of_rows()
    part, whole = (sum_of(measures[name]) if name else literal(0.0) for name in measure)
    statement = select_from(called.label("called"), part.label("part"), whole.label("whole"))
    return statement.where(called.is_not(None), matching(logs_of(query, since, until))).group_by(called)


def spans_for(query: UsageQuery, by: str | None) -> Sequence[_Span]:
    """Return the tables of sums that know what is asked, the longest first."""
    conditions = conditions_in(query.filters)
    if by == _CUSTOMER and not conditions and query.key_id is None:
        return _CUSTOMER_SPANS
    known = all(one.field.column in _SUMMED and one.field.member is None for one in conditions)
    return _SPANS if known and (by is None or FIELDS[by].column in _SUMMED) else ()


class _Reading:
    """One question, answered piece by piece."""

    def __init__(
        self,
        connection: Connection,
        query: UsageQuery,
        by: str | None,
        found: Found,
        only: Sequence[str] | None,
    ) -> None:
        self._connection: Final = connection
        self._query: Final = query
        self._shown: Final = query.shown
        self._by: Final = by
        self._found: Final = found
        self._only: Final = only
        self._minutes_from = 0  # when sums by the minute begin; known once they are asked

    def cover(self, since: int, until: int, spans: Sequence[_Span]) -> None:
        """Count what is between two moments, by the longest spans that fit into it and into the buckets."""
        if since >= until:
            return
        if not spans:
            self._count_rows(since, until)
            return
        span, *shorter = spans
        if span.length == MINUTE:
            kept = min(max(self._first_minute(), since), until)
            self._count_rows(since, kept)
            since = kept
        cuts = [start for start in self._shown.starts if since < start < until and start % span.length]
        first, last = -(-since // span.length), until // span.length
        split = span.length == HOUR and (length_of(self._shown.tick) or DAY) >= HOUR and bool(shorter)
        if first >= last or (cuts and not split):
            self.cover(since, until, shorter)
            return
        self._add(self._of_spans(span, first, last), 1)
        counted = {bucket for bucket, _ in self._found}
        for cut in cuts:
            within = first * span.length < cut < last * span.length
            if within and self._shown.bucket_of(cut) - 1 in counted and cut + HOUR > self._first_minute():
                self._move(cut, shorter[0])
        self.cover(since, first * span.length, shorter)
        self.cover(last * span.length, until, shorter)

    def _first_minute(self) -> int:
        """Return from when on there are sums by the minute, which are kept for some days only."""
        if not self._minutes_from:
            minutes = minute_sums.c
            oldest = select_from(func.min(minutes.minute)).where(minutes.organization_id == self._query.organization_id)
            found = self._connection.scalar(oldest)
            self._minutes_from = self._shown.until if found is None else int(found) * MINUTE
        return self._minutes_from

    def _move(self, cut: int, minutes: _Span) -> None:
        """Move the minutes of a hour from a border on to the bucket that begins there."""
        bucket = self._shown.bucket_of(cut)
        end = (cut // HOUR + 1) * HOUR
        statement = self._of_spans(minutes, cut // MINUTE, end // MINUTE, bucket=bucket)
        for _, group, *sums in self._connection.execute(statement):
            amounts = [int(amount or 0) for amount in sums]
            self._add_one(bucket, group or "", amounts, 1)
            self._add_one(bucket - 1, group or "", amounts, -1)

    def _add(self, statement: Select[Any], sign: int) -> None:
        for place, group, *sums in self._connection.execute(statement):
            bucket = self._shown.bucket_of(int(place)) if place is not None and self._is_uneven else int(place or 0)
            self._add_one(bucket, group or "", [int(amount or 0) for amount in sums], sign)

    def _add_one(self, bucket: int, group: str, sums: Sums, sign: int) -> None:
        known = self._found.setdefault((bucket, group), nothing())
        for index, amount in enumerate(sums):
            known[index] += sign * amount

    @property
    def _is_uneven(self) -> bool:
        return len(self._shown.starts) > 1 and length_of(self._shown.tick) is None

    def _place(self, moment: ColumnElement[Any]) -> ColumnElement[Any]:
        """Return the number of the bucket of a moment; a moment of it where buckets are not of one length."""
        starts = self._shown.starts
        length = length_of(self._shown.tick)
        if len(starts) <= 1:
            return literal(0)
        return moment if length is None else (moment - starts[0]) // length

    def _of_spans(self, span: _Span, first: int, last: int, *, bucket: int | None = None) -> Select[Any]:
        columns, query = span.sums.c, self._query
        place = self._place(span.number * span.length) if bucket is None else literal(bucket)
        conditions = [
            columns.organization_id == query.organization_id,
            span.number >= first,
            span.number < last,
            condition_of(query.filters, span.sums),
        ]
        if query.environment is not None:
            conditions.append(columns.environment == query.environment.value)
        if query.key_id is not None:
            conditions.append(columns.key_id == query.key_id)
        group: ColumnElement[Any] = literal("") if self._by is None else column_of(FIELDS[self._by], span.sums)
        if self._only is not None:
            conditions.append(group.in_(self._only))
        sums = (sum_of(columns[name]) if name in columns else literal(0) for name in MEASURES)
        return _grouped(select_from(place.label("place"), group.label("called"), *sums).where(*conditions))

    def _count_rows(self, since: int, until: int) -> None:
        if since >= until:
            return
        for statement in self._of_rows(since, until):
            self._add(statement, 1)

    def _of_rows(self, since: int, until: int) -> Iterator[Select[Any]]:
        """Yield the statements over rows: what hits saved apart, for it stands in no index of the other measures."""
        asked = matching(logs_of(self._query, since, until))
        place = self._place(request_logs.c.started_at)
        if self._is_uneven:
            place = place // QUARTER * QUARTER
        group: ColumnElement[Any] = literal("") if self._by is None else column_of(FIELDS[self._by], request_logs)
        if self._only is not None:
            # Not a bare column: by its index, the largest groups would be read row by row.
            asked = and_(asked, func.coalesce(group, "").in_(self._only))
        group = group.label("called")
        measures = measures_of_rows()
        saved = measures.pop("cache_savings")
        sums = (sum_of(measures[name]) if name in measures else literal(0) for name in MEASURES)
        place = place.label("place")
        yield _grouped(select_from(place, group, *sums).where(asked))
        savings = (sum_of(saved) if name == "cache_savings" else literal(0) for name in MEASURES)
        hit = request_logs.c.model == CACHED_MODEL
        yield _grouped(select_from(place, group, *savings).where(hit, asked))


def measures_of_rows() -> dict[str, ColumnElement[Any]]:
    """Return what each measure is of one row."""
    columns = request_logs.c
    speed = column_of(FIELDS["tokens_per_second"], request_logs)
    hit, total = column_of(FIELDS["cache_hit"], request_logs), column_of(FIELDS["total_tokens"], request_logs)
    measured: dict[str, ColumnElement[Any]] = {
        "requests": literal(1),
        "errors": case((column_of(FIELDS["failed"], request_logs), 1), else_=0),
        "cost": columns.cost,
        "input_tokens": case((not_(hit), columns.input_tokens)),
        "output_tokens": case((not_(hit), columns.output_tokens)),
        "total_tokens": case((not_(hit), total)),
        "cache_hits": case((hit, 1), else_=0),
        "cached_tokens": case((hit, total)),
        "cache_savings": columns.cache_savings,
        "cached_input_tokens": case((not_(hit), columns.cached_input_tokens)),
        "reasoning_tokens": case((not_(hit), columns.reasoning_tokens)),
        "unpriced": case((columns.price_missing, 1), else_=0),
    }
    timed = (
        ("latency", columns.latency),
        ("time_to_first_token", columns.time_to_first_token),
        ("speed", speed * 1000),
    )
    for name, value in timed:
        measured |= {f"{name}_sum": value, f"{name}_count": case((value.is_not(None), 1), else_=0)}
    return measured


def read_bytes(connection: Connection, query: UsageQuery) -> dict[int, int]:
    """Return how many bytes of requests and answers the calls of each bucket had, from rows: sums do not know them."""
    shown = query.shown
    if shown.since >= shown.until:
        return {}
    asked = logs_of(query, shown.since, shown.until)
    columns = request_logs.c
    length = length_of(shown.tick)
    moment = columns.started_at
    place = moment // QUARTER * QUARTER if length is None else (moment - shown.starts[0]) // length
    said = sum_of(columns.request_bytes) + sum_of(columns.response_bytes)
    statement = select_from(place.label("place"), said).where(matching(asked)).group_by(text("place"))
    found: dict[int, int] = {}
    for number, amount in connection.execute(statement):
        bucket = shown.bucket_of(int(number)) if length is None else int(number)
        found[bucket] = found.get(bucket, 0) + int(amount or 0)
    return found


def first_day(connection: Connection, organization_id: str) -> int | None:
    """Return when the first day begins of which there are sums, ns since the epoch."""
    day = connection.scalar(select_from(func.min(day_sums.c.day)).where(day_sums.c.organization_id == organization_id))
    return None if day is None else int(day) * DAY


def logs_of(query: UsageQuery, since: int, until: int) -> LogQuery:
    """Return the logs of a part of what is asked for, where its sums do not tell it."""
    return LogQuery(
        organization_id=query.organization_id,
        environment=query.environment,
        since=since,
        until=until,
        key_id=query.key_id,
        filters=query.filters,
    )


def _grouped(statement: Select[Any]) -> Select[Any]:
    return statement.group_by(text("place"), text("called"))  # by name: bound values are not seen to be the same


def sum_of(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a sum in floating point: callers post numbers of 64 bits, and an integer sum of them fails."""
    return func.sum(cast(value, Float))

"""Quantiles of latency, time to the first token and speed by buckets of time, from the sketches that the clerk keeps.

Law: the sketches by hour and by day are merged where they lie within a bucket. What is left of the range's ends,
shorter buckets, and questions that sketches do not know are answered from rows, as sketches made on the spot. All tell
a quantile within 2 %. Where a zone's hours begin within ours, an hour is where it begins.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, FromClause, Table, func, select

from gantry.core.sketch import Sketch, add_encoded, bin_of, merge, sketch_in
from gantry.core.time_range import DAY, HOUR, Tick
from gantry.store.filter_sql import column_of, condition_of
from gantry.store.log_filter import FIELDS, conditions_in
from gantry.store.log_query import LogQuery, matching
from gantry.store.log_tables import day_sketches, hour_sketches, request_logs
from gantry.store.usage_sums import UsageQuery

QUANTILED: Final = ("latency", "time_to_first_token", "speed")
_KNOWN: Final = ("key_id", "model", "provider_id", "credential_id")
_SKETCHED: Final = frozenset((*_KNOWN, "environment", "cache_hit"))

Together = tuple[Sketch, Sketch, Sketch]  # in the order of QUANTILED
Sketches = dict[int, Together]  # by bucket


class _Span(Struct, frozen=True):
    length: int
    sketches: FromClause
    number: ColumnElement[int]


def _span(length: int, name: str, table: Table) -> _Span:
    known = (func.nullif(column, "").label(column.name) if column.name in _KNOWN else column for column in table.c)
    sketches = select(*known).subquery(f"{table.name}_known")
    return _Span(length, sketches, sketches.c[name])


_SPANS: Final = (_span(DAY, "day", day_sketches), _span(HOUR, "hour", hour_sketches))


def read_sketches(connection: Connection, query: UsageQuery) -> Sketches:
    """Return the distributions by bucket; a bucket without calls is not there."""
    asked = conditions_in(query.filters)
    known = all(one.field.column in _SKETCHED and one.field.member is None for one in asked)
    found: Sketches = {}
    if query.shown.since < query.shown.until:
        _cover(connection, query, query.shown.since, query.shown.until, _SPANS if known else (), found)
    return found


def _cover(
    connection: Connection, query: UsageQuery, since: int, until: int, spans: Sequence[_Span], found: Sketches
) -> None:
    if since >= until:
        return
    if not spans:
        _count_rows(connection, query, since, until, found)
        return
    span, *shorter = spans
    first, last = -(-since // span.length), until // span.length
    cut = any(start % span.length for start in query.shown.starts if since < start < until)
    fits = not cut or (span.length == HOUR and query.shown.tick is not Tick.MINUTE)
    if first >= last or not fits:
        _cover(connection, query, since, until, shorter, found)
        return
    _merge_span(connection, query, span, (first, last), found)
    _cover(connection, query, since, first * span.length, shorter, found)
    _cover(connection, query, last * span.length, until, shorter, found)


def _merge_span(
    connection: Connection, query: UsageQuery, span: _Span, numbers: tuple[int, int], found: Sketches
) -> None:
    columns = span.sketches.c
    conditions = [
        columns.organization_id == query.organization_id,
        span.number >= numbers[0],
        span.number < numbers[1],
        condition_of(query.filters, span.sketches),
    ]
    if query.environment is not None:
        conditions.append(columns.environment == query.environment.value)
    if query.key_id is not None:
        conditions.append(columns.key_id == query.key_id)
    statement = select(span.number, *(columns[name] for name in QUANTILED)).where(*conditions).order_by(span.number)
    rows = connection.execute(statement)
    for bucket, some in groupby(rows, lambda row: query.shown.bucket_of(int(row[0]) * span.length)):
        counts: list[list[int]] = [[] for _ in QUANTILED]
        for _, *blobs in some:
            for bins, blob in zip(counts, blobs, strict=True):
                if blob is not None:
                    add_encoded(bins, blob)
        for sketch, bins in zip(_at(found, bucket), counts, strict=True):
            merge(sketch, sketch_in(bins))


def _count_rows(connection: Connection, query: UsageQuery, since: int, until: int, found: Sketches) -> None:
    columns = request_logs.c
    asked = LogQuery(
        organization_id=query.organization_id,
        environment=query.environment,
        since=since,
        until=until,
        key_id=query.key_id,
        filters=query.filters,
    )
    speed = column_of(FIELDS["tokens_per_second"], request_logs)
    wanted: list[ColumnElement[Any]] = [columns.started_at, columns.latency, columns.time_to_first_token, speed]
    for started_at, latency, first, tokens in connection.execute(select(*wanted).where(matching(asked))):
        values = (latency, first, None if tokens is None else round(tokens * 1000))
        for sketch, value in zip(_at(found, query.shown.bucket_of(started_at)), values, strict=True):
            if value is not None:
                place = bin_of(int(value))
                sketch[place] = sketch.get(place, 0) + 1


def _at(found: Sketches, bucket: int) -> Together:
    known = found.get(bucket)
    if known is None:
        known = found[bucket] = {}, {}, {}
    return known

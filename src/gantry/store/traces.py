"""Traces: what the spans of each come to, and the spans of one. A span is a log that names its trace.

Law: a trace is told by its first span without a parent, or by its first of all.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, case, func, select

from gantry.core.request_log import RequestLog
from gantry.store.filter_sql import column_of
from gantry.store.group_sums import GroupSums, Viewer, first_of_each, read_numbered, sum_groups
from gantry.store.log_changes import delete_log
from gantry.store.log_filter import FIELDS
from gantry.store.log_query import LogQuery, matching
from gantry.store.log_tables import request_logs
from gantry.store.newest_groups import TRACE

COUNT_BOUND: Final = 100_000  # spans that a count of traces looks at


class Trace(Struct, frozen=True):
    sums: GroupSums
    root: RequestLog


class TraceCount(Struct, frozen=True):
    """How many traces have a span that matches; where it is not exact, at least so many."""

    traces: int
    exact: bool


def read_traces(connection: Connection, viewer: Viewer, trace_ids: Sequence[str]) -> list[Trace]:
    """Return some traces in the order of their ids; what is not there is left out."""
    if not trace_ids:
        return []
    is_child = case((column_of(FIELDS["is_root_span"], request_logs), 0), else_=1)
    order = (is_child, request_logs.c.started_at, request_logs.c.seq)
    sums = sum_groups(connection, viewer, TRACE, trace_ids)
    roots = first_of_each(connection, viewer, TRACE, trace_ids, order)
    return [Trace(sums[one], roots[one]) for one in trace_ids if one in sums and one in roots]


def read_spans(connection: Connection, viewer: Viewer, trace_id: str, limit: int) -> list[RequestLog]:
    """Return the first spans of a trace with what was said in them, as they began."""
    columns = request_logs.c
    statement = (
        select(columns.seq)
        .where(request_logs.c.trace_unique_id == trace_id, matching(viewer.query))
        .order_by(columns.started_at, columns.seq)
        .limit(limit)
    )
    found = read_numbered(connection, list(connection.scalars(statement)))
    return sorted(found.values(), key=lambda log: log.started_at)


def count_traces(connection: Connection, query: LogQuery) -> TraceCount:
    some = select(TRACE.label("name")).where(TRACE.is_not(None), matching(query)).limit(COUNT_BOUND + 1).subquery()
    traces, spans = connection.execute(select(func.count(some.c.name.distinct()), func.count())).one()
    return TraceCount(int(traces), int(spans) <= COUNT_BOUND)


def delete_spans(connection: Connection, viewer: Viewer, trace_id: str, limit: int) -> int:
    """Delete spans of a trace with all that was said in them, so many at most; return how many it were."""
    owned = (
        select(request_logs.c.log_id)
        .where(request_logs.c.trace_unique_id == trace_id, matching(viewer.query))
        .limit(limit)
    )
    log_ids = list(connection.scalars(owned))
    return sum(delete_log(connection, viewer.organization_id, viewer.key_id, log_id) for log_id in log_ids)

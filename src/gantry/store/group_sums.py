"""What the logs of a trace or a thread come to, and which of them tells what it is.

Law: sums are of all its logs that may be seen, also of those that a filter or a range of time left out when it was
found.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Float, case, cast, func, select

from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.store.filter_sql import column_of
from gantry.store.log_filter import FIELDS
from gantry.store.log_query import LogQuery, matching, rows_numbered
from gantry.store.log_rows import log_of
from gantry.store.log_tables import request_logs

_CALLS: Final = tuple(
    "text chat completion response embedding transcription speech generation reranker".split()
)  # of models


class Viewer(Struct, frozen=True):
    """Whose logs are seen: an organization's, of one environment or of both, of one API key or of all."""

    organization_id: str
    environment: Environment | None = None
    key_id: str | None = None

    @property
    def query(self) -> LogQuery:
        return LogQuery(organization_id=self.organization_id, environment=self.environment, key_id=self.key_id)


class GroupSums(Struct, frozen=True):
    """Times in ns since the epoch, money in nano-dollars."""

    name: str
    logs: int
    calls: int  # of models
    errors: int
    started_at: int
    ended_at: int
    cost: int
    input_tokens: int
    output_tokens: int
    total_tokens: int


def sum_groups(
    connection: Connection, viewer: Viewer, column: ColumnElement[str], names: Collection[str]
) -> dict[str, GroupSums]:
    """Return the sums of some groups by their names."""
    columns = request_logs.c
    failed, total = (column_of(FIELDS[name], request_logs) for name in ("failed", "total_tokens"))
    statement = (
        select(
            column,
            func.count(),
            func.sum(case((columns.log_type.in_(_CALLS), 1), else_=0)),
            func.sum(case((failed, 1), else_=0)),
            func.min(columns.started_at),
            func.max(columns.ended_at),
            # In floating point: callers post numbers of 64 bits, and an integer sum of them fails.
            *(
                func.coalesce(func.sum(cast(value, Float)), 0)
                for value in (columns.cost, columns.input_tokens, columns.output_tokens, total)
            ),
        )
        .where(column.in_(names), matching(viewer.query))
        .group_by(column)
    )
    return {name: GroupSums(name, *map(int, rest)) for name, *rest in connection.execute(statement)}


def first_of_each(
    connection: Connection,
    viewer: Viewer,
    column: ColumnElement[str],
    names: Collection[str],
    order: Sequence[ColumnElement[Any]],
) -> dict[str, RequestLog]:
    """Return the log of each group that is the first in an order, with what was said in it."""
    seq = request_logs.c.seq
    place = func.row_number().over(partition_by=column, order_by=order)
    ranked = (
        select(seq, column.label("name"), place.label("place"))
        .where(column.in_(names), matching(viewer.query))
        .subquery("ranked")
    )
    firsts = {
        row.seq: row.name for row in connection.execute(select(ranked.c.seq, ranked.c.name).where(ranked.c.place == 1))
    }
    return {firsts[seq]: log for seq, log in read_numbered(connection, list(firsts)).items()}


def read_numbered(connection: Connection, numbers: Sequence[int]) -> dict[int, RequestLog]:
    """Return the logs of some numbers by them, in their order."""
    if not numbers:
        return {}
    rows = connection.execute(rows_numbered(numbers, with_content=True).order_by(request_logs.c.seq))
    return {row.seq: log_of(row, row.content) for row in rows}

"""Pages of logs, and how many there are.

Law: a page costs what its place costs and not what stands before it: links carry cursors, a page's number counts rows
by their index or at least without what was said in them. A count is exact as far as counting is cheap: to a bound that
is high where an index counts alone, and low where it reads rows; beyond the bound it means "at least".
"""

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection

from gantry.core.request_log import RequestLog
from gantry.store.database import LOGS_APART
from gantry.store.log_query import (
    COUNT_BOUND,
    INDEXED_COUNT_BOUND,
    MAX_PAGE_SIZE,
    SEARCH_COUNT_BOUND,
    Cursor,
    LogPage,
    LogQuery,
    begun_at,
    by_arrival,
    chosen_rows,
    indexed_count,
    rows_numbered,
)
from gantry.store.log_rows import log_of
from gantry.store.log_spans import by_start, spans_of


class _Chosen(Struct, frozen=True):
    """The rows of a page, and how many match, as far as that was found on the way."""

    rows: Sequence[Any]
    more: bool
    count: int
    exact: bool


def read_page(connection: Connection, query: LogQuery, *, is_sqlite: bool) -> LogPage:
    """Return a page and, if it is asked for, the count."""
    if query.page < 1 or not 1 <= query.page_size <= MAX_PAGE_SIZE:
        raise ValueError(f"page counts from 1, and page_size is 1 to {MAX_PAGE_SIZE}")
    by_index = indexed_count(query) if query.count else None
    bound = SEARCH_COUNT_BOUND if by_arrival(query) else COUNT_BOUND
    if _are_apart(connection):
        query = by_start(query)
    chosen = _choose(connection, query, is_sqlite=is_sqlite, bound=bound if query.count and by_index is None else 0)
    count, exact = (chosen.count, chosen.exact) if query.count else (None, True)
    if by_index is not None:
        found = connection.scalar(by_index) or 0
        count, exact = min(found, INDEXED_COUNT_BOUND), found <= INDEXED_COUNT_BOUND
    rows = chosen.rows
    turned = query.cursor is not None and query.cursor.before
    if turned:
        rows = rows[::-1]
    begun = query.cursor is not None or query.page > 1  # something stands before the first row asked for
    more_before, more_after = (chosen.more, True) if turned else (begun, chosen.more)
    return LogPage(
        logs=_read_logs(connection, rows, query),
        count=count,
        exact=exact,
        next=_cursor(rows[-1], before=False) if rows and more_after else None,
        previous=_cursor(rows[0], before=True) if rows and more_before else None,
    )


def _choose(connection: Connection, query: LogQuery, *, is_sqlite: bool, bound: int) -> _Chosen:
    """Choose the rows of a page. Counting, to a bound above 0, reads on in the same pass over the rows."""
    start = (query.page - 1) * query.page_size
    end = start + query.page_size
    counting = end <= bound
    first, wanted = (0, bound + 1) if counting else (start, query.page_size + 1)
    apart = _are_apart(connection)
    found: Sequence[Any] = ()
    for span in spans_of(query, time.time_ns()) if apart else (query,):
        statement = chosen_rows(span, is_sqlite=is_sqlite, with_starts=apart)
        found = connection.execute(statement.limit(wanted).offset(first)).all()
        if len(found) == wanted:
            break
    if counting:
        return _Chosen(found[start:end], len(found) > end, min(len(found), bound), exact=len(found) <= bound)
    more = len(found) > query.page_size
    return _Chosen(found[: query.page_size], more, start + len(found), exact=not more and (bool(found) or not start))


def _read_logs(connection: Connection, chosen: Sequence[Any], query: LogQuery) -> list[RequestLog]:
    if not chosen:
        return []
    numbers = [row.seq for row in chosen]
    statement = rows_numbered(numbers, with_content=query.with_content)
    if _are_apart(connection):  # a number alone may be in every part of ClickHouse's table
        statement = statement.where(begun_at(query.organization_id, [row.started_at for row in chosen]))
    rows = connection.execute(statement).all()
    logs = {row.seq: log_of(row, row.content if query.with_content else None) for row in rows}
    return [logs[number] for number in numbers if number in logs]


def _are_apart(connection: Connection) -> bool:
    return LOGS_APART in connection.get_execution_options()


def _cursor(row: Any, *, before: bool) -> Cursor:
    value = int(row.value) if isinstance(row.value, Decimal) else row.value
    return Cursor(value, row.seq, before)

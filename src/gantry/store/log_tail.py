"""What has arrived since: logs by their numbers, for whoever watches them come.

Law: the numbers of what is new are read once, without regard to who asks; a question is then put to those rows alone,
so it costs what they do, and not what the organization has.
"""

from collections.abc import Sequence

from msgspec import structs
from sqlalchemy import Connection, func, select

from gantry.core.request_log import RequestLog
from gantry.store.log_query import LogQuery, matching, rows_numbered
from gantry.store.log_rows import log_of
from gantry.store.log_tables import request_logs

Numbered = list[tuple[int, RequestLog]]


def newest_number(connection: Connection) -> int:
    """Return the number of the log that arrived last; 0 when there is none."""
    return int(connection.scalar(select(func.max(request_logs.c.seq))) or 0)


def numbers_after(connection: Connection, number: int, most: int) -> list[int]:
    """Return the numbers of logs that came after one, in order of arrival."""
    seq = request_logs.c.seq
    return list(connection.scalars(select(seq).where(seq > number).order_by(seq).limit(most)))


def logs_among(connection: Connection, query: LogQuery, numbers: Sequence[int]) -> Numbered:
    """Return those of some logs that a query asks for, in order of arrival; its time range and page mean nothing."""
    if not numbers:
        return []
    asked = matching(structs.replace(query, since=None, until=None))
    rows = connection.execute(
        rows_numbered(numbers, with_content=query.with_content).where(asked).order_by(request_logs.c.seq)
    )
    return [(row.seq, log_of(row, row.content if query.with_content else None)) for row in rows]

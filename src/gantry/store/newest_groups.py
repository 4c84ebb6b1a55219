"""What several logs belong to, a trace or a thread: which of them there are, the one with the newest log first.

Law: a page costs what its place costs: logs are walked from the newest on, by an index of those that belong to
something, until there are as many names as a page has. A name is on the page of its newest log that matches; a later
page, which begins in the middle of the walk, asks of the names it meets whether they were shown before.

The count goes as far as a bounded number of logs, and beyond it means "at least".
"""

from collections.abc import Collection, Iterator
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from gantry.store.log_query import LogQuery, matching
from gantry.store.log_tables import request_logs

COUNT_BOUND: Final = 10_000  # logs that are walked for the sake of the count
_STEP: Final = 2_000  # logs of one statement

TRACE: Final = request_logs.c.trace_unique_id
THREAD: Final = request_logs.c.thread_identifier


class Place(Struct, frozen=True):
    """The last name of a page, and when its newest log began."""

    began: int
    name: str


class NewestGroups(Struct, frozen=True):
    """A page. `count` is of all that match; where it is not `exact`, there are at least so many."""

    names: list[str]
    count: int
    exact: bool
    next: Place | None  # None: nothing comes after


def read_newest(
    connection: Connection, column: ColumnElement[str], query: LogQuery, after: Place | None = None
) -> NewestGroups:
    """Return a page of the names in a column among the logs that match; `query.page` counts from `after`."""
    wanted = query.page * query.page_size
    found: dict[str, int] = {}
    walked, ended = 0, False
    for rows in _walk(connection, column, query, after):
        walked += len(rows)
        known = _shown_before(connection, column, query, after, {row.name for row in rows} - found.keys())
        for row in rows:
            if row.name not in known:
                found.setdefault(row.name, row.began)
        ended = len(rows) < _STEP
        if ended or (len(found) > wanted and (after is not None or walked >= COUNT_BOUND)):
            break
    places = [Place(began, name) for name, began in found.items()]
    page = places[wanted - query.page_size : wanted]
    return NewestGroups(
        names=[place.name for place in page],
        count=len(found),
        exact=ended,
        next=page[-1] if len(places) > wanted else None,
    )


def _walk(
    connection: Connection, column: ColumnElement[str], query: LogQuery, after: Place | None
) -> Iterator[list[Row[Any]]]:
    """Yield the logs from a place on, newest first, step by step; the last step is a short one."""
    began = request_logs.c.started_at
    # In the order of the index, also where it has two logs of one moment.
    statement = (
        select(column.label("name"), began.label("began"))
        .where(column.is_not(None), matching(query))
        .order_by(began.desc(), column.desc())
        .limit(_STEP)
    )
    place = after
    while True:
        rows = list(connection.execute(statement if place is None else statement.where(_behind(column, place))))
        yield rows
        if len(rows) < _STEP:
            return
        place = Place(rows[-1].began, rows[-1].name)


def _behind(column: ColumnElement[str], place: Place) -> ColumnElement[bool]:
    began = request_logs.c.started_at
    further = or_(began < place.began, and_(began == place.began, column < place.name))
    return and_(began <= place.began, further)  # the bound first, for the index


def _shown_before(
    connection: Connection, column: ColumnElement[str], query: LogQuery, after: Place | None, names: Collection[str]
) -> set[str]:
    """Return those of some names that stand on the pages before a place."""
    if after is None or not names:
        return set()
    began = request_logs.c.started_at
    before = or_(began > after.began, and_(began == after.began, column >= after.name))
    statement = select(column).distinct().where(column.in_(names), began >= after.began, before, matching(query))
    return set(connection.scalars(statement))

"""Which logs: a question as a value, and the statements that answer it.

Law: what scans reads rows only. A page is chosen as numbers of rows first, and what was said is read for those alone.

Newest first means by the time a call began, and by arrival among equals. A search goes by arrival alone: that is the
order of the full-text index, so the newest of a million matches are found without looking at the others.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    Text,
    UnaryExpression,
    and_,
    bindparam,
    column,
    func,
    literal,
    or_,
    select,
    table,
)
from sqlalchemy import true as always

from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.store.engine_sql import arrived_since, ordered
from gantry.store.filter_sql import column_of, condition_of
from gantry.store.full_text import TABLE, begins, match_text, phrases_in
from gantry.store.log_days import DAY, first_number
from gantry.store.log_filter import EVERYTHING, AllOf, Condition, Field, Filter, Kind, Operator, parts_of
from gantry.store.log_tables import request_log_bodies, request_logs

MAX_PAGE_SIZE: Final = 1000
COUNT_BOUND: Final = 10_000  # rows that are counted where counting reads rows
SEARCH_COUNT_BOUND: Final = 2_000  # where each match is a row somewhere else
INDEXED_COUNT_BOUND: Final = 100_000  # where an index counts alone
_CLOCKS: Final = 1  # days by which a caller's clock may be ahead
_INDEXED: Final = frozenset(("key_id", "model", "customer_identifier"))
_TEXTS: Final = table(TABLE, column("rowid", BigInteger), column(TABLE, Text))

SortValue = int | float | str | None


class Cursor(Struct, frozen=True):
    """A place between two rows of an order: after the row with this value and number, or before it."""

    value: SortValue
    seq: int
    before: bool = False


class LogQuery(Struct, frozen=True, kw_only=True):
    """A page of an organization's logs. Times are ns since the epoch: `since` is included, `until` is not.

    Without `sort_by` the newest come first, or last. `key_id` is the one API key whose logs may be seen; None: all.
    """

    organization_id: str
    environment: Environment | None = None  # None: all
    since: int | None = None
    until: int | None = None
    key_id: str | None = None
    filters: Filter = EVERYTHING
    sort_by: Field | None = None
    descending: bool = True
    cursor: Cursor | None = None
    page: int = 1  # counted from the cursor
    page_size: int = 100
    count: bool = True
    with_content: bool = True


class LogPage(Struct, frozen=True, kw_only=True):
    """`count` is of all that match; where it is not `exact`, there are at least so many."""

    logs: list[RequestLog]
    count: int | None = None
    exact: bool = True
    next: Cursor | None = None  # None: nothing comes after
    previous: Cursor | None = None


def chosen_rows(query: LogQuery, *, is_sqlite: bool, with_starts: bool = False) -> Select[Any]:
    """Return the statement for the numbers and sort values of all rows from the cursor on, in order.

    With their starts where they are asked for: logs apart are found by these.
    """
    search = _search_of(query) if is_sqlite else None
    value = sort_value(query)
    seq: ColumnElement[int] = request_logs.c.seq
    statement = select(seq, value.label("value"), *((request_logs.c.started_at,) if with_starts else ()))
    if search is None:
        statement = statement.where(matching(query))
    else:
        # The index leads: it is walked in the order asked for, for as long as rows are wanted.
        rest = tuple(part for part in parts_of(query.filters) if part is not search)
        texts = _TEXTS.join(request_logs, seq == _TEXTS.c.rowid)
        statement = statement.select_from(texts).where(
            _TEXTS.c[TABLE].op("MATCH", is_comparison=True)(_match_of(search)), matching(query, AllOf(rest))
        )
        seq = _TEXTS.c.rowid if by_arrival(query) else seq
    if query.cursor is not None:
        statement = statement.where(_beyond(query, query.cursor))
    return statement.order_by(*_order(query, value, seq))


def rows_numbered(numbers: Sequence[int], *, with_content: bool) -> Select[Any]:
    """Return the statement for some rows, in no order."""
    statement = with_said(select(request_logs, request_log_bodies.c.content)) if with_content else select(request_logs)
    return statement.where(request_logs.c.seq.in_(numbers))


def begun_at(organization_id: str, starts: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition for logs of an organization that began just then: what ClickHouse has them in order of."""
    return and_(request_logs.c.organization_id == organization_id, request_logs.c.started_at.in_(starts))


def with_said(statement: Select[Any]) -> Select[Any]:
    same = request_log_bodies.c.seq == request_logs.c.seq
    return statement.select_from(request_logs.outerjoin(request_log_bodies, same))


def indexed_count(query: LogQuery) -> Select[Any] | None:
    """Return the statement for a count that an index gives alone; None where counting would read rows."""
    if not _is_indexed(query):
        return None
    some = select(always()).select_from(request_logs).where(matching(query)).limit(INDEXED_COUNT_BOUND + 1)
    return select(func.count()).select_from(some.subquery())


def _is_indexed(query: LogQuery) -> bool:
    """Say whether one index has all that is asked for, and in the order of time."""
    asked = {"key_id"} if query.key_id is not None else set()
    for part in parts_of(query.filters):
        column = _indexed_column(part)
        if column is None:
            return False
        asked.add(column)
    return len(asked) <= 1


def _indexed_column(part: Filter) -> str | None:
    """Return the column whose index finds what this asks for."""
    if not isinstance(part, Condition) or part.operator is not Operator.EQUAL or part.negated:
        return None
    if len(part.values) != 1 or part.values[0] is None or part.field.member is not None:
        return None
    return part.field.column if part.field.column in _INDEXED else None


def matching(query: LogQuery, filters: Filter | None = None) -> ColumnElement[bool]:
    """Return the condition for rows of request_logs, with other filters than the query's if they are given."""
    columns = request_logs.c
    conditions: list[ColumnElement[bool]] = [columns.organization_id == query.organization_id]
    if query.environment is not None:
        # Written out, because a partial index is used only where its condition is seen.
        wanted: ColumnElement[str] = bindparam(None, query.environment.value, literal_execute=True)
        is_plain = query.environment is Environment.TEST or not _is_indexed(query)
        conditions.append(columns.environment == wanted if is_plain else columns.environment.between(wanted, wanted))
    if query.since is not None:
        conditions.append(columns.started_at >= query.since)
        if (day := query.since // DAY - _CLOCKS) > 0:  # nothing arrives before it begins: other days are not looked at
            conditions.append(arrived_since(columns.seq, literal(first_number(day))))
    if query.until is not None:
        conditions.append(columns.started_at < query.until)
    if query.key_id is not None:
        conditions.append(columns.key_id == query.key_id)
    conditions.append(condition_of(query.filters if filters is None else filters, request_logs))
    return and_(*conditions)


def by_arrival(query: LogQuery) -> bool:
    return query.sort_by is None and _search_of(query) is not None


def sort_value(query: LogQuery) -> ColumnElement[Any]:
    if query.sort_by is None:
        return request_logs.c.seq if by_arrival(query) else request_logs.c.started_at
    value = column_of(query.sort_by, request_logs)
    return ordered(value) if isinstance(value.type, String) else value


def _search_of(query: LogQuery) -> Condition | None:
    """Return the condition by which the full-text index can lead."""
    for part in parts_of(query.filters):
        if isinstance(part, Condition) and part.field.kind is Kind.SAID and not part.negated and len(part.values) == 1:
            return part
    return None


def _match_of(search: Condition) -> str:
    phrases = phrases_in if search.operator is Operator.WORDS else begins
    expression = match_text(phrases(str(search.values[0])))
    column = search.field.column
    return expression if column == "said" else f"{column} : ({expression})"


def _order(query: LogQuery, value: ColumnElement[Any], seq: ColumnElement[Any]) -> list[UnaryExpression[Any]]:
    """Return the order, unknown values last; turned round before a cursor."""
    turned = query.cursor is not None and query.cursor.before
    keys: tuple[ColumnElement[Any], ...] = (seq,) if by_arrival(query) else (value, seq)
    if query.sort_by is None and query.environment is not None and _is_indexed(query):
        # As the indexes have it, in whose order rows then come: SQLite sorts what it knows to have one environment by
        # `=`, and so `matching` does not say it like that. A page far from the start takes a quarter of the time.
        keys = (value, request_logs.c.environment, seq)
    ways = [key.desc() if query.descending is not turned else key.asc() for key in keys]
    if query.sort_by is not None:
        ways[0] = ways[0].nulls_first() if turned else ways[0].nulls_last()
    return ways


def _beyond(query: LogQuery, cursor: Cursor) -> ColumnElement[bool]:
    """Return the condition for what comes after the cursor, or before it."""
    value, seq = sort_value(query), request_logs.c.seq
    if by_arrival(query):
        return _is_further(query, cursor, seq, cursor.seq)
    further_seq = _is_further(query, cursor, seq, cursor.seq)
    if cursor.value is None:
        return or_(value.is_not(None), further_seq) if cursor.before else and_(value.is_(None), further_seq)
    further = _is_further(query, cursor, value, cursor.value)
    # The bound first, for the index; then what of it is really further.
    bound = or_(further, value == cursor.value)
    beyond = or_(further, and_(value == cursor.value, further_seq))
    if query.sort_by is None:
        bound = value <= cursor.value if query.descending is not cursor.before else value >= cursor.value
    elif not cursor.before:
        bound, beyond = or_(bound, value.is_(None)), or_(beyond, value.is_(None))
    return and_(bound, beyond)


def _is_further(query: LogQuery, cursor: Cursor, value: ColumnElement[Any], than: SortValue) -> ColumnElement[bool]:
    return value < than if query.descending is not cursor.before else value > than

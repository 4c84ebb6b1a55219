"""Which logs: a question as a value, and the statements that answer it.

Law: names come from a caller and are looked up, never put into SQL. What scans must scan rows only: the page is chosen
by row number first, and only then joined with what was said.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    func,
    literal,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.store.tables import request_log_bodies, request_logs

MAX_PAGE_SIZE = 1000
METADATA_PREFIX = "metadata__"

FilterValue = str | int | float | bool | None


class UnknownField(ValueError):
    """No column of that name; the message names the nearest."""


class LogQuery(Struct, frozen=True, kw_only=True):
    """A page of an organization's logs. Times are ns since the epoch: `since` is included, `until` is not.

    `where` maps column names (`customer_identifier`, `model`, …) and `metadata__<name>` to the value they equal.
    `sort_by` is a column's name, or `id` for the newest first and last; a leading `-` turns the order round.
    """

    organization_id: str
    environment: Environment | None = None  # None: all
    since: int | None = None
    until: int | None = None
    where: Mapping[str, FilterValue] = {}
    sort_by: str = "-id"
    page: int = 1
    page_size: int = 100
    count: bool = True


class LogPage(Struct, frozen=True, kw_only=True):
    logs: list[RequestLog]
    count: int | None


def rows_of_page(query: LogQuery) -> Select[Any]:
    """Return the statement for a page's rows, in order."""
    if query.page < 1 or not 1 <= query.page_size <= MAX_PAGE_SIZE:
        raise ValueError(f"page counts from 1, and page_size is 1 to {MAX_PAGE_SIZE}")
    order = _order(query.sort_by)
    chosen = (
        select(request_logs.c.seq)
        .where(_matches(query))
        .order_by(*order)
        .limit(query.page_size)
        .offset((query.page - 1) * query.page_size)
    )
    return select(request_logs, request_log_bodies.c.content).where(request_logs.c.seq.in_(chosen)).order_by(*order)


def count_of(query: LogQuery) -> Select[Any]:
    return select(func.count()).select_from(request_logs).where(_matches(query))


def _matches(query: LogQuery) -> ColumnElement[bool]:
    table = request_logs.c
    conditions: list[ColumnElement[bool]] = [table.organization_id == query.organization_id]
    if query.environment is not None:
        # Written out, because a partial index is used only where its condition is seen
        conditions.append(table.environment == bindparam(None, query.environment.value, literal_execute=True))
    if query.since is not None:
        conditions.append(table.started_at >= query.since)
    if query.until is not None:
        conditions.append(table.started_at < query.until)
    conditions.extend(_equals(name, value) for name, value in query.where.items())
    return and_(*conditions)


def _equals(name: str, value: FilterValue) -> ColumnElement[bool]:
    if name.startswith(METADATA_PREFIX):
        return _JsonText(name.removeprefix(METADATA_PREFIX)) == str(value)
    column = _column(name)
    if value is None:
        return column.is_(None)
    return column == _of_type(column, name, value)


def _of_type(column: ColumnElement[object], name: str, value: FilterValue) -> object:
    """Return a value, which may come from a query string, as the column's type."""
    try:
        if isinstance(column.type, Boolean):
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
        if isinstance(column.type, BigInteger | Integer):
            return int(value or 0)
    except (KeyError, ValueError):
        raise ValueError(f"{name} cannot be {value!r}") from None
    return str(value)


def _order(sort_by: str) -> list[ColumnElement[object]]:
    name = sort_by.removeprefix("-")
    newest = name in ("id", "started_at")
    column = request_logs.c.started_at if newest else _column(name)
    keys = (column, request_logs.c.seq)
    if sort_by.startswith("-"):
        first, second = (key.desc() for key in keys)
    else:
        first, second = (key.asc() for key in keys)
    return [first if newest else first.nulls_last(), second]


def _column(name: str) -> ColumnElement[object]:
    column = request_logs.c.get(name)
    if column is None or name == "organization_id":
        near = get_close_matches(name, request_logs.c.keys(), 1)
        raise UnknownField(f"no field {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return column


class _JsonText(ColumnElement[str]):
    """The text of one member of a log's metadata; NULL where there is none, or no JSON object."""

    inherit_cache = True
    type = String()

    def __init__(self, name: str) -> None:
        self.member = literal(name)


@compiles(_JsonText, "sqlite")
def _json_text_in_sqlite(element: _JsonText, compiler: SQLCompiler, **options: object) -> str:
    column = compiler.process(request_logs.c.metadata, **options)
    member = compiler.process(element.member, **options)
    object_text = f"CASE WHEN json_valid({column}) THEN {column} ELSE '{{}}' END"
    value = "CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(atom AS TEXT) END"
    return f"(SELECT {value} FROM json_each({object_text}) WHERE key = {member})"  # noqa: S608 - compiled, not composed


@compiles(_JsonText, "postgresql")
def _json_text_in_postgresql(element: _JsonText, compiler: SQLCompiler, **options: object) -> str:
    column = compiler.process(request_logs.c.metadata, **options)
    member = compiler.process(element.member, **options)
    # An escaped NUL is valid JSON that PostgreSQL cannot turn into text.
    return (
        f"(CASE WHEN {column} IS JSON OBJECT AND position('\\u0000' in {column}) = 0 "
        f"THEN {column}::json ->> {member} END)"
    )

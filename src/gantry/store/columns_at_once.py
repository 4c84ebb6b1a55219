"""Many rows into a table of sums on PostgreSQL: by one statement, which takes an array for each column.

Law: the statement is the one that takes a row, with the rows in the place of its values, so both mean the same. They
come in the order in which they were given: clerks that take them in one order wait for each other and do not deadlock.

An array's text is made from a whole column, for half of the columns are numbers that Python writes as PostgreSQL reads
them. Nothing is copied into a table beside it: to empty that costs a commit more than the rest of it, under all locks.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Table

from gantry.store.log_rows import Row

_INSERT: Final = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[^)]*)\) VALUES \(.*?\)(?= ON CONFLICT)", re.DOTALL
)
_SPECIAL: Final = re.compile(r'(["\\])')
_BYTES: Final = "BYTEA"


class Arrays(Struct, frozen=True):
    """Rows of some columns as parameters of a statement: an array for each."""

    given: str  # in the statement: a table of this name, with these columns
    written: list[Callable[[Sequence[Any]], Any]]

    def of(self, rows: Sequence[Row]) -> list[Any]:
        """Return the parameters for some rows, one at least."""
        columns = zip(self.written, zip(*rows, strict=True), strict=True)
        return [write(column) for write, column in columns]


class ManyRows(Struct, frozen=True):
    """The statement that puts in many rows."""

    statement: str
    arrays: Arrays


def arrays_of(table: Table, names: Sequence[str], dialect: Any) -> Arrays:
    """Return how rows with these columns of a table are given."""
    types = [table.c[name].type.compile(dialect).partition("(")[0] for name in names]
    marks = ", ".join(f"{'%b' if one == _BYTES else '%s'}::{one}[]" for one in types)
    return Arrays(f"unnest({marks}) AS given({', '.join(names)})", [_WRITTEN.get(one, _texts) for one in types])


def many_rows(statement: str, table: Table, dialect: Any) -> ManyRows:
    """Return how many rows are put in by a statement that puts one into a table."""
    found = _INSERT.match(statement)
    if found is None or found["table"] != table.name:
        raise ValueError(f"no insert into {table.name} that settles conflicts: {statement[:80]}")
    columns, rest = found["columns"], statement[found.end() :]
    arrays = arrays_of(table, columns.split(", "), dialect)
    return ManyRows(f"INSERT INTO {table.name} ({columns}) SELECT {columns} FROM {arrays.given}{rest}", arrays)  # noqa: S608


def put_all(cursor: Any, many: ManyRows, rows: Sequence[Row]) -> None:
    """Put rows in, no two of one key."""
    if rows:
        cursor.execute(many.statement, many.arrays.of(rows))


def _numbers(column: Sequence[int | None]) -> str:
    return "{" + repr([*column])[1:-1].replace("None", "NULL") + "}"


def _texts(column: Sequence[str | None]) -> str:
    if None not in column:
        inside = '","'.join(column)  # type: ignore[arg-type]
        if "\\" not in inside and inside.count('"') == 2 * (len(column) - 1):
            return f'{{"{inside}"}}'
    return "{" + ",".join("NULL" if one is None else '"' + _SPECIAL.sub(r"\\\1", one) + '"' for one in column) + "}"


_WRITTEN: Final[Mapping[str, Callable[[Sequence[Any]], Any]]] = {"BIGINT": _numbers, "NUMERIC": _numbers, _BYTES: list}

"""Many rows into a table of sums on PostgreSQL: copied beside it, and put into it by one statement.

Law: the statement is the one that takes a row, with the rows in the place of its values, so both mean the same. They
come in the order in which they were copied: clerks that take them in one order wait for each other and do not deadlock.

The table beside it is the session's own and empty after each transaction. It costs some round trips, so a few rows are
put in one by one.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from gantry.store.log_rows import Row

_FEW: Final = 40  # rows that cost less one by one
_INSERT: Final = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[^)]*)\) VALUES \(.*?\)(?= ON CONFLICT)", re.DOTALL
)


class Merge(Struct, frozen=True):
    """The statements by which many rows are put in."""

    one: str  # takes the values of a row
    make: str
    copy: str
    put: str


def merge_of(statement: str) -> Merge:
    """Return how many rows are put in by a statement that puts in one."""
    found = _INSERT.match(statement)
    if found is None:
        raise ValueError(f"no insert that settles conflicts: {statement[:80]}")
    table, columns, rest = found["table"], found["columns"], statement[found.end() :]
    beside = f"staged_{table}"
    return Merge(
        statement,
        f"CREATE TEMP TABLE IF NOT EXISTS {beside} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS",
        f"COPY {beside} ({columns}) FROM STDIN",
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {beside}{rest}",  # noqa: S608 - ours
    )


def put_all(cursor: Any, merge: Merge, rows: Sequence[Row], *, returning: bool = False) -> list[Any]:
    """Put rows in, no two of one key, and return what the statement returns of each, in their order."""
    if not rows:
        return []
    if len(rows) <= _FEW:
        cursor.executemany(merge.one, rows, returning=returning)
        return [row for result in cursor.results() for row in result.fetchall()] if returning else []
    cursor.execute(merge.make)
    with cursor.copy(merge.copy) as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(merge.put)
    return list(cursor.fetchall()) if returning else []

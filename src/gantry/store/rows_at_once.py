"""Rows in statements of sixteen, for SQLite.

Law: the same rows in the same order as with a statement for each. One whose key is there is left out and not counted;
so is one that its table refuses, so who counts fewer rows than it gave must insert them one by one, and hear why.

For each statement SQLite opens its table and every index of it, and finds the number that was given out last: that is
a quarter of what a row of `request_logs` takes. `OR IGNORE` and not `ON CONFLICT`: nothing can fail then, and a
statement of many rows that can fail keeps a copy of each page it changes (https://www.sqlite.org/tempfiles.html, 2.5).

A text costs SQLite two locks, memory and a copy each time that it is given, six times as much as a number. So of a run
of columns in which all rows of a statement say the same, as calls of one kind do, the values are given once. Runs are
looked at in their order, up to the first that differs: a statement of sixteen rows takes 80 KB, so there are to be few.
"""

from collections.abc import Sequence
from itertools import chain, groupby, takewhile
from typing import Any, Final

from gantry.store.log_rows import Row

AT_ONCE: Final = 16  # three times as many take a fiftieth less
_MOST_ADDED: Final = 4 * AT_ONCE  # NULLs that make rows equally long: each takes as long as a number, and more


class RowsAtOnce:
    """The inserts of one table, for rows of its first columns."""

    def __init__(self, table: str, columns: Sequence[str], often_alike: Sequence[tuple[str, str]] = ()) -> None:
        """`often_alike` are runs of columns, by the first and the last; the one that mostly says the same is first."""
        self._table = table
        self._columns = columns
        self._runs = [slice(columns.index(first), columns.index(last) + 1) for first, last in often_alike]
        self._texts: dict[tuple[int, int, int], str] = {}

    def insert(self, cursor: Any, rows: Sequence[Row]) -> int:
        """Insert rows and return how many were new."""
        inserted = 0
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            length = max(map(len, some))
            added = AT_ONCE * length - sum(map(len, some))
            if len(some) == AT_ONCE and added <= _MOST_ADDED:
                if added:
                    some = [(*row, *[None] * (length - len(row))) for row in some]
                cursor.execute(*self._insert(length, some))
                inserted += cursor.rowcount
                continue
            for length, alike in groupby(some, len):
                cursor.executemany(self._text(length, 1, ()), alike)
                inserted += cursor.rowcount
        return inserted

    def _insert(self, length: int, rows: Sequence[Row]) -> tuple[str, list[Any]]:
        """Return the statement of rows that are equally long, and its values."""
        alike = [*takewhile(lambda run: run.stop <= length and _is_alike(rows, run), self._runs)]
        if not alike:
            return self._text(length, len(rows), alike), [*chain.from_iterable(rows)]
        starts, ends = [0, *(run.stop for run in alike)], [*(run.start for run in alike), length]
        others = [slice(start, end) for start, end in zip(starts, ends, strict=True)]
        values = [*rows[0]]
        for row in rows[1:]:
            for run in others:
                values += row[run]
        return self._text(length, len(rows), alike), values

    def _text(self, length: int, count: int, alike: Sequence[slice]) -> str:
        key = length, count, len(alike)
        text = self._texts.get(key)
        if text is None:
            marks = ["?"] * length
            first = f"({', '.join(marks)})"
            for run in alike:
                marks[run] = [f"?{place + 1}" for place in range(run.start, run.stop)]
            other = f"({', '.join(marks)})"
            rows, names = [first, *[other] * (count - 1)], ", ".join(self._columns[:length])
            text = f"INSERT OR IGNORE INTO {self._table} ({names}) VALUES {', '.join(rows)}"  # noqa: S608
            self._texts[key] = text
        return text


def _is_alike(rows: Sequence[Row], run: slice) -> bool:
    """Say whether the rows have the same values in a run of columns."""
    return [row[run] for row in rows].count(rows[0][run]) == len(rows)

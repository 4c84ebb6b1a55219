"""Rows in statements of sixteen, for SQLite.

Law: the same rows in the same order as with a statement for each. One whose key is there is left out and not counted;
so is one that its table refuses, so who counts fewer rows than it gave must insert them one by one, and hear why.

For each statement SQLite opens its table and every index of it, and finds the number that was given out last: that is
a quarter of what a row of `request_logs` takes. `OR IGNORE` and not `ON CONFLICT`: nothing can fail then, and a
statement of many rows that can fail keeps a copy of each page it changes (https://www.sqlite.org/tempfiles.html, 2.5).
"""

from collections.abc import Sequence
from itertools import chain, groupby
from typing import Any, Final

from gantry.store.log_rows import Row

AT_ONCE: Final = 16  # three times as many take a fiftieth less
_MOST_ADDED: Final = 4 * AT_ONCE  # NULLs that make rows equally long: each takes as long as a number, and more


class RowsAtOnce:
    """The inserts of one table, for rows of its first columns."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self._table = table
        self._columns = columns
        self._texts: dict[tuple[int, int], str] = {}

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
                cursor.execute(self._text(length, AT_ONCE), [*chain.from_iterable(some)])
                inserted += cursor.rowcount
                continue
            for length, alike in groupby(some, len):
                cursor.executemany(self._text(length, 1), alike)
                inserted += cursor.rowcount
        return inserted

    def _text(self, length: int, count: int) -> str:
        text = self._texts.get((length, count))
        if text is None:
            names, row = ", ".join(self._columns[:length]), f"({', '.join('?' * length)})"
            text = f"INSERT OR IGNORE INTO {self._table} ({names}) VALUES {', '.join([row] * count)}"  # noqa: S608
            self._texts[length, count] = text
        return text

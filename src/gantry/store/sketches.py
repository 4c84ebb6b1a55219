"""Distributions by hour and by day: added to in the transaction of the rows, merged when somebody asks for quantiles.

Law: a bucket's sketch is read, added to and written back while its row is locked, in the order of keys, so no count is
lost between two clerks and none is counted twice.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Table

from gantry.core.sketch import Sketch, decode_sketch, encode_sketch, merge
from gantry.store.log_rows import Row
from gantry.store.rollups import SketchRow

MEASURES: Final = ("latency", "time_to_first_token", "speed")
_AT_ONCE: Final = 100  # buckets of one question


class SketchStatements(Struct, frozen=True):
    """SQL for one table of sketches. Without `make`, the engine has one writer, and there is nothing to lock."""

    table: str
    key: tuple[str, ...]
    mark: str  # a parameter
    put: str  # the sketches, then the key
    make: str | None  # the key: the row is there afterwards

    def find(self, count: int) -> str:
        """Return the question for so many buckets: their keys and sketches."""
        key = ", ".join(self.key)
        one = f"({', '.join([self.mark] * len(self.key))})"
        lock = f" ORDER BY {key} FOR UPDATE" if self.make is not None else ""
        return (
            f"SELECT {key}, {', '.join(MEASURES)} FROM {self.table} "  # noqa: S608
            f"WHERE ({key}) IN (VALUES {', '.join([one] * count)}){lock}"
        )


def sketch_statements(table: Table, *, is_sqlite: bool) -> SketchStatements:
    key = tuple(table.primary_key.columns.keys())
    mark = "?" if is_sqlite else "%s"
    marks = ", ".join([mark] * len(key))
    if is_sqlite:
        put = f"INSERT OR REPLACE INTO {table.name} ({', '.join((*MEASURES, *key))}) VALUES ({marks}, ?, ?, ?)"  # noqa: S608
        return SketchStatements(table.name, key, mark, put, None)
    sets = ", ".join(f"{name} = %s" for name in MEASURES)
    put = f"UPDATE {table.name} SET {sets} WHERE ({', '.join(key)}) = ({marks})"  # noqa: S608
    make = f"INSERT INTO {table.name} ({', '.join(key)}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
    return SketchStatements(table.name, key, mark, put, make)


def add_sketches(cursor: Any, sql: SketchStatements, rows: Sequence[SketchRow], mend: Callable[[Row], Row]) -> None:
    """Add to the sketches of buckets, which come sorted."""
    for start in range(0, len(rows), _AT_ONCE):
        some = {tuple(mend(called)): new for called, new in rows[start : start + _AT_ONCE]}
        if sql.make is not None:
            cursor.executemany(sql.make, list(some))
        cursor.execute(sql.find(len(some)), [value for place in some for value in place])
        known = {tuple(row[: len(sql.key)]): row[len(sql.key) :] for row in cursor.fetchall()}
        none = (None,) * len(MEASURES)
        cursor.executemany(
            sql.put, [(*map(_added, known.get(place, none), new), *place) for place, new in some.items()]
        )


def merged(blobs: Iterable[bytes | None]) -> Sketch:
    """Return many stored sketches as one."""
    together: Sketch = {}
    for blob in blobs:
        if blob is not None:
            merge(together, decode_sketch(blob))
    return together


def _added(blob: bytes | None, new: Sketch) -> bytes | None:
    if not new:
        return blob
    if blob is None:
        return encode_sketch(new)
    sketch = decode_sketch(blob)
    merge(sketch, new)
    return encode_sketch(sketch)

"""Distributions by hour and by day: added to in the transaction of the rows, merged when somebody asks for quantiles.

Law: a bucket's sketch is read, added to and written back while its row is locked, in the order of keys, so no count is
lost between two clerks and none is counted twice.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from sqlalchemy import Table

from gantry.core.sketch import Sketch, decode_sketch, encode_sketch, merge
from gantry.store.columns_at_once import arrays_of
from gantry.store.log_rows import Row
from gantry.store.rollups import SketchRow

MEASURES: Final = ("latency", "time_to_first_token", "speed")
_AT_ONCE: Final = 100  # buckets of one question

Place = tuple[Any, ...]  # the key of a bucket
Sums = tuple[bytes | None, ...]  # its sketches, in the order of MEASURES


class SketchStatements(Protocol):
    """What an engine is asked and told about the buckets of one table."""

    def known(self, cursor: Any, places: Sequence[Place]) -> dict[Place, Sums]:
        """Return the sketches of those that are there. Nobody else changes any before the transaction ends."""

    def put(self, cursor: Any, rows: Sequence[Row]) -> None:
        """Put the sketches of buckets that are known now, or are to be: MEASURES, then the key."""


class _InSqlite:
    """There is one writer, and nothing to lock."""

    def __init__(self, table: Table) -> None:
        key = table.primary_key.columns.keys()
        marks = ", ".join("?" * (len(MEASURES) + len(key)))
        self._width = len(key)
        self._one = f"({', '.join('?' * len(key))})"
        self._put = f"INSERT OR REPLACE INTO {table.name} ({', '.join((*MEASURES, *key))}) VALUES ({marks})"  # noqa: S608
        self._find = f"SELECT {', '.join((*key, *MEASURES))} FROM {table.name} WHERE ({', '.join(key)}) IN (VALUES "  # noqa: S608

    def known(self, cursor: Any, places: Sequence[Place]) -> dict[Place, Sums]:
        statement = f"{self._find}{', '.join([self._one] * len(places))})"
        cursor.execute(statement, [value for place in places for value in place])
        return {row[: self._width]: row[self._width :] for row in cursor.fetchall()}

    def put(self, cursor: Any, rows: Sequence[Row]) -> None:
        cursor.executemany(self._put, rows)


class _InPostgresql:
    """All buckets are there before they are locked: what is not there cannot be."""

    def __init__(self, table: Table, dialect: Any) -> None:
        name, key = table.name, table.primary_key.columns.keys()
        self._width = len(key)
        self._places = arrays_of(table, key, dialect)
        self._rows = arrays_of(table, (*MEASURES, *key), dialect)
        self._make = f"INSERT INTO {name} ({', '.join(key)}) SELECT * FROM {self._places.given} ON CONFLICT DO NOTHING"  # noqa: S608
        self._find = (
            f"SELECT {', '.join((*key, *MEASURES))} FROM {name} JOIN {self._places.given} USING ({', '.join(key)}) "  # noqa: S608
            f"ORDER BY {', '.join(key)} FOR UPDATE OF {name}"
        )
        sets = ", ".join(f"{one} = given.{one}" for one in MEASURES)
        same = " AND ".join(f"{name}.{one} = given.{one}" for one in key)
        self._put = f"UPDATE {name} SET {sets} FROM {self._rows.given} WHERE {same}"  # noqa: S608

    def known(self, cursor: Any, places: Sequence[Place]) -> dict[Place, Sums]:
        given = self._places.of(places)
        cursor.execute(self._make, given)
        cursor.execute(self._find, given)
        return {row[: self._width]: row[self._width :] for row in cursor.fetchall()}

    def put(self, cursor: Any, rows: Sequence[Row]) -> None:
        cursor.execute(self._put, self._rows.of(rows))


def sketch_statements(table: Table, dialect: Any) -> SketchStatements:
    return _InSqlite(table) if dialect.name == "sqlite" else _InPostgresql(table, dialect)


def add_sketches(cursor: Any, sql: SketchStatements, rows: Sequence[SketchRow], mend: Callable[[Row], Row]) -> None:
    """Add to the sketches of buckets, which come sorted."""
    for start in range(0, len(rows), _AT_ONCE):
        some = {tuple(mend(called)): new for called, new in rows[start : start + _AT_ONCE]}
        known = sql.known(cursor, list(some))
        none = (None,) * len(MEASURES)
        sql.put(cursor, [(*map(_added, known.get(place, none), new), *place) for place, new in some.items()])


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

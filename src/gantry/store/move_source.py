"""The database that a store moves out of: SQLite's two files, read while the clerk writes them.

Law: nothing that is stored is changed. Logs are read in the order of their numbers, which only grow; what is changed or
deleted of one that was read before is noted by triggers, which are there for as long as the move is, so that it does
not matter who changes it and how.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, Table, text

from gantry.store.database import Database
from gantry.store.log_tables import request_log_bodies, request_logs
from gantry.store.move_days import BY_DAYS, day_in_sql

MOST_ROWS: Final = 2000  # of a batch
MOST_BYTES: Final = 16 << 20  # of what was said in them
_NOTES: Final = "moving_changes"
_DAYS: Final = "moving_days"
_SOURCE: Final = "moving_source"
_TRIGGERS: Final = tuple(
    (f"{_NOTES}_{table.name}_{event.lower()}", f"AFTER {event} ON {table.name}")
    for table in (request_logs, request_log_bodies)
    for event in ("UPDATE", "DELETE")
)
_NOTE: Final = f"BEGIN INSERT INTO {_NOTES} (seq) VALUES (old.seq); END"  # noqa: S608
# Deleted and inserted, not replaced: the policy of the statement that fires a trigger holds in the trigger, too.
_DAY_TRIGGERS: Final = tuple(
    (
        f"{_DAYS}_{table}_{event.lower()}",
        f"AFTER {event} ON {table}",
        f"BEGIN DELETE FROM {_DAYS} WHERE name = '{table}' AND day = {day_in_sql(table, row)}; "  # noqa: S608
        f"INSERT INTO {_DAYS} (name, day) VALUES ('{table}', {day_in_sql(table, row)}); END",
    )
    for table in BY_DAYS
    for event, row in (("INSERT", "new."), ("UPDATE", "new."), ("DELETE", "old."))
)
_BEGIN: Final = (
    f"CREATE TABLE IF NOT EXISTS {_SOURCE} (id TEXT NOT NULL)",
    f"CREATE TABLE IF NOT EXISTS {_NOTES} (number INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL)",
    *(f"CREATE TRIGGER IF NOT EXISTS {name} {when} {_NOTE}" for name, when in _TRIGGERS),
    f"CREATE TABLE IF NOT EXISTS {_DAYS} "
    "(number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, day INTEGER NOT NULL, UNIQUE (name, day))",
    *(f"CREATE TRIGGER IF NOT EXISTS {name} {when} {note}" for name, when, note in _DAY_TRIGGERS),
)
_END: Final = (
    *(f"DROP TRIGGER IF EXISTS {name}" for name, *_ in (*_TRIGGERS, *_DAY_TRIGGERS)),
    f"DROP TABLE IF EXISTS {_DAYS}",
    f"DROP TABLE IF EXISTS {_NOTES}",
    f"DROP TABLE IF EXISTS {_SOURCE}",
)
_COLUMNS: Final = ", ".join(f"l.{name}" for name in request_logs.c.keys())  # noqa: SIM118 - of columns, not of a dict
_LOGS: Final = (
    f"SELECT {_COLUMNS}, b.content FROM request_logs l "  # noqa: S608 - constants
    "LEFT JOIN request_log_bodies b ON b.seq = l.seq WHERE "
)

LogRow = tuple[Any, ...]  # all columns of request_logs, seq first, and the packed content or None


class LogBatch(Struct, frozen=True):
    """Logs in the order of their numbers. `mark` is the last number that was looked at."""

    rows: list[LogRow]
    mark: int


class Changes(Struct, frozen=True):
    """Logs that were changed or deleted, as they are now, and up to which note that is."""

    numbers: list[int]
    rows: list[LogRow]
    last: int


class ChangedDays(Struct, frozen=True):
    """Days by table, and up to which note that is."""

    days: dict[str, list[int]]
    last: int


class MoveSource:
    """The files of a home that is moved. `reading` is one view of both, as of one moment of each."""

    def __init__(self, control: Path, logs: Path) -> None:
        self._control = Database(control)
        self._logs = Database(logs)

    def close(self) -> None:
        self._control.close()
        self._logs.close()

    def begin(self) -> str:
        """Begin to note changes, and return what this source goes by. Raises StoreUnavailable."""
        with self._logs.writing() as connection:
            for statement in _BEGIN:
                connection.execute(text(statement))
            name: str | None = connection.scalar(text(f"SELECT id FROM {_SOURCE}"))  # noqa: S608
            if name is None:
                name = secrets.token_hex(16)
                connection.execute(text(f"INSERT INTO {_SOURCE} VALUES (:name)"), {"name": name})  # noqa: S608
        return name

    def end(self) -> None:
        """Leave nothing of the move in the files."""
        with self._logs.writing() as connection:
            for statement in _END:
                connection.execute(text(statement))

    def forget(self, last: int) -> None:
        """Forget notes that are carried out."""
        with self._logs.writing() as connection:
            connection.execute(text(f"DELETE FROM {_NOTES} WHERE number <= :last"), {"last": last})  # noqa: S608

    def forget_days(self, last: int) -> None:
        """Forget days that are copied as they were; those that changed since have a higher number."""
        with self._logs.writing() as connection:
            connection.execute(text(f"DELETE FROM {_DAYS} WHERE number <= :last"), {"last": last})  # noqa: S608

    @contextmanager
    def reading(self) -> Iterator["SourceView"]:
        """Read from one consistent view. Raises StoreUnavailable."""
        with self._control.reading() as control, self._logs.reading() as logs:
            control.execute(text("SELECT 1 FROM configuration"))  # a view begins with what is first read
            logs.execute(text(f"SELECT 1 FROM {_SOURCE}"))  # noqa: S608
            yield SourceView(control, logs)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Keep everybody from writing; readers go on. Raises StoreUnavailable."""
        with self._control.writing(), self._logs.writing():
            yield


class SourceView:
    """What is in the files at one moment."""

    def __init__(self, control: Connection, logs: Connection) -> None:
        self._control = control
        self._logs = logs

    def connection_of(self, table: Table) -> Connection:
        return self._logs if table.metadata is request_logs.metadata else self._control

    def logs_after(self, mark: int) -> LogBatch:
        """Return the next logs: so many, or fewer where much was said in them."""
        cursor = self._driver.execute(f"{_LOGS} l.seq > ? ORDER BY l.seq LIMIT ?", (mark, MOST_ROWS))
        rows: list[LogRow] = []
        size = 0
        for row in cursor:
            rows.append(row)
            size += len(row[-1] or b"")
            if size >= MOST_BYTES:
                break
        return LogBatch(rows, rows[-1][0] if rows else mark)

    def changes_after(self, number: int) -> Changes:
        """Return the next logs that were changed or deleted, after a note."""
        noted = self._driver.execute(
            f"SELECT number, seq FROM {_NOTES} WHERE number > ? ORDER BY number LIMIT ?",  # noqa: S608
            (number, MOST_ROWS // 4),
        ).fetchall()
        numbers = sorted({seq for _, seq in noted})
        places = ", ".join("?" * len(numbers))
        rows = self._driver.execute(f"{_LOGS} l.seq IN ({places}) ORDER BY l.seq", numbers).fetchall()
        return Changes(numbers, rows, noted[-1][0] if noted else number)

    def last_number(self) -> int:
        """Return the highest number that was ever given to a log: marks of readers go by it."""
        row = self._driver.execute("SELECT seq FROM sqlite_sequence WHERE name = 'request_logs'").fetchone()
        return 0 if row is None else int(row[0])

    def changed_days(self) -> ChangedDays:
        """Return the days of tables that changed since they were copied."""
        noted = self._driver.execute(f"SELECT number, name, day FROM {_DAYS} ORDER BY number").fetchall()  # noqa: S608
        days: dict[str, list[int]] = {}
        for _, name, day in noted:
            days.setdefault(name, []).append(day)
        return ChangedDays(days, noted[-1][0] if noted else 0)

    def rows_of(self, table: Table, days: Sequence[int] | None = None) -> Iterator[Sequence[Any]]:
        """Yield all rows of a table, or those of some days, in the order of its columns."""
        columns = ", ".join(f'"{name}"' for name in table.c.keys())  # noqa: SIM118
        driver: Any = self.connection_of(table).connection.driver_connection
        query = f'SELECT {columns} FROM "{table.name}"'  # noqa: S608 - our own names
        if days is not None:
            query += f" WHERE {day_in_sql(table.name)} IN ({', '.join(map(str, days))})"
        return iter(driver.execute(query))

    @property
    def _driver(self) -> Any:
        return self._logs.connection.driver_connection

"""The database that a store moves into.

Law: a batch and the mark behind it are one transaction, so a move that is killed goes on where it was and puts nothing
in twice. `LogTarget` is all that a mover of logs needs to know: another engine for logs is another one of them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, Protocol

from sqlalchemy import Boolean, Connection, Table, text

from gantry.store.content import unpack_content
from gantry.store.control_tables import CONTROL, configuration, organizations
from gantry.store.database import Database
from gantry.store.full_text import entries_of
from gantry.store.log_copy import put_words
from gantry.store.log_days import BEFORE, COUNTER, ROWS, unique_index
from gantry.store.log_rows import storable
from gantry.store.log_tables import LOGS, request_log_bodies, request_logs
from gantry.store.move_days import BY_DAYS, day_in_sql
from gantry.store.move_source import LogRow, SourceView
from gantry.store.schema import SchemaError, ensure_schema

_MOVE: Final = "gantry_move"
_BEFORE: Final = (
    1 << 36
)  # logs of a store that knows days have numbers above; what moves in lies in one partition below
_TABLES: Final = ("request_logs", "request_log_bodies", "request_log_texts")
_COPIED: Final = frozenset((request_logs.name, request_log_bodies.name))
_COPY_LOGS: Final = f"COPY request_logs ({', '.join(request_logs.c.keys())}) FROM STDIN"
_COPY_BODIES: Final = "COPY request_log_bodies (seq, content) FROM STDIN (FORMAT BINARY)"


class TargetTaken(SchemaError):
    """The target holds something that is not of this move; the message says what to do."""


class LogTarget(Protocol):
    """Takes logs in the order of their numbers, and what changed of them since."""

    def mark(self) -> int:
        """Return the number of the last log that was taken."""

    def put_logs(self, rows: Sequence[LogRow], mark: int) -> None:
        """Take logs that are new here, and remember the mark, all or nothing."""

    def amend(self, numbers: Sequence[int], rows: Sequence[LogRow]) -> None:
        """Take logs as they are now in place of those with these numbers; without a row, it was deleted."""


def forget_move(address: str) -> None:
    """Leave nothing of a move that is over. Raises StoreUnavailable."""
    database = Database(address)
    try:
        with database.writing() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {_MOVE}"))
    finally:
        database.close()


class PostgresTarget:
    """A PostgreSQL database that is empty, or that this source was moving into before."""

    def __init__(self, address: str, source: str) -> None:
        """Raises StoreUnavailable, SchemaError, TargetTaken."""
        self._database = Database(address)
        self._source = source
        try:
            self._begin()
        except BaseException:
            self._database.close()
            raise

    def _begin(self) -> None:
        for tree in (CONTROL, LOGS):
            ensure_schema(self._database, tree)
        with self._database.writing() as connection:
            connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS {_MOVE} ("
                    "source TEXT PRIMARY KEY, mark BIGINT NOT NULL, is_whole BOOLEAN NOT NULL)"
                )
            )
            known = connection.scalars(text(f"SELECT source FROM {_MOVE}")).all()  # noqa: S608
            if known not in ([], [self._source]) or (not known and _holds_something(connection)):
                raise TargetTaken(
                    f"{self._database.url.render_as_string(hide_password=True)} is not empty, and what is in it is not "
                    "of this home's move. Create a database for it, and name that."
                )
            if not known:
                connection.execute(text(f"INSERT INTO {_MOVE} VALUES (:source, 0, false)"), {"source": self._source})  # noqa: S608
            _make_room(connection)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read from one consistent view. Raises StoreUnavailable."""
        with self._database.reading() as connection:
            yield connection

    def mark(self) -> int:
        with self._database.reading() as connection:
            return int(connection.scalar(text(f"SELECT mark FROM {_MOVE}")) or 0)  # noqa: S608

    def put_logs(self, rows: Sequence[LogRow], mark: int) -> None:
        with self._database.writing() as connection:
            self._put(connection, rows)
            connection.execute(text(f"UPDATE {_MOVE} SET mark = :mark"), {"mark": mark})  # noqa: S608

    def amend(self, numbers: Sequence[int], rows: Sequence[LogRow]) -> None:
        with self._database.writing() as connection:
            for table in _TABLES:
                connection.execute(text(f"DELETE FROM {table} WHERE seq = ANY(:numbers)"), {"numbers": list(numbers)})  # noqa: S608
            self._put(connection, rows)

    def put_rest(self, view: SourceView) -> int:
        """Put everything but the logs as it is in place of what was put before, in one transaction.

        Of tables that go by days, after the first time, only the days that changed. Returns up to which note that is.
        """
        changed = view.changed_days()
        with self._database.writing() as connection:
            is_first = not connection.scalar(text(f"SELECT is_whole FROM {_MOVE}"))  # noqa: S608
            by_days = () if is_first else BY_DAYS
            whole = [table for table in _rest() if table.name not in by_days]
            connection.execute(text("TRUNCATE " + ", ".join(f'"{table.name}"' for table in whole)))
            for table in whole:
                self._copy_table(connection, table, partial(view.rows_of, table))
                _set_sequences(connection, table)
            for table in _rest():
                days = changed.days.get(table.name)
                if table.name in by_days and days:
                    day = day_in_sql(table.name)
                    connection.execute(
                        text(f'DELETE FROM "{table.name}" WHERE {day} = ANY(:days)'),  # noqa: S608
                        {"days": days},
                    )
                    self._copy_table(connection, table, partial(view.rows_of, table, days))
            last = {"last": max(view.last_number(), 1)}
            connection.execute(text("SELECT setval(pg_get_serial_sequence('request_logs', 'seq'), :last)"), last)
            if is_first:
                for name in (*_TABLES, *(table.name for table in whole)):
                    connection.execute(text(f'ANALYZE "{name}"'))
                connection.execute(text(f"UPDATE {_MOVE} SET is_whole = true"))  # noqa: S608
        return changed.last

    def _copy_table(self, connection: Connection, table: Table, rows: Callable[[], Iterable[Sequence[Any]]]) -> None:
        names = ", ".join(f'"{name}"' for name in table.c.keys())  # noqa: SIM118
        self._copy(connection, f'COPY "{table.name}" ({names}) FROM STDIN', rows)

    def _put(self, connection: Connection, rows: Sequence[LogRow]) -> None:
        if not rows:
            return
        self._copy(connection, _COPY_LOGS, lambda: (row[:-1] for row in rows))
        said = [(row[0], row[-1]) for row in rows if row[-1] is not None]
        self._copy(connection, _COPY_BODIES, lambda: said, ("int8", "bytea"))
        entries = [*entries_of((seq, unpack_content(content)) for seq, content in said)]
        cursor: Any = connection.connection.cursor()
        put_words(cursor, entries, len(entries))
        cursor.close()

    def _copy(
        self,
        connection: Connection,
        statement: str,
        rows: Callable[[], Iterable[Sequence[Any]]],
        types: Sequence[str] = (),
    ) -> None:
        """Copy rows in; where the engine refuses what SQLite took, such as a NUL in a text, copy them mended."""
        cursor: Any = connection.connection.cursor()
        cursor.execute("SAVEPOINT rows_before")
        try:
            _copy_in(cursor, statement, rows(), types)
        except self._database.refusals:
            cursor.execute("ROLLBACK TO SAVEPOINT rows_before")
            _copy_in(cursor, statement, map(storable, rows()), types)
        cursor.execute("RELEASE SAVEPOINT rows_before")
        cursor.close()


def _rest() -> list[Table]:
    """Return all tables but those of the logs, in the order in which they refer to each other."""
    return [table for tree in (CONTROL, LOGS) for table in tree.metadata.sorted_tables if table.name not in _COPIED]


def _copy_in(cursor: Any, statement: str, rows: Iterable[Sequence[Any]], types: Sequence[str]) -> None:
    with cursor.copy(statement) as copy:
        if types:
            copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _holds_something(connection: Connection) -> bool:
    return any(
        connection.execute(table.select().limit(1)).first() is not None
        for table in (organizations, configuration, request_logs)
    )


def _make_room(connection: Connection) -> None:
    """Make the partition of what was stored before there were days: SQLite's numbers have none in them."""
    for table in _TABLES:
        name = f"{table}_{BEFORE}"
        if not connection.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": name}):
            connection.execute(
                text(f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM (MINVALUE) TO ({COUNTER + 1})")
            )
            if table == ROWS:
                connection.execute(text(unique_index(BEFORE)))


def _set_sequences(connection: Connection, table: Table) -> None:
    """Let the numbers that the engine gives out go on behind those that are there."""
    for column in table.primary_key.columns if len(table.primary_key.columns) == 1 else ():
        name = {"table": table.name, "column": column.name}
        sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:table, :column)"), name)
        if sequence is not None and not isinstance(column.type, Boolean):
            statement = f'SELECT setval(:sequence, coalesce((SELECT max("{column.name}") FROM "{table.name}"), 0) + 1)'  # noqa: S608
            connection.execute(text(statement), {"sequence": sequence})

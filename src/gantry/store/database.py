"""Connections: one engine that writes and one that reads for each database, and what a failure of either means.

Law: a transaction here is short and its wait for a lock is bounded. What a retry can mend is `StoreUnavailable`;
all else is a bug, or data that the engine refuses, and passes through.

On SQLite, WAL lets readers go on while the one writer commits, and synchronous FULL makes a commit survive a power
loss: the clerk deletes journal segments because of it. A writer says BEGIN IMMEDIATE: a transaction that starts as a
reader and then writes may be refused at once, whatever the timeout.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gantry.store.json_text import member_in_text
from gantry.store.text_patterns import folded_text, matches_regex, number_in_text

BUSY_TIMEOUT = 5.0  # seconds a writer waits for another
_CONNECT_TIMEOUT = 5
_PAGE_SIZE = 8192  # bytes: half as many reads from a cold disk as with 4096, and the clerk is no slower
_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine, at its clock: a millisecond or less

# Primary result codes that tell of the file, the disk or another process.
_SQLITE_STATES = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOTADB,
    )
)

Clock = Callable[[], int]  # nanoseconds since the epoch


class StoreUnavailable(Exception):
    """The database is locked, full or gone; the same call may be tried again."""


class Database:
    """One database, named by a path (SQLite) or a URL (`postgresql://…`)."""

    def __init__(self, address: str | Path, *, busy_timeout: float = BUSY_TIMEOUT) -> None:
        url = database_url(address)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _create_private(Path(url.database or ""))
            self._writer = _sqlite_engine(url, busy_timeout, writable=True)
            self._reader = _sqlite_engine(url, busy_timeout, writable=False)
        else:
            arguments = {"connect_timeout": _CONNECT_TIMEOUT}
            self._writer = create_engine(url, connect_args=arguments, pool_pre_ping=True, pool_size=2)
            self._reader = create_engine(
                url, connect_args=arguments, pool_pre_ping=True, isolation_level="REPEATABLE READ"
            )
        self.url = url
        self._dbapi = self._writer.dialect.loaded_dbapi
        self.refusals: tuple[type[Exception], ...] = (self._dbapi.DataError, UnicodeEncodeError, OverflowError)

    @property
    def dialect(self) -> Any:
        return self._writer.dialect

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block. Raises StoreUnavailable."""
        with self._faults(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self, patience: float | None = None) -> Iterator[Connection]:
        """One consistent view of the database, ended after `patience` seconds. Raises StoreUnavailable."""
        with self._faults(), self._reader.connect() as connection:
            if patience is None:
                yield connection
            elif self.is_sqlite:
                with _interrupted_after(connection, patience):
                    yield connection
            else:
                connection.execute(text(f"SET LOCAL statement_timeout = {int(patience * 1000)}"))
                yield connection

    def insert_if_absent(self, connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert a row unless one with its primary key is there, and say whether it was inserted."""
        insert = sqlite_insert if self.is_sqlite else postgresql_insert
        statement = insert(table).values(values).on_conflict_do_nothing().returning(*table.primary_key)
        return connection.execute(statement).first() is not None

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeout, self._dbapi.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            if not self._may_mend(cause):
                raise
            where = self.url.render_as_string(hide_password=True)
            raise StoreUnavailable(f"{where}: {str(cause).strip()}") from error

    def _may_mend(self, cause: BaseException) -> bool:
        """Say whether the engine's state is at fault, and not our statement or its data."""
        if isinstance(cause, sqlite3.Error):
            return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_STATES
        return isinstance(cause, PoolTimeout | self._dbapi.OperationalError | self._dbapi.InterfaceError)

    def close(self) -> None:
        self._writer.dispose()
        self._reader.dispose()


def database_url(address: str | Path) -> URL:
    """Return the SQLAlchemy URL of a path or a URL; PostgreSQL is spoken through psycopg 3."""
    if isinstance(address, Path):
        return URL.create("sqlite", database=str(address))
    url = make_url(address)
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _sqlite_engine(url: URL, busy_timeout: float, *, writable: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": busy_timeout})
    event.listen(engine, "connect", _prepare_writer if writable else _prepare_reader)
    event.listen(engine, "begin", _begin_immediate if writable else _begin)
    return engine


def _prepare_writer(connection: Any, _record: object) -> None:
    _run(
        connection,
        f"PRAGMA page_size = {_PAGE_SIZE}",  # of a file that is empty; others keep theirs
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
        "PRAGMA cache_size = -32768",  # KiB
        "PRAGMA wal_autocheckpoint = 2000",  # pages: with large batches the default copies each page many times
        "PRAGMA journal_size_limit = 67108864",
    )


def _prepare_reader(connection: Any, _record: object) -> None:
    # Not mapped: where a page of a mapped file is not in memory, the system reads megabytes around it.
    _run(connection, "PRAGMA query_only = ON", "PRAGMA cache_size = -8000")
    connection.create_function("regexp", 2, matches_regex, deterministic=True)
    connection.create_function("gantry_fold", 1, folded_text, deterministic=True)
    connection.create_function("gantry_number", 1, number_in_text, deterministic=True)
    connection.create_function("gantry_member", 2, member_in_text, deterministic=True)


@contextmanager
def _interrupted_after(connection: Connection, seconds: float) -> Iterator[None]:
    """End a statement that takes too long: whoever asked is gone by then, and a thread would be held for nobody."""
    ends = time.monotonic() + seconds
    driver: Any = connection.connection.dbapi_connection
    driver.set_progress_handler(lambda: time.monotonic() > ends, _STEPS_BETWEEN_LOOKS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _run(connection: Any, *pragmas: str) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions of its own; the `begin` event does
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(pragma)
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _create_private(path: Path) -> None:
    """Create the file readable by its owner only; SQLite gives its -wal and -shm the same mode.

    One that is there is not touched: to close it would take away the locks of every other connection that this process
    has to it, and whoever leaves last elsewhere would delete the log that they read and write
    (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreUnavailable(f"cannot open {path}: {error.strerror}") from error

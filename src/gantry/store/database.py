"""Connections: one engine that writes and one that reads for each database, and what a failure of either means.

Law: a transaction here is short and its wait for a lock is bounded. What a retry can mend is `StoreUnavailable`;
all else is a bug, or data that the engine refuses, and passes through.

On SQLite, WAL lets readers go on while the one writer commits, and synchronous FULL makes a commit survive a power
loss: the clerk deletes journal segments because of it. A writer says BEGIN IMMEDIATE: a transaction that starts as a
reader and then writes may be refused at once, whatever the timeout.

On PostgreSQL both share one small pool. A connection is looked at before it is used, so a server that was restarted, or
another one behind the same name, costs no error; TCP tells of one that is gone without a word; and the server itself
ends what takes too long, so that nothing of a process that was cut off stays locked.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url, text
from sqlalchemy.exc import DataError as DataRefused  # a value that the engine cannot hold, such as a NUL in a text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gantry.store.json_text import member_in_text
from gantry.store.page_gaps import blank_gaps
from gantry.store.text_patterns import folded_text, matches_regex, number_in_text
from gantry.store.upsert import insert_into

__all__ = [
    "BUSY_TIMEOUT",
    "LOGS_APART",
    "Address",
    "Apart",
    "Clock",
    "DataRefused",
    "Database",
    "StoreUnavailable",
    "TooMuchToRead",
    "database_url",
    "is_file",
    "open_database",
    "sql_address",
]

_SPLIT: Final = "gantry.store.clickhouse.split"  # and with it a client of ClickHouse, for those who have one
LOGS_APART: Final = "gantry_logs_apart"  # of a connection's options: logs are in another store, see `Apart`
BUSY_TIMEOUT = 5.0  # seconds a writer waits for another
_KEPT_OPEN = 1  # connections of a pool that stay open; a loop of the clerk needs no more
MOST_CONNECTIONS = 8  # of a pool
_POOL_TIMEOUT = 10.0  # seconds in which one of them becomes free
_POSTGRESQL: Mapping[str, str | int] = {  # https://www.postgresql.org/docs/current/libpq-connect.html
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # ms; what was sent and not acknowledged
    "fallback_application_name": "gantry",  # the supervisor names its children by PGAPPNAME
}
# Not as `options` of the connection, which poolers refuse. A plan for a day's partition is made faster than compiled.
_SESSION = (
    "SET statement_timeout = '10min'",
    "SET idle_in_transaction_session_timeout = '10min'",
    "SET enable_partitionwise_join = on",
    "SET jit = off",
)
_PAGE_SIZE = 16384  # bytes: the clerk writes a batch in half as many calls as with 8192, for a twentieth less CPU
_CUT_PATIENCE = 0.05  # seconds
_STEPS_BETWEEN_LOOKS = 20_000  # of SQLite's machine, at its clock: a millisecond or less

_QUERY_CANCELED = "57014"  # PostgreSQL's, of what statement_timeout ends

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


class TooMuchToRead(StoreUnavailable):
    """A question was ended because its answer took longer than it may; a narrower one may be answered in time."""


class Apart(Struct, frozen=True):
    """The address of a store whose logs are in ClickHouse: of the SQL store, and the URL of theirs."""

    sql: str | Path
    logs: str


Address = str | Path | Apart  # of a log store


def sql_address(address: Address) -> str | Path:
    """Return where all is but the logs."""
    return address.sql if isinstance(address, Apart) else address


def is_file(address: Address) -> bool:
    """Say whether it is SQLite's, and so this machine's alone."""
    return isinstance(sql_address(address), Path)


def open_database(address: Address, *, busy_timeout: float = BUSY_TIMEOUT) -> "Database":
    """Open a log store's database, with its logs where they are. Raises StoreUnavailable."""
    if not isinstance(address, Apart):
        return Database(address, busy_timeout=busy_timeout)
    found: Database = import_module(_SPLIT).SplitDatabase(address, busy_timeout=busy_timeout)
    return found


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
            self._writer = _postgresql_engine(url, busy_timeout)
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.url = url
        self._dbapi = self._writer.dialect.loaded_dbapi
        # What a row raises that is there already.
        self.violation: type[Exception] = (
            self._dbapi.IntegrityError if self.is_sqlite else self._dbapi.errors.UniqueViolation
        )
        self.refusals: tuple[type[Exception], ...] = (self._dbapi.DataError, UnicodeEncodeError, OverflowError)

    @property
    def dialect(self) -> Any:
        return self._writer.dialect

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block. Raises StoreUnavailable."""
        with self.faults(), self._connect(self._writer) as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self, patience: float | None = None) -> Iterator[Connection]:
        """One consistent view of the database, ended after `patience` seconds. Raises StoreUnavailable."""
        with self.faults(), self._connect(self._reader) as connection:
            if patience is None:
                yield connection
                return
            ends = time.monotonic() + patience
            if not self.is_sqlite:
                # The least is 1 ms: 0 would be no end at all.
                connection.execute(text(f"SET LOCAL statement_timeout = {int(max(patience * 1000, 1))}"))
            with _asked_until(connection, ends), _interrupted_at(connection, ends) if self.is_sqlite else nullcontext():
                yield connection

    def _connect(self, engine: Engine) -> Connection:
        return engine.connect()

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        """A connection whose transactions are the caller's own. Raises StoreUnavailable."""
        with self.faults(), self._writer.connect() as connection:
            yield connection

    @contextmanager
    def apart(self) -> Iterator[Connection]:
        """A connection in no transaction, for what PostgreSQL does in none. Raises StoreUnavailable."""
        with self.faults(), self._writer.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    def cut_log(self) -> bool:
        """Move SQLite's write-ahead log into the database and cut it; False where somebody still reads it."""
        if not self.is_sqlite:
            return True
        # Whoever waits for readers here holds up all writers for as long: not for the patience of a writer.
        with self.faults(), closing(sqlite3.connect(self.url.database or "", timeout=_CUT_PATIENCE)) as connection:
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return busy == 0

    def blank_gaps(self, page: int) -> int | None:
        """Do `page_gaps.blank_gaps`. Raises StoreUnavailable."""
        if not self.is_sqlite:
            return None
        with self.faults():
            return blank_gaps(Path(self.url.database or ""), page)

    def insert_if_absent(self, connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
        """Insert a row unless one with its primary key is there, and say whether it was inserted."""
        insert = insert_into(table, is_sqlite=self.is_sqlite)
        statement = insert.values(values).on_conflict_do_nothing().returning(*table.primary_key)
        return connection.execute(statement).first() is not None

    def connect_alone(self) -> Any:
        """Return a connection of the driver, in no pool and in no transaction, which the caller closes."""
        connection: Any = self._writer.raw_connection()
        driver = connection.driver_connection
        connection.detach()
        driver.autocommit = True
        return driver

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn what a retry can mend into StoreUnavailable."""
        try:
            yield
        except (DBAPIError, PoolTimeout, self._dbapi.Error) as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            if not self._may_mend(cause):
                raise
            where = self.url.render_as_string(hide_password=True)
            if _was_ended(cause):
                raise TooMuchToRead(f"{where}: the question took longer than it may") from error
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


def _postgresql_engine(url: URL, busy_timeout: float) -> Engine:
    engine = create_engine(
        url,
        connect_args=dict(_POSTGRESQL),
        pool_pre_ping=True,
        pool_size=_KEPT_OPEN,
        max_overflow=MOST_CONNECTIONS - _KEPT_OPEN,
        pool_timeout=_POOL_TIMEOUT,
    )
    session = (*_SESSION, f"SET lock_timeout = {max(int(busy_timeout * 1000), 1)}")

    def prepare(connection: Any, _record: object) -> None:
        connection.execute("; ".join(session))
        connection.commit()

    event.listen(engine, "connect", prepare)
    return engine


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
        "PRAGMA secure_delete = ON",  # what is deleted is blanked, pages that are given back too
        "PRAGMA cache_size = -32768",  # KiB
        "PRAGMA wal_autocheckpoint = 1000",  # pages, 16 MB: with large batches the default copies each page many times
        "PRAGMA journal_size_limit = 67108864",
    )


def _prepare_reader(connection: Any, _record: object) -> None:
    # Not mapped: where a page of a mapped file is not in memory, the system reads megabytes around it.
    _run(connection, "PRAGMA query_only = ON", "PRAGMA cache_size = -8000")
    connection.create_function("regexp", 2, matches_regex, deterministic=True)
    connection.create_function("gantry_fold", 1, folded_text, deterministic=True)
    connection.create_function("gantry_number", 1, number_in_text, deterministic=True)
    connection.create_function("gantry_member", 2, member_in_text, deterministic=True)


def _was_ended(cause: BaseException) -> bool:
    """Say whether we ended the statement ourselves, for the time that it took."""
    return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT or (
        getattr(cause, "sqlstate", None) == _QUERY_CANCELED
    )


@contextmanager
def _asked_until(connection: Connection, ends: float) -> Iterator[None]:
    """Let no statement begin from a moment on: many short ones take as long as a long one."""

    def look_at_the_clock(*_: object) -> None:
        if time.monotonic() > ends:
            raise TooMuchToRead("the question took longer than it may")

    event.listen(connection, "before_cursor_execute", look_at_the_clock)
    try:
        yield
    finally:
        event.remove(connection, "before_cursor_execute", look_at_the_clock)


@contextmanager
def _interrupted_at(connection: Connection, ends: float) -> Iterator[None]:
    """End a statement that takes too long: whoever asked is gone by then, and a thread would be held for nobody."""
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

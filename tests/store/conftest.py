"""Every test of the store runs on both engines: SQLite files, and a real PostgreSQL out of a wheel."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from tests.postgresql import create_database, running_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of this test run."""
    with running_server(tmp_path_factory.mktemp("postgres") / "data") as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """An empty database."""
    if request.param == "sqlite":
        return tmp_path / "test.db"
    return create_database(request.getfixturevalue("postgres_server"), f"test_{next(_numbers)}")


@pytest.fixture
def logs(address: str | Path) -> Iterator[LogStore]:
    store = LogStore(address, busy_timeout=0.05)
    yield store
    store.close()


@pytest.fixture
def control(address: str | Path) -> Iterator[ControlStore]:
    with ControlStore(address) as store:
        yield store

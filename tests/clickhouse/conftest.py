"""A ClickHouse for all tests here, and an empty database in it for each."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.store.database import Apart
from gantry.store.logs import LogStore
from tests.clickhouse.server import new_logs_url, running_clickhouse
from tests.postgresql import create_database
from tests.store.conftest import postgres_server

__all__ = ["postgres_server"]
_numbers = itertools.count()


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ClickHouse of this test run."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def logs_url(clickhouse_server: str) -> str:
    return new_logs_url(clickhouse_server)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, logs_url: str, tmp_path: Path) -> Apart:
    """An empty log store: all but the logs in SQLite, or in PostgreSQL."""
    if request.param == "sqlite":
        return Apart(tmp_path / "logs.db", logs_url)
    return Apart(create_database(request.getfixturevalue("postgres_server"), f"beside_{next(_numbers)}"), logs_url)


@pytest.fixture
def logs(address: Apart) -> Iterator[LogStore]:
    store = LogStore(address, busy_timeout=0.05)
    yield store
    store.close()

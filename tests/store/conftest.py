"""The store's tests run on SQLite files and a real PostgreSQL out of a wheel, those of logs also on ClickHouse."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.store.control import ControlStore
from gantry.store.database import Address, Apart, sql_address
from gantry.store.logs import LogStore
from tests.clickhouse.server import new_logs_url, running_clickhouse
from tests.postgresql import create_database, needs_sqlite, running_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of this test run."""
    with running_server(tmp_path_factory.mktemp("postgres") / "data") as server:
        yield server


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a ClickHouse of this test run."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


ENGINES = [pytest.param("sqlite", marks=needs_sqlite), pytest.param("postgresql", marks=pytest.mark.slow)]


def _empty(request: pytest.FixtureRequest, folder: Path) -> Address:
    if request.param == "sqlite":
        return folder / "test.db"
    if request.param == "clickhouse":
        return Apart(folder / "test.db", new_logs_url(request.getfixturevalue("clickhouse_server")))
    return create_database(request.getfixturevalue("postgres_server"), f"test_{next(_numbers)}")


@pytest.fixture(params=ENGINES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """An empty database."""
    return _empty(request, tmp_path)


@pytest.fixture(params=[*ENGINES, pytest.param("clickhouse", marks=pytest.mark.slow)])
def address_of_logs(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """An empty database, or one with its logs in ClickHouse: what tests of logs import as their `address`."""
    return _empty(request, tmp_path)


@pytest.fixture
def logs(address: Address) -> Iterator[LogStore]:
    store = LogStore(address, busy_timeout=0.05)
    yield store
    store.close()


@pytest.fixture
def control(address: Address) -> Iterator[ControlStore]:
    with ControlStore(sql_address(address)) as store:
        yield store

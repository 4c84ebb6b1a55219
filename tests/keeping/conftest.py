"""An empty database on a real PostgreSQL, for stores that move there."""

import itertools

import pytest

from tests.postgresql import create_database
from tests.store.conftest import postgres_server as postgres_server  # the same server that the store's tests use

_numbers = itertools.count()


@pytest.fixture
def database_url(postgres_server: str) -> str:
    return str(create_database(postgres_server, f"moved_{next(_numbers)}"))

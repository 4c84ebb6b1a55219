"""console/state: a database that is away or slow costs a 503, never a wait without an end."""

import sqlite3
import threading
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from gantry.console.app import create_app
from gantry.console.state import Lazily
from gantry.core.vocabulary import Scope
from gantry.home import Home, Keyring
from gantry.store.database import StoreUnavailable
from gantry.store.logs import LogStore
from tests.console.conftest import Keys, bearer, state_of
from tests.console.shaped_client import ShapedClient
from tests.postgresql import needs_sqlite

LIST = "/api/request-logs/list/"


@needs_sqlite
def test_an_unusable_log_database_is_a_503_that_says_what_to_do(client: TestClient, keys: Keys, home: Home) -> None:
    _, secret = keys.add()
    home.logs_db.mkdir()
    answer = client.get(LIST, headers=bearer(secret))
    assert answer.status_code == 503
    assert "gantry doctor" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "2"
    home.logs_db.rmdir()
    assert client.get(LIST, headers=bearer(secret)).status_code == 200


@needs_sqlite
def test_a_locked_log_database_is_read_or_a_503(client: TestClient, keys: Keys, home: Home, logs: LogStore) -> None:
    _, secret = keys.add()
    lock = sqlite3.connect(home.logs_db, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    assert client.get(LIST, headers=bearer(secret)).status_code in (200, 503)
    lock.execute("ROLLBACK")
    lock.close()
    assert client.get(LIST, headers=bearer(secret)).status_code == 200


class Stuck:
    """A store whose opening does not end before it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def open(self) -> LogStore:
        self.gate.wait()
        raise StoreUnavailable("it was stuck")


@pytest.fixture
def stuck() -> Iterator[Stuck]:
    stuck = Stuck()
    yield stuck
    stuck.gate.set()


def test_a_store_that_hangs_is_not_waited_for(keys: Keys, home: Home, keyring: Keyring, stuck: Stuck) -> None:
    _, secret = keys.add()
    state = state_of(home, keyring, logs=stuck.open, patience=0.2)
    with ShapedClient(create_app(state)) as client:
        answer = client.get(LIST, headers=bearer(secret))
    assert answer.status_code == 503
    assert "did not answer within 0.2 seconds" in answer.json()["detail"]
    state.close()


@pytest.mark.parametrize("path", ["/api/traces/list", "/api/log_threads", "/api/traces/summary", LIST])
def test_too_much_to_look_through_is_no_empty_answer(keys: Keys, home: Home, keyring: Keyring, path: str) -> None:
    _, secret = keys.add(Scope.READ)
    state = state_of(home, keyring, logs=lambda: LogStore(home.logs_db, patience=-1.0))
    with ShapedClient(create_app(state)) as client:
        answer = client.get(path, params={"model": "nobody-called-it"}, headers=bearer(secret))
    state.close()
    assert answer.status_code == 503
    assert "too much to look through" in answer.json()["detail"]
    assert "a shorter time" in answer.json()["detail"]
    assert "doctor" not in answer.json()["detail"]
    assert "retry-after" not in answer.headers, "it would only be asked again"


def test_what_failed_to_open_is_tried_again() -> None:
    results: list[int | None] = [None, 7]

    def open_it() -> int:
        result = results.pop(0)
        if result is None:
            raise StoreUnavailable("not yet")
        return result

    lazily = Lazily(open_it)
    with pytest.raises(StoreUnavailable):
        lazily.get()
    assert (lazily.opened, lazily.get(), lazily.get(), lazily.opened) == (None, 7, 7, 7)

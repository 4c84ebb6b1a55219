"""A console over a home of its own: stores with keys and logs, a journal, a clock that stands."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gantry.board.board import Board
from gantry.console.app import create_app
from gantry.console.state import ConsoleState
from gantry.core.request_log import RequestLog
from gantry.core.secret import Secret
from gantry.core.usage import Usage
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, LogMethod, Outcome, Scope
from gantry.home import Home, Keyring, load_keyring
from gantry.journal.writer import JournalWriter
from gantry.store.control import ControlStore, default_organization
from gantry.store.keys import ApiKey, KeyPolicy, add_key, revoke_key
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.vault import Vault

NOW = 1_795_000_000_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


class Keys:
    """Makes API keys in the control store."""

    def __init__(self, control: ControlStore, keyring: Keyring) -> None:
        self._control = control
        self._keyring = keyring
        with control.reading() as connection:
            self.organization_id = default_organization(connection)

    def add(
        self,
        scopes: Scope = DEFAULT_SCOPES,
        environment: Environment = Environment.PROD,
        expires_at: int | None = None,
    ) -> tuple[ApiKey, Secret]:
        policy = KeyPolicy(scopes=scopes, environment=environment, expires_at=expires_at)
        with self._control.changing() as change:
            return add_key(change, self.organization_id, "a key", policy, self._keyring.pepper)

    def revoke(self, key: ApiKey) -> None:
        with self._control.changing() as change:
            revoke_key(change, key)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    Board(home.board)
    return home


@pytest.fixture
def keyring(home: Home) -> Keyring:
    return load_keyring(home, create=True)


@pytest.fixture
def keys(home: Home, keyring: Keyring) -> Iterator[Keys]:
    with ControlStore(home.control_db, clock=lambda: NOW) as control:
        yield Keys(control, keyring)


@pytest.fixture
def logs(home: Home) -> Iterator[LogStore]:
    store = LogStore(home.logs_db)
    yield store
    store.close()


@pytest.fixture
def state(home: Home, keyring: Keyring) -> Iterator[ConsoleState]:
    state = ConsoleState(
        control=lambda: ControlStore(home.control_db, busy_timeout=0.1),
        logs=lambda: LogStore(home.logs_db, busy_timeout=0.1),
        journal=JournalWriter(home.journal),
        pepper=keyring.pepper,
        vault=Vault(keyring.vault),
        clock=lambda: NOW,
        health=home.health,
    )
    yield state
    state.close()


@pytest.fixture
def client(state: ConsoleState) -> Iterator[TestClient]:
    with TestClient(create_app(state), raise_server_exceptions=False) as client:
        yield client


def bearer(secret: Secret) -> dict[str, str]:
    return {"authorization": f"Bearer {secret.reveal()}"}


def log_id_at(number: int) -> str:
    """Return the id of the log that `make_log` makes for a number."""
    return f"{number:032x}"


def make_log(key: ApiKey, number: int, **changes: object) -> RequestLog:
    """Return a log that began `number` minutes before NOW."""
    values: dict[str, object] = {
        "log_id": log_id_at(number),
        "organization_id": key.organization_id,
        "key_id": key.id,
        "environment": key.policy.environment,
        "log_method": LogMethod.INFERENCE,
        "outcome": Outcome.SUCCESS,
        "status_code": 200,
        "started_at": NOW - number * MINUTE,
        "ended_at": NOW - number * MINUTE + 1_500_000_000,
        "latency": 1_500_000_000,
        "usage": Usage(input_tokens=10, output_tokens=3),
        **changes,
    }
    return RequestLog(**values)  # type: ignore[arg-type]


def store_logs(store: LogStore, *stored: RequestLog) -> None:
    assert store.record(RecordBatch(logs=list(stored))) == {log.log_id for log in stored}

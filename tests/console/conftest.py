"""A console over a home of its own: stores with keys and logs, a journal, a clock that stands."""

from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from msgspec import Struct

from gantry.board.board import Board
from gantry.console.access import CSRF_HEADER
from gantry.console.app import create_app
from gantry.console.entrance import Entrance
from gantry.console.passwords import Passwords
from gantry.console.state import ConsoleState
from gantry.core.request_log import RequestLog
from gantry.core.role import Role
from gantry.core.secret import Secret
from gantry.core.sign_in_tokens import csrf_token, session_digest, setup_token
from gantry.core.usage import Usage
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, LogMethod, Outcome, Scope
from gantry.home import Home, Keyring, load_keyring
from gantry.journal.writer import JournalWriter
from gantry.store.control import ControlStore, default_organization
from gantry.store.keys import ApiKey, KeyPolicy, add_key, revoke_key
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.people import add_member, add_person
from gantry.store.sessions import LONGEST, Session, begin_session
from gantry.store.vault import Vault
from tests.console.shaped_client import ShapedClient

NOW = 1_795_000_000_000_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


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


def state_of(home: Home, keyring: Keyring, /, **others: Any) -> ConsoleState:
    """Return what a console of a home knows, but for what a test gives it otherwise; the test closes it."""
    usual: dict[str, Any] = {
        "control": lambda: ControlStore(home.control_db),
        "logs": lambda: LogStore(home.logs_db),
        "pepper": keyring.pepper,
        "vault": Vault(keyring.vault),
        "clock": lambda: NOW,
    }
    return ConsoleState(**{"journal": others.get("journal") or JournalWriter(home.journal), **usual, **others})


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
def control(home: Home) -> Iterator[ControlStore]:
    with ControlStore(home.control_db, clock=lambda: NOW) as control:
        yield control


@pytest.fixture
def keys(control: ControlStore, keyring: Keyring) -> Keys:
    return Keys(control, keyring)


@pytest.fixture
def logs(home: Home) -> Iterator[LogStore]:
    store = LogStore(home.logs_db)
    yield store
    store.close()


@pytest.fixture
def state(home: Home, keyring: Keyring) -> Iterator[ConsoleState]:
    state = state_of(
        home,
        keyring,
        control=lambda: ControlStore(home.control_db, busy_timeout=0.1),
        logs=lambda: LogStore(home.logs_db, busy_timeout=0.1),
        entrance=Entrance(keyring.session, passwords=Passwords(CHEAP)),
        health=home.health,
        counters=home.counters,
        home=home,
    )
    yield state
    wait(state.telling)  # nobody else does, and on a server a connection would be left in their thread
    state.close()


@pytest.fixture
def client(state: ConsoleState) -> Iterator[TestClient]:
    with ShapedClient(create_app(state), raise_server_exceptions=False) as client:
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


EMAIL = "ada@example.com"
PASSWORD = "a long sentence of hers"


def claim(client: TestClient, keyring: Keyring, keys: Keys, **changes: str) -> dict[str, str]:
    """Claim the console for Ada, who is signed in then; return the headers of what changes something."""
    form = {
        "token": setup_token(keyring.session, keys.organization_id),
        "email": EMAIL,
        "name": "Ada",
        "password": PASSWORD,
        **changes,
    }
    answer = client.post("/api/session/claim", json=form)
    assert answer.status_code == 200, answer.text
    return {CSRF_HEADER: answer.json()["csrf"]}


class Person(Struct, frozen=True):
    """Who is signed in: the cookie that a browser would send, and the token that a page would."""

    id: str
    cookie: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        return {"cookie": self.cookie, CSRF_HEADER: self.csrf}


def sign_in(control: ControlStore, keyring: Keyring, organization_id: str, role: Role, name: str = "") -> Person:
    """Return a person of this role with a session, without a password."""
    name = name or role
    digest = session_digest(keyring.session, name)
    with control.changing() as change:
        person = add_person(change, f"{name}@example.com", name, None)
        add_member(change, organization_id, person, role)
        session = Session(
            id=name,
            digest=digest,
            organization_id=organization_id,
            person_id=person.id,
            created_at=NOW,
            seen_at=NOW,
            expires_at=NOW + LONGEST,
            address="",
            user_agent="",
        )
        begin_session(change.connection, session)
    return Person(person.id, f"gantry_session={name}", csrf_token(keyring.session, digest))

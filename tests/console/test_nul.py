"""A NUL in a path, a parameter or a body: no database's fault, and on both engines an answer in words."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.console.app import create_app
from gantry.console.state import ConsoleState
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore, default_organization
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.logs import LogStore
from tests.console.conftest import NOW, bearer, state_of
from tests.console.shaped_client import ShapedClient
from tests.store.conftest import address, postgres_server

__all__ = ["address", "postgres_server"]

Headers = dict[str, str]


@pytest.fixture
def state(home: Home, keyring: Keyring, address: str | Path) -> Iterator[ConsoleState]:
    logs = home.logs_db if isinstance(address, Path) else address
    state = state_of(home, keyring, control=lambda: ControlStore(address), logs=lambda: LogStore(logs))
    yield state
    state.close()


@pytest.fixture
def manager(keyring: Keyring, address: str | Path) -> Headers:
    policy = KeyPolicy(scopes=DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)
    with ControlStore(address, clock=lambda: NOW) as control, control.changing() as change:
        organization_id = default_organization(change.connection)
        return bearer(add_key(change, organization_id, "a key", policy, keyring.pepper)[1])


def test_a_nul_is_found_nowhere(state: ConsoleState, manager: Headers) -> None:
    with ShapedClient(create_app(state), raise_server_exceptions=False) as client:
        answers = [
            client.get("/api/temporary-keys/a%00b", headers=manager),
            client.get("/api/users/a%00b", headers=manager),
            client.patch("/api/users/a%00b", headers=manager, json={"name": "x"}),
            client.get("/api/alerts/deliveries/a%00b", headers=manager),
            client.post("/api/alerts/deliveries/a%00b/redeliver", headers=manager),
            client.get("/api/alert-channels/a%00b", headers=manager),
            client.get("/api/limits/a%00b", headers=manager),
            client.get("/api/credit-transactions/a%00b", headers=manager),
        ]
        assert {answer.status_code for answer in answers} <= {400, 404}, [answer.text for answer in answers]
        assert client.get("/api/alerts?before=a%00b", headers=manager).status_code in (200, 400)
        limit = {"scope": "api_key", "subject": "a\0b", "unit": "requests", "amount": 1}
        assert client.post("/api/limits", headers=manager, json=limit).status_code == 400
        assert client.post("/api/users", headers=manager, json={"customer_identifier": "a\0b"}).status_code == 400

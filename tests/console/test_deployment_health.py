"""The health of deployments by API: by the names of their credentials, to each organization its own, and reset."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert

from gantry.board.health import HealthBook
from gantry.core.secret import Secret
from gantry.core.standing import UNTOUCHED, Standing
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.control_tables import organizations
from gantry.store.credentials import Credential, NewCredential, add_credential
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.vault import Vault
from tests.console.conftest import Keys, bearer

DEPLOYMENTS = "/api/health/deployments/"
RESET = f"{DEPLOYMENTS}reset/"
OTHER = "f" * 32
SMALL = "mistral/default/mistral-small-latest"
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    return bearer(keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)[1])


@pytest.fixture
def own(home: Home, keys: Keys, keyring: Keyring) -> Credential:
    return stored(home, keyring, keys.organization_id)


@pytest.fixture
def book(home: Home) -> Iterator[HealthBook]:
    book = HealthBook(home.health)
    yield book
    book.close()


def stored(home: Home, keyring: Keyring, organization: str) -> Credential:
    new = NewCredential(provider_id="mistral", name="default", base_url="https://a.test", secrets={"k": Secret("s")})
    with ControlStore(home.control_db) as control, control.changing() as change:
        return add_credential(change, Vault(keyring.vault), organization, new)


def neighbour(home: Home, keyring: Keyring) -> Headers:
    """Make another organization, and return the headers of a key of its own."""
    with ControlStore(home.control_db) as control, control.changing() as change:
        change.connection.execute(insert(organizations).values(id=OTHER, name="neighbour", created_at=0))
        policy = KeyPolicy(scopes=DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)
        return bearer(add_key(change, OTHER, "theirs", policy, keyring.pepper)[1])


def fails(book: HealthBook, credential: Credential, model: str, **fields: Any) -> str:
    """Let a deployment cool, or stand as it is said; return what the board calls it."""
    now = time.monotonic_ns() // 1_000_000
    standing = Standing(failing=670, cooldowns=2, since=now, until=now + 60_000, status=503, failed_at=1_795_000_000)
    name = f"{credential.id}/{model}"
    book.change(name, lambda _: standing._replace(**fields))
    return name


def listed(client: TestClient, headers: Headers) -> dict[str, dict[str, Any]]:
    answer = client.get(DEPLOYMENTS, headers=headers)
    assert answer.status_code == 200, answer.text
    return {one["deployment"]: one for one in answer.json()}


def test_nothing_is_known_while_nobody_complained(client: TestClient, home: Home, manager: Headers) -> None:
    assert client.get(DEPLOYMENTS, headers=manager).json() == []
    assert client.post(RESET, headers=manager, json={"all": True}).json() == {"reset": []}
    assert not home.health.exists(), "the file is the workers' to make"


def test_a_deployment_is_shown_by_name(client: TestClient, manager: Headers, own: Credential, book: HealthBook) -> None:
    before = time.time()
    fails(book, own, "mistral-small-latest")
    fails(book, own, "org/with/slashes", since=1, until=2, status=0)
    fails(book, own, "", since=0, until=0, cooldowns=0, failing=200, failed_at=0, status=0)
    found = listed(client, manager)
    until = datetime.fromisoformat(found[SMALL].pop("until")).timestamp()
    assert before + 58 <= until <= time.time() + 61
    assert found[SMALL] == {
        "deployment": SMALL,
        "provider_id": "mistral",
        "credential_name": "default",
        "model": "mistral-small-latest",
        "condition": "cooling",
        "failing": 0.67,
        "cooldowns": 2,
        "last_status": 503,
        "last_failed_at": "2026-11-18T11:06:40Z",
    }
    due = found["mistral/default/org/with/slashes"]
    assert (due["condition"], due["until"], due["last_status"], due["model"]) == ("due", None, None, "org/with/slashes")
    well = found["mistral/default"]
    assert (well["condition"], well["failing"], well["model"], well["last_failed_at"]) == ("well", 0.2, None, None)
    assert own.id not in client.get(DEPLOYMENTS, headers=manager).text


@pytest.mark.parametrize(
    ("body", "gone"),
    [
        ({"deployment": SMALL}, {"mistral-small-latest"}),
        ({"deployment": "mistral/default"}, {"mistral-small-latest", "other"}),
        ({"deployment": "mistral"}, {"mistral-small-latest", "other"}),
        ({"all": True}, {"mistral-small-latest", "other"}),
    ],
)
def test_what_is_reset_is_well(
    client: TestClient, manager: Headers, own: Credential, book: HealthBook, body: Any, gone: set[str]
) -> None:
    names = {model: fails(book, own, model) for model in ("mistral-small-latest", "other")}
    answer = client.post(RESET, headers=manager, json=body)
    assert (answer.status_code, set(answer.json()["reset"])) == (200, {f"mistral/default/{model}" for model in gone})
    assert {model for model, name in names.items() if book.standing(name) == UNTOUCHED} == gone
    assert set(listed(client, manager)) == {f"mistral/default/{model}" for model in names.keys() - gone}


def test_a_name_of_any_length_can_be_reset(
    client: TestClient, manager: Headers, own: Credential, book: HealthBook
) -> None:
    name = fails(book, own, "é" * 200)
    (shown,) = listed(client, manager)
    assert shown.startswith("mistral/default/éé")
    assert client.post(RESET, headers=manager, json={"deployment": shown}).json() == {"reset": [shown]}
    assert book.standing(name) == UNTOUCHED


def test_each_organization_sees_and_resets_its_own(
    client: TestClient, home: Home, keyring: Keyring, manager: Headers, own: Credential, book: HealthBook
) -> None:
    other_manager = neighbour(home, keyring)
    theirs = stored(home, keyring, OTHER)
    ours_name, their_name = fails(book, own, "ours"), fails(book, theirs, "theirs")
    book.change("0" * 32 + "/orphan", lambda _: book.standing(ours_name))
    assert set(listed(client, manager)) == {"mistral/default/ours"}
    assert set(listed(client, other_manager)) == {"mistral/default/theirs"}
    for deployment in ("mistral/default/theirs", their_name, theirs.id, "0" * 32 + "/orphan"):
        answer = client.post(RESET, headers=manager, json={"deployment": deployment})
        assert answer.status_code == 404, deployment
    assert client.post(RESET, headers=manager, json={"all": True}).json() == {"reset": ["mistral/default/ours"]}
    assert book.standing(their_name).cooldowns == 2
    assert client.post(RESET, headers=other_manager, json={"deployment": "mistral/default"}).status_code == 200
    assert book.standing(their_name) == UNTOUCHED


def test_a_file_made_anew_is_seen_at_once(
    client: TestClient, home: Home, manager: Headers, own: Credential, book: HealthBook
) -> None:
    """The supervisor takes the file away at its start; who had it mapped would go on telling of the old one."""
    fails(book, own, "before")
    assert set(listed(client, manager)) == {"mistral/default/before"}
    home.health.unlink()
    assert listed(client, manager) == {}
    new = HealthBook(home.health)
    name = fails(new, own, "after")
    assert set(listed(client, manager)) == {"mistral/default/after"}
    assert client.post(RESET, headers=manager, json={"all": True}).status_code == 200
    assert new.standing(name) == UNTOUCHED
    new.close()


@pytest.mark.parametrize("body", [{}, {"all": False}, {"all": True, "deployment": "x"}, {"al": True}, [], 3])
def test_who_does_not_say_what_is_told_how(client: TestClient, manager: Headers, body: Any) -> None:
    answer = client.post(RESET, headers=manager, json=body)
    assert (answer.status_code, "reset" in answer.text or "deployment" in answer.text) == (400, True)


def test_scopes(client: TestClient, keys: Keys) -> None:
    reader, caller = bearer(keys.add(DEFAULT_SCOPES | Scope.READ)[1]), bearer(keys.add()[1])
    assert client.get(DEPLOYMENTS, headers=reader).status_code == 200
    assert client.post(RESET, headers=reader, json={"all": True}).status_code == 403
    assert client.get(DEPLOYMENTS, headers=caller).status_code == 403
    assert client.get(DEPLOYMENTS).status_code == 401
    nobody = client.post(RESET, headers=bearer(keys.add(Scope.MANAGE)[1]), json={"deployment": "mistral/nobody"})
    assert nobody.status_code == 404
    assert "mistral/nobody" in nobody.json()["detail"]

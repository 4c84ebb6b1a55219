"""Stored credentials by API: what one serves is changed live; secrets are neither shown nor taken."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.credentials import Credential, ManagedBy, NewCredential, add_credential, find_credential
from gantry.store.vault import Vault
from tests.console.conftest import Keys, bearer

CREDENTIALS = "/api/credentials/"
ONE = f"{CREDENTIALS}mistral/default/"
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    """The headers of a key that may read and manage."""
    return bearer(keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)[1])


@pytest.fixture(autouse=True)
def stored(home: Home, keys: Keys, keyring: Keyring) -> Credential:
    """The credential mistral/default, and one that is declared in each of the two places."""
    new = NewCredential(
        provider_id="mistral",
        name="default",
        base_url="https://api.mistral.ai",
        secrets={"api_key": Secret("canary")},
        weight=2.0,
        models=("a",),
    )
    declared = (
        NewCredential(provider_id="openai", name="OPENAI_API_KEY", base_url="https://x.test", source="OPENAI_API_KEY",
                      managed_by=ManagedBy.ENVIRONMENT),
        NewCredential(provider_id="openai", name="gantry.toml", base_url="https://x.test", source="K",
                      managed_by=ManagedBy.FILE),
    )  # fmt: skip
    with ControlStore(home.control_db) as control, control.changing() as change:
        first, *_ = [
            add_credential(change, Vault(keyring.vault), keys.organization_id, one) for one in (new, *declared)
        ]
    return first


def kept(home: Home, keys: Keys) -> Credential:
    with ControlStore(home.control_db) as control, control.reading() as connection:
        return find_credential(connection, keys.organization_id, "mistral")


def test_what_a_credential_serves_is_shown_and_changed(
    client: TestClient, keys: Keys, home: Home, manager: Headers, stored: Credential
) -> None:
    shown = client.get(ONE, headers=manager)
    assert shown.json().pop("created_at")
    assert shown.json() == {
        "id": stored.id,
        "provider_id": "mistral",
        "name": "default",
        "base_url": "https://api.mistral.ai",
        "weight": 2.0,
        "available_models": ["a"],
        "exclude_models": [],
        "environment": None,
        "source": None,
        "home": True,
        "platform": False,
        "fields": {"api_key": "••••"},
        "managed_by": None,
        "created_at": shown.json()["created_at"],
    }
    assert client.get(f"{CREDENTIALS}{stored.id}", headers=manager).json() == shown.json()
    listed = client.get(CREDENTIALS.rstrip("/"), headers=manager).json()
    assert {one["name"] for one in listed} == {"default", "OPENAI_API_KEY", "gantry.toml"}
    changes = {"weight": 0, "exclude_models": ["b-*"], "environment": "test"}
    changed = client.patch(ONE, headers=manager, json=changes)
    assert (changed.status_code, changed.json()) == (200, {**shown.json(), **changes})
    now = kept(home, keys)
    assert (now.weight, now.models, now.excluded_models, now.environment) == (0.0, ("a",), ("b-*",), Environment.TEST)
    cleared = client.patch(ONE, headers=manager, json=dict.fromkeys((*changes, "available_models")))
    assert cleared.json() == {**shown.json(), "weight": 1.0, "available_models": []}
    for answer in (shown, changed, cleared):
        assert "canary" not in answer.text


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"weight": -1}, "Expected `float` >= 0"),
        ({"weight": 1e300}, "Expected `float` <= 1000000000"),
        ({"weight": "1"}, "Expected `float | null`, got `str`"),
        ({"available_models": [""]}, "Expected `str` of length >= 1"),
        ({"exclude_models": "a"}, "Expected `array | null`, got `str`"),
        ({"environment": "dev"}, "Invalid enum value 'dev'"),
        ({"api_key": "k"}, "unknown field `api_key`"),
        ([], "does not say what a credential serves"),
    ],
)
def test_what_is_refused_changes_nothing(
    client: TestClient, keys: Keys, home: Home, manager: Headers, stored: Credential, body: Any, says: str
) -> None:
    answer = client.patch(ONE, headers=manager, json=body)
    assert (answer.status_code, says in answer.json()["detail"]) == (400, True), answer.text
    assert kept(home, keys) == stored


@pytest.mark.parametrize(
    ("name", "says"),
    [("OPENAI_API_KEY", "$OPENAI_API_KEY in the environment"), ("gantry.toml", "gantry.toml")],
)
def test_what_is_declared_is_changed_there(client: TestClient, manager: Headers, name: str, says: str) -> None:
    answer = client.patch(f"{CREDENTIALS}openai/{name}", headers=manager, json={"weight": 0})
    assert answer.status_code == 403
    assert answer.json()["detail"] == f"openai/{name} is declared by {says}; change it there."


def test_who_may_and_what_is_not_there(client: TestClient, keys: Keys, manager: Headers) -> None:
    for path in ("nobody", "mistral/nobody", "openai"):  # the last of which means two
        assert client.get(f"{CREDENTIALS}{path}", headers=manager).status_code == 404
        assert client.patch(f"{CREDENTIALS}{path}", headers=manager, json={}).status_code == 404
    reader, caller = bearer(keys.add(DEFAULT_SCOPES | Scope.READ)[1]), bearer(keys.add()[1])
    assert client.patch(ONE, headers=reader, json={}).status_code == 403
    for path in (CREDENTIALS, ONE):
        assert client.get(path, headers=reader).status_code == 200
        assert client.get(path, headers=caller).status_code == 403

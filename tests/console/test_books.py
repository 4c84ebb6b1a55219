"""Settings of the books by API: who may set what, and that a tenant does not set what it pays."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.core.book_settings import BookSettings
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.books import put_book_settings
from gantry.store.control import ControlStore
from gantry.store.credentials import ManagedBy
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.organizations import add_organization
from tests.console.conftest import Keys, bearer

BOOKS = "/api/books/"
NOTHING = {
    "unpriced": "allow",
    "stop_streams": False,
    "markup": 0.0,
    "minimum_balance": 0.0,
    "low_balance": None,
    "managed_by": None,
}
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    return bearer(keys.add(Scope.MANAGE)[1])


@pytest.fixture
def tenant(keys: Keys, keyring: Keyring, home: Home) -> Headers:
    with ControlStore(home.control_db) as control, control.changing() as change:
        other = add_organization(change, "tenant")
        return bearer(add_key(change, other.id, "t", KeyPolicy(scopes=Scope.MANAGE), keyring.pepper)[1])


def test_books_are_shown_and_changed(client: TestClient, manager: Headers) -> None:
    assert client.get(BOOKS, headers=manager).json() == NOTHING
    wanted = {**NOTHING, "unpriced": "block", "stop_streams": True, "markup": 0.2, "low_balance": 10.5}
    assert client.patch(BOOKS, headers=manager, json=wanted).json() == wanted
    assert client.get("/books", headers=manager).json() == wanted
    assert client.patch(BOOKS, headers=manager, json={"low_balance": None}).json() == {**wanted, "low_balance": None}


@pytest.mark.parametrize(
    "body",
    [
        {"markups": 1},
        {"markup": -0.1},
        {"markup": 101},
        {"markup": "much"},
        {"unpriced": "perhaps"},
        {"minimum_balance": 1e300},
        {"minimum_balance": None},
        [],
    ],
)
def test_what_cannot_be_is_a_400(client: TestClient, manager: Headers, body: Any) -> None:
    assert client.patch(BOOKS, headers=manager, json=body).status_code == 400
    assert client.get(BOOKS, headers=manager).json() == NOTHING


def test_pain_13_a_tenant_does_not_set_what_it_pays(client: TestClient, manager: Headers, tenant: Headers) -> None:
    for body in ({"markup": 1}, {"minimum_balance": -100}, {"minimum_balance": 100, "stop_streams": True}):
        answer = client.patch(BOOKS, headers=tenant, json=body)
        assert (answer.status_code, "is the operator's to set" in answer.json()["detail"]) == (403, True)
    assert client.get(BOOKS, headers=tenant).json() == NOTHING
    stricter = {"unpriced": "block", "stop_streams": True, "low_balance": 5.0, "markup": 0.0}
    assert client.patch(BOOKS, headers=tenant, json=stricter).json() == {**NOTHING, **stricter}
    assert client.patch(BOOKS, headers=tenant, json={"unpriced": "allow"}).status_code == 403
    assert client.get(BOOKS, headers=manager).json() == NOTHING


def test_who_may(client: TestClient, keys: Keys) -> None:
    for scopes, read, change in (
        (DEFAULT_SCOPES, 403, 403),
        (Scope.READ, 200, 403),
        (Scope.MANAGE, 200, 200),
        (Scope.INGEST | Scope.NATIVE, 403, 403),
    ):
        headers = bearer(keys.add(scopes)[1])
        assert client.get(BOOKS, headers=headers).status_code == read
        assert client.patch(BOOKS, headers=headers, json={"stop_streams": False}).status_code == change


def test_what_is_declared_is_read_only_here(client: TestClient, manager: Headers, keys: Keys, home: Home) -> None:
    with ControlStore(home.control_db) as control, control.changing() as change:
        put_book_settings(change, keys.organization_id, BookSettings(), managed_by=ManagedBy.FILE)
    answer = client.patch(BOOKS, headers=manager, json={"stop_streams": True})
    assert (answer.status_code, "declared in gantry.toml; change them there" in answer.json()["detail"]) == (403, True)

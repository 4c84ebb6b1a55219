"""The ledger by API: Respan's shapes for who reads, entries by the operator alone, and once for a reference."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.core.credits import EntryKind, NewEntry
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.credits import add_entry
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.logs import LogStore
from gantry.store.organizations import Organization, add_organization
from tests.console.conftest import NOW, SECOND, Keys, bearer, make_log, store_logs

PATH = "/api/credit-transactions/"
LIST, BALANCE = f"{PATH}list/", f"{PATH}balance/"
Headers = dict[str, str]


@pytest.fixture
def operator(keys: Keys) -> Headers:
    return bearer(keys.add(Scope.MANAGE)[1])


@pytest.fixture
def tenant(keys: Keys, keyring: Keyring, home: Home) -> tuple[Organization, Headers]:
    with ControlStore(home.control_db) as control, control.changing() as change:
        other = add_organization(change, "tenant")
        policy = KeyPolicy(scopes=Scope.MANAGE | Scope.READ)
        return other, bearer(add_key(change, other.id, "t", policy, keyring.pepper)[1])


def enter(client: TestClient, headers: Headers, status: int = 201, **members: Any) -> dict[str, Any]:
    answer = client.post(PATH, headers=headers, json=members)
    assert answer.status_code == status, answer.text
    item: dict[str, Any] = answer.json()
    return item


def test_an_entry_has_respans_shape(client: TestClient, keys: Keys, operator: Headers) -> None:
    item = enter(
        client,
        operator,
        amount=100.5,
        transaction_type="purchase",
        description="invoice 7",
        expires_at="2027-01-01T00:00:00Z",
        reference="r1",
        metadata={"a": [1]},
    )
    assert item == {
        "id": item["id"],
        "organization_subscription": None,
        "unique_organization_id": keys.organization_id,
        "amount": 100.5,
        "transaction_type": "purchase",
        "credit_amount": 100.5,
        "debit_amount": 0.0,
        "billable_type": "credit",
        "source_id": "r1",
        "created_at": "2026-11-18T11:06:40Z",
        "expires_at": "2027-01-01T00:00:00Z",
        "description": "invoice 7",
        "stripe_payment_intent_id": None,
        "metadata": {"a": [1]},
        "reference": "r1",
        "author": "API key a key",
        "log_id": None,
    }
    assert item["id"].startswith("ct_")
    reader = bearer(keys.add(Scope.READ)[1])
    assert client.get(f"{PATH}{item['id']}/", headers=reader).json() == item
    listed = client.get(LIST, headers=reader).json()
    assert listed == {"count": 1, "next": None, "previous": None, "results": [item]}


def test_the_same_reference_is_entered_once(client: TestClient, operator: Headers, home: Home) -> None:
    headers = {**operator, "Idempotency-Key": "once"}
    first = enter(client, headers, amount=5)
    with ControlStore(home.control_db) as control:
        version = control.version()
        assert enter(client, operator, 200, amount=5, reference="once")["id"] == first["id"]
        assert control.version() > version  # what a crash left unpublished is published by trying again
    answer = client.post(PATH, headers=headers, json={"amount": 6})
    assert (answer.status_code, answer.json()["param"]) == (400, "reference")
    both = client.post(PATH, headers=headers, json={"amount": 5, "reference": "twice"})
    assert (both.status_code, "name two things" in both.json()["detail"]) == (400, True)
    assert client.get(BALANCE, headers=operator).json()["balance"] == 5.0


def test_the_balance_is_what_was_granted_less_what_calls_were_charged(
    client: TestClient, keys: Keys, logs: LogStore, operator: Headers
) -> None:
    key, _ = keys.add()
    enter(client, operator, amount=10, transaction_type="grant")
    enter(client, operator, amount=-1, transaction_type="adjustment")
    store_logs(logs, make_log(key, 1, cost=250_000_000, charged=300_000_000), make_log(key, 2, cost=5, charged=None))
    client.patch("/api/books", headers=operator, json={"minimum_balance": 2})
    assert client.get(BALANCE, headers=operator).json() == {
        "balance": 8.7,
        "granted": 9.0,
        "charged": 0.3,
        "minimum_balance": 2.0,
    }
    assert client.get(LIST, headers=operator).json()["count"] == 2
    usage = client.get(LIST, headers=operator, params={"transaction_type": "usage"}).json()
    (charge,) = usage["results"]
    assert (usage["count"], charge["amount"], charge["log_id"]) == (1, -0.3, make_log(key, 1).log_id)
    assert client.get(f"{PATH}{charge['id']}", headers=operator).json() == charge


def test_entries_come_in_pages_the_newest_first(
    client: TestClient, keys: Keys, logs: LogStore, operator: Headers
) -> None:
    with logs.writing() as connection:
        for number in range(5):
            later = NOW + number * SECOND
            new = NewEntry(organization_id=keys.organization_id, kind=EntryKind.GRANT, amount=10**9, created_at=later)
            add_entry(connection, new)
    seen, link, pages = [], f"{LIST}?page_size=2", 0
    while link:
        page = client.get(link, headers=operator).json()
        assert page["count"] == 5
        seen += [item["id"] for item in page["results"]]
        link, pages = page["next"], pages + 1
    assert (len(set(seen)), pages) == (5, 3)
    assert seen == sorted(seen, reverse=True)
    page = client.get(f"{LIST}?page_size=2&page=2", headers=operator).json()
    assert page["previous"].endswith("page=1")


def test_pain_13_no_tenant_fills_its_own_purse(
    client: TestClient, operator: Headers, tenant: tuple[Organization, Headers]
) -> None:
    other, headers = tenant
    for body in ({"amount": 5}, {"amount": 5, "unique_organization_id": other.id}):
        answer = client.post(PATH, headers=headers, json=body)
        assert (answer.status_code, "entered by the operator" in answer.json()["detail"]) == (403, True)
    assert client.get(BALANCE, headers=headers).json()["balance"] == 0.0
    item = enter(client, operator, amount=5, unique_organization_id=other.id)
    assert client.get(BALANCE, headers=headers).json()["balance"] == 5.0
    assert client.get(BALANCE, headers=operator).json()["balance"] == 0.0
    assert client.get(f"{PATH}{item['id']}", headers=headers).json() == item
    assert client.get(f"{PATH}{item['id']}", headers=operator).status_code == 404
    assert client.get(LIST, headers=operator).json()["count"] == 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, None),
        ({"amount": "5"}, None),
        ({"amount": 0}, "amount"),
        ({"amount": 1e300}, "amount"),
        ({"amount": -5}, "amount"),
        ({"amount": 5, "transaction_type": "usage"}, "transaction_type"),
        ({"amount": 5, "transaction_type": "expiry"}, "transaction_type"),
        ({"amount": 5, "transaction_type": "gift"}, None),
        ({"amount": 5, "expires_at": "tomorrow"}, "expires_at"),
        ({"amount": 5, "expires_at": "2020-01-01"}, "expires_at"),
        ({"amount": 5, "reference": "expiry:x"}, "reference"),
        ({"amount": 5, "reference": "a\u0000b"}, "reference"),
        ({"amount": 5, "reference": ""}, None),
        ({"amount": 5, "unique_organization_id": "nobody"}, "unique_organization_id"),
        ({"amount": 5, "balance": 5}, None),
    ],
)
def test_what_cannot_be_entered_is_a_400(
    client: TestClient, operator: Headers, body: dict[str, Any], param: str | None
) -> None:
    answer = client.post(PATH, headers=operator, json=body)
    assert (answer.status_code, answer.json().get("param")) == (400, param), answer.text
    assert client.get(LIST, headers=operator).json()["count"] == 0


@pytest.mark.parametrize("query", ["page=0", "page=x", "page_size=1001", "transaction_type=gift"])
def test_a_list_that_cannot_be_is_a_400(client: TestClient, operator: Headers, query: str) -> None:
    assert client.get(f"{LIST}?{query}", headers=operator).status_code == 400


@pytest.mark.parametrize("entry_id", ["ct_none", "%00", "list"])
def test_other_entries_are_not_there(client: TestClient, operator: Headers, entry_id: str) -> None:
    assert client.get(f"{PATH}{entry_id}/", headers=operator).status_code == (200 if entry_id == "list" else 404)


def test_who_may(client: TestClient, keys: Keys) -> None:
    for scopes, read, change in (
        (DEFAULT_SCOPES, 403, 403),
        (Scope.READ, 200, 403),
        (Scope.MANAGE, 200, 201),
        (Scope.INGEST | Scope.NATIVE, 403, 403),
    ):
        headers = bearer(keys.add(scopes, Environment.TEST)[1])
        for path in (LIST, BALANCE):
            assert client.get(path, headers=headers).status_code == read
        assert client.post(PATH, headers=headers, json={"amount": 1}).status_code == change

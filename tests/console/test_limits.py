"""Limits by API: who may, what is understood, what is shown; nobody lifts what holds them (pains 10, 12, 13)."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from gantry.board.board import FIRST_WORKER_SLOT
from gantry.board.counters import Counters
from gantry.core.limit_terms import terms_of
from gantry.core.limits import LimitScope
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.control_tables import limits
from gantry.store.credentials import ManagedBy
from gantry.store.keys import KeyPolicy, add_key, add_temporary_key
from gantry.store.limits import StoredLimit, limits_of
from gantry.store.organizations import add_organization
from tests.console.conftest import NOW, Keys, bearer

LIMITS = "/api/limits/"
A_DOLLAR = {"scope": "customer", "subject": "*", "unit": "cost", "amount": 1.0, "period": "month"}
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    return bearer(keys.add(Scope.MANAGE)[1])


def stored(home: Home) -> list[StoredLimit]:
    with ControlStore(home.control_db) as control, control.reading() as connection:
        return limits_of(connection)


def add(client: TestClient, headers: Headers, **members: Any) -> dict[str, Any]:
    answer = client.post(LIMITS, headers=headers, json={**A_DOLLAR, **members})
    assert answer.status_code == 201, answer.text
    item: dict[str, Any] = answer.json()
    return item


def test_a_limit_is_added_shown_listed_changed_and_removed(client: TestClient, manager: Headers, home: Home) -> None:
    item = add(client, manager, alerts=[80, 50], environment="prod")
    (kept,) = stored(home)
    assert item == {
        "id": kept.limit.id,
        "name": "customer_cost_month",
        "scope": "customer",
        "subject": "*",
        "unit": "cost",
        "period": "month",
        "amount": 1.0,
        "action": "block",
        "environment": "prod",
        "alerts": [50, 80],
        "current_value": None,
        "resets_at": None,
        "managed_by": None,
        "state": "ok",
        "created_at": item["created_at"],
        "updated_at": item["created_at"],
    }
    assert (kept.limit.amount, kept.limit.scope) == (10**9, LimitScope.CUSTOMER)
    path = f"{LIMITS}{item['id']}/"
    assert client.get(path, headers=manager).json() == item
    assert client.get("/limits", headers=manager).json() == [item]
    changed = client.patch(path, headers=manager, json={"amount": 2.5, "action": "warn", "name": "fair", "alerts": []})
    assert changed.status_code == 200
    expected = {**item, "amount": 2.5, "action": "warn", "name": "fair", "alerts": []}
    assert {**changed.json(), "updated_at": item["updated_at"]} == expected
    back = client.patch(path, headers=manager, json=changed.json())  # as it was shown
    assert back.json() == changed.json()
    assert client.get(f"{LIMITS}fair", headers=manager).json() == changed.json()
    assert client.delete(path, headers=manager).status_code == 204
    assert stored(home) == []
    assert client.get(path, headers=manager).status_code == 404
    assert client.delete(path, headers=manager).status_code == 404


def test_a_keys_limit_may_name_it_by_its_name(client: TestClient, keys: Keys, manager: Headers) -> None:
    key, _ = keys.add()
    for text in (key.id, key.prefix):
        assert add(client, manager, scope="api_key", subject=text)["subject"] == key.id
    assert add(client, manager, scope="api_key", subject="*")["subject"] == "*"
    answer = client.post(LIMITS, headers=manager, json={**A_DOLLAR, "scope": "api_key", "subject": "nobody"})
    assert (answer.status_code, answer.json()["param"]) == (400, "subject")
    assert "no API key has the id, prefix or name 'nobody'" in answer.json()["detail"]


def test_pain_10_what_is_used_and_when_it_begins_anew_is_shown(
    client: TestClient, manager: Headers, home: Home
) -> None:
    mine = add(client, manager, scope="organization", subject="")
    each = add(client, manager, period="day")
    at_once = add(client, manager, scope="model", subject="mistral/*", unit="concurrency", amount=5, period=None)
    assert (mine["current_value"], mine["resets_at"]) == (0.0, "2026-12-01T00:00:00Z")
    counters = Counters(home.counters, slot=FIRST_WORKER_SLOT)
    for one, subject in zip(stored(home), ("", "c1", ""), strict=True):
        counters.hold((terms_of(one.organization_id, one.limit, subject),), 250_000_000, 10, NOW)
    shown = {item["id"]: item for item in client.get(LIMITS, headers=manager).json()}
    assert (shown[mine["id"]]["current_value"], shown[at_once["id"]]["current_value"]) == (0.25, 1)
    assert (shown[at_once["id"]]["resets_at"], shown[at_once["id"]]["period"]) == (None, "lifetime")
    assert shown[each["id"]]["current_value"] is None
    path = f"{LIMITS}{each['id']}/"
    of_c1 = client.get(path, headers=manager, params={"subject": "c1"}).json()
    assert (of_c1["current_value"], of_c1["resets_at"]) == (0.25, "2026-11-19T00:00:00Z")
    assert client.get(path, headers=manager, params={"subject": "c2"}).json()["current_value"] == 0.0
    counters.close()


@pytest.mark.parametrize(
    ("body", "param", "says"),
    [
        ({**A_DOLLAR, "budget": 1}, "budget", 'There is no `budget` here; a limit says "unit": "cost", "amount": …'),
        ({**A_DOLLAR, "budgets": []}, "budgets", "There is no `budgets` here"),
        ({**A_DOLLAR, "rate_limit": 1}, "rate_limit", '"unit": "requests", "period": "minute"'),
        ({**A_DOLLAR, "amuont": 1}, "amuont", "There is no `amuont` here; did you mean `amount`?"),
        ({**A_DOLLAR, "zzz": 1}, "zzz", "There is no `zzz` here; known are name, scope,"),
    ],
)
def test_pain_12_an_unknown_or_retired_field_is_a_400(
    client: TestClient, manager: Headers, home: Home, body: dict[str, Any], param: str, says: str
) -> None:
    item = add(client, manager)
    for method, path in (("POST", LIMITS), ("PATCH", f"{LIMITS}{item['id']}")):
        answer = client.request(method, path, headers=manager, json=body)
        assert (answer.status_code, answer.json()["param"]) == (400, param)
        assert says in answer.json()["detail"]
    assert len(stored(home)) == 1


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"amount": "1"}, None),
        ({"amount": True}, None),
        ({"unit": "bananas"}, None),
        ({"period": "fortnight"}, None),
        ({"unit": "tokens", "amount": 1.5}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 1e300}, "amount"),
        ({"subject": ""}, "subject"),
        ({"scope": "organization"}, "subject"),
        ({"unit": "concurrency", "amount": 5}, "period"),
        ({"alerts": [0]}, "alerts"),
        ({"name": "org_credits"}, "name"),
        ({"name": "a\u0000b"}, "name"),
    ],
)
def test_a_limit_that_cannot_be_is_a_400(
    client: TestClient, manager: Headers, home: Home, members: dict[str, Any], param: str | None
) -> None:
    answer = client.post(LIMITS, headers=manager, json={**A_DOLLAR, **members})
    assert (answer.status_code, answer.json().get("param")) == (400, param), answer.text
    assert stored(home) == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"amount": 1}', b'{"scope": "organization", "unit": "cost"}'])
def test_a_body_that_describes_no_limit_is_a_400(client: TestClient, manager: Headers, body: bytes) -> None:
    assert client.post(LIMITS, headers=manager, content=body).status_code == 400


@pytest.mark.parametrize(
    "members",
    [
        {"scope": "organization", "subject": ""},
        {"subject": "c"},
        {"unit": "tokens"},
        {"period": "day"},
        {"environment": "test"},
    ],
)
def test_what_a_limit_counts_stays(client: TestClient, manager: Headers, home: Home, members: dict[str, Any]) -> None:
    item = add(client, manager)
    answer = client.patch(f"{LIMITS}{item['id']}", headers=manager, json=members)
    assert answer.status_code == 400
    assert "make another limit instead" in answer.json()["detail"]
    assert [one.limit.id for one in stored(home)] == [item["id"]]


def test_pain_13_only_who_manages_changes_a_limit(client: TestClient, keys: Keys, manager: Headers, home: Home) -> None:
    item = add(client, manager)
    path = f"{LIMITS}{item['id']}/"
    before = stored(home)
    for scopes in (DEFAULT_SCOPES, Scope.READ, ~Scope.MANAGE):
        headers = bearer(keys.add(scopes)[1])
        for method, where in (("POST", LIMITS), ("PATCH", path), ("DELETE", path)):
            answer = client.request(method, where, headers=headers, json={**A_DOLLAR, "amount": 100})
            assert answer.status_code == 403
            assert "lacks the scope `manage`" in answer.json()["detail"]
    for scopes, status in ((DEFAULT_SCOPES, 403), (Scope.INGEST, 403), (Scope.READ, 200), (Scope.MANAGE, 200)):
        assert client.get(LIMITS, headers=bearer(keys.add(scopes)[1])).status_code == status
        assert client.get(path, headers=bearer(keys.add(scopes)[1])).status_code == status
    assert stored(home) == before


def test_pain_13_no_key_lifts_what_holds_itself_or_its_maker(
    client: TestClient, keys: Keys, keyring: Keyring, manager: Headers, home: Home
) -> None:
    capped, secret = keys.add(DEFAULT_SCOPES | Scope.MANAGE)
    with ControlStore(home.control_db) as control, control.changing() as change:
        made = add_temporary_key(change, capped, "made", KeyPolicy(scopes=Scope.MANAGE), keyring.pepper)[1]
    path = f"{LIMITS}{add(client, manager, scope='api_key', subject=capped.id)['id']}/"
    for headers in (bearer(secret), bearer(made)):
        for method in ("PATCH", "DELETE"):
            answer = client.request(method, path, headers=headers, json={"amount": 1000})
            assert answer.status_code == 403
            assert "does not change what it is held to itself" in answer.json()["detail"]
    assert [one.limit.amount for one in stored(home)] == [10**9]
    assert client.patch(path, headers=manager, json={"amount": 1000}).status_code == 200


def test_another_organization_sees_and_changes_nothing(
    client: TestClient, manager: Headers, keyring: Keyring, home: Home
) -> None:
    item = add(client, manager)
    with ControlStore(home.control_db) as control, control.changing() as change:
        other = add_organization(change, "other")
        stranger = bearer(add_key(change, other.id, "s", KeyPolicy(scopes=Scope.MANAGE), keyring.pepper)[1])
    assert client.get(LIMITS, headers=stranger).json() == []
    for method in ("GET", "PATCH", "DELETE"):
        answer = client.request(method, f"{LIMITS}{item['id']}", headers=stranger, json={"amount": 9})
        assert answer.status_code == 404
    assert [one.limit.amount for one in stored(home)] == [10**9]


def test_what_is_declared_is_read_only_here(client: TestClient, manager: Headers, home: Home) -> None:
    item = add(client, manager)
    with ControlStore(home.control_db) as control, control.changing() as change:
        change.connection.execute(update(limits).values(managed_by=ManagedBy.FILE.value))
    assert client.get(f"{LIMITS}{item['id']}", headers=manager).json()["managed_by"] == "gantry.toml"
    for method in ("PATCH", "DELETE"):
        answer = client.request(method, f"{LIMITS}{item['id']}", headers=manager, json={"amount": 9})
        assert answer.status_code == 403
        assert "is declared in gantry.toml; change it there" in answer.json()["detail"]


def test_a_limit_of_a_newer_version_is_shown_and_can_be_removed(
    client: TestClient, manager: Headers, home: Home
) -> None:
    item = add(client, manager)
    with ControlStore(home.control_db) as control, control.changing() as change:
        change.connection.execute(update(limits).values(unit="of tomorrow"))
    (shown,) = client.get(LIMITS, headers=manager).json()
    assert (shown["id"], "of tomorrow" in shown["error"]) == (item["id"], True)
    answer = client.patch(f"{LIMITS}{item['id']}", headers=manager, json={"amount": 9})
    assert (answer.status_code, "remove it instead" in answer.json()["detail"]) == (400, True)
    assert client.delete(f"{LIMITS}{item['id']}", headers=manager).status_code == 204
    assert client.get(LIMITS, headers=manager).json() == []

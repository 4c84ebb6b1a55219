"""Named keys by API, as `gantry keys` has them: for keys that manage, and for people, who need no such right."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.core.api_key import has_key_form
from gantry.core.limits import Limit, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.role import Role
from gantry.core.usage import Usage
from gantry.core.vocabulary import DEFAULT_SCOPES, ContentPolicy, Environment, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.limits import add_limit
from gantry.store.logs import LogStore
from tests.console.conftest import NOW, Keys, bearer, make_log, sign_in, store_logs
from tests.console.test_deployment_health import neighbour

KEYS = "/api/api-keys/"
ADMIN = Scope(sum(Scope))
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    return bearer(keys.add(ADMIN)[1])


def made(client: TestClient, headers: Headers, **body: Any) -> dict[str, Any]:
    answer = client.post(KEYS, headers=headers, json={"name": "a service", **body})
    assert answer.status_code == 201, answer.text
    assert answer.headers["cache-control"] == "no-store"
    item: dict[str, Any] = answer.json()
    return item


def test_a_key_is_made_shown_changed_rotated_and_revoked(client: TestClient, manager: Headers, logs: LogStore) -> None:
    item = made(
        client,
        manager,
        expiry_date="2027-06-01T00:00:00Z",
        spending_limit=2.5,
        rate_limit=10,
        models=["mistral-*"],
        content_policy="metadata",
        strict=True,
    )
    secret = item.pop("api_key")
    assert has_key_form(secret)
    assert item["prefix"] in secret
    assert (item["content_policy"], item["strict"], item["is_temporary"]) == ("metadata", True, False)
    assert client.get(KEYS + item["id"], headers=manager).json() == item
    listed = client.get(KEYS, headers=manager).json()
    assert listed["results"][0] == item
    assert listed["count"] == 2, "it stands beside the key that was made by command"
    assert secret not in str(listed)

    changed = client.patch(KEYS + item["id"], headers=manager, json={"name": "renamed", "content_policy": "nothing"})
    assert (changed.status_code, changed.json()) == (200, {**item, "name": "renamed", "content_policy": "nothing"})
    same = client.patch(KEYS + item["id"], headers=manager, json=changed.json())
    assert same.json() == changed.json(), "an answer may be sent back"

    rotated = client.post(f"{KEYS}{item['id']}/rotate", headers=manager, json={"grace": 60})
    assert rotated.status_code == 201
    new = rotated.json()
    assert has_key_form(new["api_key"])
    assert new["api_key"] != secret
    assert client.get(KEYS + item["id"], headers=manager).json()["replaced_by"] == new["id"]
    assert new["spending_limit"] == 2.5

    assert client.delete(KEYS + new["id"], headers=manager).status_code == 204
    gone = client.get(KEYS, headers=manager, params={"revoked": "true"}).json()["results"]
    assert {one["id"]: one["revoked"] for one in gone}[new["id"]] is True
    left = client.get(KEYS, headers=manager).json()["results"]
    assert new["id"] not in [one["id"] for one in left]


def test_what_it_was_used_for_is_shown(client: TestClient, manager: Headers, keys: Keys, logs: LogStore) -> None:
    key, _ = keys.add()
    store_logs(logs, make_log(key, 5, usage=Usage(input_tokens=1), cost=1_500_000_000))
    shown = client.get(KEYS + key.id, headers=manager).json()
    assert (shown["key_usage"], shown["spending_in_period"]) == (1, 1.5)
    assert shown["last_used"].startswith("2026-11-")


def test_temporary_keys_are_not_among_them_nor_these_among_those(client: TestClient, manager: Headers) -> None:
    named = made(client, manager)
    other = client.post("/api/temporary-keys/", headers=manager, json={"name": "a job"}).json()
    assert client.get(KEYS + other["id"], headers=manager).status_code == 404
    assert client.get("/api/temporary-keys/" + named["id"], headers=manager).status_code == 404
    assert other["id"] not in client.get(KEYS, headers=manager).text


def test_a_key_without_the_scope_makes_none(client: TestClient, keys: Keys) -> None:
    headers = bearer(keys.add(DEFAULT_SCOPES | Scope.READ)[1])
    mine = client.get(KEYS, headers=headers).json()["results"][0]["id"]
    for answer in (
        client.post(KEYS, headers=headers, json={"name": "more"}),
        client.patch(KEYS + mine, headers=headers, json={"name": "more"}),
        client.delete(KEYS + mine, headers=headers),
        client.post(f"{KEYS}{mine}/rotate", headers=headers),
    ):
        assert answer.status_code == 403
        assert "`manage`" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("maker", "body", "param"),
    [
        ({"scopes": Scope.MANAGE | Scope.INFERENCE}, {"scopes": ["read"]}, "scopes"),
        ({"environment": Environment.TEST}, {"is_test": False}, "is_test"),
        ({"models": ("mistral-*",)}, {"models": ["gpt-*"]}, "models"),
        ({"surfaces": ("mistral",)}, {"surfaces": ["openai"]}, "surfaces"),
        ({"expires_at": NOW + 10**9}, {"expiry_date": None}, "expiry_date"),
        ({"content_policy": ContentPolicy.METADATA}, {"content_policy": "full"}, "content_policy"),
    ],
)
def test_rights_do_not_grow(
    client: TestClient,
    home: Home,
    keyring: Keyring,
    keys: Keys,
    maker: dict[str, Any],
    body: dict[str, Any],
    param: str,
) -> None:
    policy = KeyPolicy(**{"scopes": DEFAULT_SCOPES | Scope.MANAGE, **maker})
    with ControlStore(home.control_db, clock=lambda: NOW) as control, control.changing() as change:
        secret = add_key(change, keys.organization_id, "maker", policy, keyring.pepper)[1]
    answer = client.post(KEYS, headers=bearer(secret), json={"name": "more", **body})
    assert (answer.status_code, answer.json().get("param")) == (403, param)
    usual = made(client, bearer(secret))
    assert client.patch(KEYS + usual["id"], headers=bearer(secret), json=body).status_code == 403


def test_a_key_that_a_key_made_is_bound_by_its_limits(client: TestClient, home: Home, keys: Keys) -> None:
    maker, secret = keys.add(DEFAULT_SCOPES | Scope.MANAGE)
    with ControlStore(home.control_db, clock=lambda: NOW) as control, control.changing() as change:
        limit = Limit("", LimitScope.API_KEY, maker.id, LimitUnit.REQUESTS, Period.MINUTE, 10)
        add_limit(change, keys.organization_id, limit)
    answer = client.post(KEYS, headers=bearer(secret), json={"name": "more", "rate_limit": 11})
    assert (answer.status_code, answer.json()["param"]) == (403, "rate_limit")
    assert made(client, bearer(secret))["created_by"] == maker.id
    others, _ = keys.add()
    assert client.delete(KEYS + others.id, headers=bearer(secret)).status_code == 403


def test_a_member_has_keys_of_their_own_and_no_others(
    client: TestClient, manager: Headers, control: ControlStore, keyring: Keyring, keys: Keys
) -> None:
    theirs = made(client, manager)
    with control.changing() as change:
        each = Limit("", LimitScope.API_KEY, "*", LimitUnit.REQUESTS, Period.LIFETIME, 10)
        add_limit(change, keys.organization_id, each)
    ada = sign_in(control, keyring, keys.organization_id, Role.MEMBER, "ada")
    mine = made(client, ada.headers, name="ada's laptop", max_usage=50)
    assert (mine["created_by"], mine["scopes"], mine["max_usage"]) == (ada.id, ["inference", "own_logs"], 50)
    refused = client.post(KEYS, headers=ada.headers, json={"name": "more", "scopes": ["manage"]})
    assert (refused.status_code, refused.json()["param"]) == (403, "scopes")

    assert client.patch(KEYS + mine["id"], headers=ada.headers, json={"max_usage": 60}).json()["max_usage"] == 60
    rotated = client.post(f"{KEYS}{mine['id']}/rotate", headers=ada.headers).json()
    assert client.patch(KEYS + rotated["id"], headers=ada.headers, json={"name": "new laptop"}).status_code == 200

    assert len(client.get(KEYS, headers=ada.headers).json()["results"]) == 3
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")):
        answer = client.request(method, KEYS + theirs["id"] + path, headers=ada.headers, json={})
        assert (answer.status_code, "of others" in answer.text) == (403, True)

    viewer = sign_in(control, keyring, keys.organization_id, Role.VIEWER)
    assert client.post(KEYS, headers=viewer.headers, json={"name": "more"}).status_code == 403
    admin = sign_in(control, keyring, keys.organization_id, Role.ADMIN)
    assert client.delete(KEYS + rotated["id"], headers=admin.headers).status_code == 204


def test_the_playgrounds_names_are_not_to_be_had(client: TestClient, manager: Headers) -> None:
    answer = client.post("/api/temporary-keys/", headers=manager, json={"name": "playground: hidden"})
    assert (answer.status_code, answer.json()["param"]) == (400, "name")


def test_a_neighbour_finds_nothing(client: TestClient, manager: Headers, home: Home, keyring: Keyring) -> None:
    mine = made(client, manager)
    theirs = neighbour(home, keyring)
    assert len(client.get(KEYS, headers=theirs).json()["results"]) == 1
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate")):
        assert client.request(method, KEYS + mine["id"] + path, headers=theirs, json={}).status_code == 404
    assert client.get(KEYS + mine["id"], headers=manager).json()["revoked"] is False

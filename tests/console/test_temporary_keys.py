"""The keys API: Respan's shapes, rights that never grow, limits that neither new keys nor rotation escape."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from msgspec import structs

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.console.app import create_app
from gantry.console.state import ConsoleState
from gantry.core.api_key import has_key_form
from gantry.core.limit_terms import Party, applying
from gantry.core.limits import Limit, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.secret import Secret
from gantry.core.usage import Usage
from gantry.core.vocabulary import DEFAULT_SCOPES, ContentPolicy, Environment, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.keys import ApiKey, KeyPolicy, add_key, find_key, rotate_key
from gantry.store.limits import add_limit, limits_of
from gantry.store.logs import LogStore
from tests.console.conftest import MINUTE, NOW, SECOND, Keys, bearer, make_log, state_of, store_logs
from tests.console.shaped_client import ShapedClient
from tests.console.test_deployment_health import neighbour

KEYS = "/api/temporary-keys/"
DOLLAR = 1_000_000_000
MANAGER = DEFAULT_SCOPES | Scope.READ | Scope.MANAGE
SHAPE = {
    "id",
    "name",
    "prefix",
    "created",
    "created_at",
    "expiry_date",
    "revoked",
    "is_test",
    "environment",
    "is_temporary",
    "max_usage",
    "rate_limit",
    "spending_limit",
    "key_usage",
    "spending_in_period",
    "last_used",
    "scopes",
    "models",
    "surfaces",
    "content_policy",
    "strict",
    "created_by",
    "replaced_by",
}
Headers = dict[str, str]


@pytest.fixture
def counters(home: Home) -> Iterator[Counters]:
    counters = Counters(home.counters)
    yield counters
    counters.close()


@pytest.fixture
def state(home: Home, keyring: Keyring) -> Iterator[ConsoleState]:
    state = state_of(
        home, keyring, control=lambda: ControlStore(home.control_db, clock=lambda: NOW), counters=home.counters
    )
    yield state
    state.close()


class Maker:
    """Makes keys of any policy, and limits."""

    def __init__(self, home: Home, keyring: Keyring, organization_id: str) -> None:
        self._home = home
        self._keyring = keyring
        self.organization_id = organization_id

    def key(self, **policy: Any) -> tuple[ApiKey, Headers]:
        wanted = KeyPolicy(**{"scopes": MANAGER, **policy})
        with ControlStore(self._home.control_db, clock=lambda: NOW) as control, control.changing() as change:
            key, secret = add_key(change, self.organization_id, "maker", wanted, self._keyring.pepper)
        return key, bearer(secret)

    def limit(self, subject: str, unit: LimitUnit, period: Period, amount: int) -> None:
        limit = Limit("", LimitScope.API_KEY, subject, unit, period, amount)
        with ControlStore(self._home.control_db, clock=lambda: NOW) as control, control.changing() as change:
            add_limit(change, self.organization_id, limit)

    def limits(self) -> list[Limit]:
        with ControlStore(self._home.control_db) as control, control.reading() as connection:
            return [one.limit for one in limits_of(connection, self.organization_id)]

    def find(self, text: str) -> ApiKey:
        with ControlStore(self._home.control_db) as control, control.reading() as connection:
            return find_key(connection, self.organization_id, text)

    def rotate(self, key: ApiKey) -> Headers:
        with ControlStore(self._home.control_db, clock=lambda: NOW) as control, control.changing() as change:
            return bearer(rotate_key(change, key, self._keyring.pepper, 0)[1])


@pytest.fixture
def maker(home: Home, keyring: Keyring, keys: Keys) -> Maker:
    return Maker(home, keyring, keys.organization_id)


@pytest.fixture
def manager(maker: Maker) -> Headers:
    return maker.key()[1]


def made(client: TestClient, headers: Headers, **body: Any) -> dict[str, Any]:
    answer = client.post(KEYS, headers=headers, json={"name": "a job", **body})
    assert answer.status_code == 201, answer.text
    item: dict[str, Any] = answer.json()
    return item


def spend(counters: Counters, limits: list[Limit], key: ApiKey, cost: int) -> bool:
    """Let a call of a key pass its limits, as a worker does; say whether it did."""
    party = Party(organization_id=key.organization_id, environment=Environment.PROD, key_ids=(key.id, *key.bound_by))
    held = counters.hold(tuple(applying(limits, party)), cost, 0, NOW)
    if isinstance(held, Held):
        counters.settle(held, cost, 0, NOW)
        return True
    return False


def test_a_key_is_made_shown_changed_and_revoked(client: TestClient, manager: Headers, maker: Maker) -> None:
    item = made(
        client,
        manager,
        expiry_date="2027-06-01T00:00:00Z",
        max_usage=100,
        rate_limit=10,
        spending_limit=2.5,
        is_test=True,
    )
    secret = item.pop("api_key")
    assert has_key_form(secret)
    assert set(item) == SHAPE
    assert (item["prefix"], item["is_temporary"], item["revoked"]) == (secret[3:11], True, False)
    assert (item["max_usage"], item["rate_limit"], item["spending_limit"]) == (100, 10, 2.5)
    assert (item["expiry_date"], item["is_test"]) == ("2027-06-01T00:00:00Z", True)
    assert (item["key_usage"], item["spending_in_period"], item["last_used"]) == (0, 0, None)
    assert item["created"] == item["created_at"]
    path = f"{KEYS}{item['id']}/"
    assert client.get(path, headers=manager).json() == item
    changed = client.patch(path, headers=manager, json={"name": "another", "max_usage": -1, "spending_limit": 3})
    assert changed.status_code == 200, changed.text
    wanted = item | {"name": "another", "max_usage": -1, "spending_limit": 3}
    assert changed.json() == wanted
    assert client.patch(path, headers=manager, json=wanted).json() == wanted, "an answer can be sent back"
    assert {(one.unit, one.period, one.amount) for one in maker.limits()} == {
        (LimitUnit.REQUESTS, Period.MINUTE, 10),
        (LimitUnit.COST, Period.LIFETIME, 3 * DOLLAR),
    }
    gone = client.delete(path, headers=manager)
    assert (gone.status_code, gone.content) == (204, b"")
    assert client.get(path, headers=manager).json()["revoked"] is True
    assert maker.limits() == []
    assert client.get("/api/request-logs/list/", headers=bearer(Secret(secret))).status_code == 401


def test_the_list_in_pages_and_as_the_generated_clients_expect_it(client: TestClient, manager: Headers) -> None:
    names = {made(client, manager, name=f"key {number}")["name"] for number in range(3)}
    page = client.get(KEYS, headers=manager, params={"page_size": 2}).json()
    assert (page["count"], page["previous"]) == (3, None)
    rest = client.get(page["next"], headers=manager).json()
    assert {one["name"] for one in (*page["results"], *rest["results"])} == names
    assert rest["next"] is None
    assert client.get(KEYS, headers=manager).json()["results"] == page["results"] + rest["results"]
    release = {"X-Fern-SDK-Name": "respan-api", "X-Fern-SDK-Version": "0.1.31"}
    assert client.get(KEYS, headers=manager | release).json() == page["results"] + rest["results"]
    assert client.get(KEYS, headers=manager | release | {"X-Fern-SDK-Version": "0.1.32"}).json()["count"] == 3
    assert all("api_key" not in one for one in page["results"])
    for bad in ({"page": 0}, {"page_size": 1001}, {"revoked": "perhaps"}):
        assert client.get(KEYS, headers=manager, params=bad).status_code == 400
    client.delete(f"{KEYS}{page['results'][0]['id']}/", headers=manager)
    assert client.get(KEYS, headers=manager).json()["count"] == 2
    assert client.get(KEYS, headers=manager, params={"revoked": "true"}).json()["count"] == 3


def test_what_a_key_was_used_for(client: TestClient, manager: Headers, maker: Maker, logs: LogStore) -> None:
    item = made(client, manager)
    key = structs.replace(maker.find(item["id"]), policy=KeyPolicy())
    store_logs(logs, *(make_log(key, number, cost=DOLLAR // 4, usage=Usage(total_tokens=5)) for number in (3, 2, 9)))
    path = f"{KEYS}{item['id']}/"
    shown = client.get(path, headers=manager).json()
    assert (shown["key_usage"], shown["spending_in_period"]) == (3, 0.75)
    last = datetime.fromisoformat(shown["last_used"]).timestamp()
    assert abs(last - (NOW - 2 * MINUTE) / SECOND) < 1e-3
    rotated = client.post(f"{path}rotate/", headers=manager).json()
    assert (rotated["key_usage"], rotated["last_used"]) == (3, shown["last_used"]), "what was replaced counts on"


def test_a_retired_or_unknown_field_is_a_400_that_names_it(client: TestClient, manager: Headers) -> None:
    """Pain 12: a budget that nobody reads is worse than none."""
    path = f"{KEYS}{made(client, manager)['id']}/"
    for field, value in (("budget", 5), ("max_budget", 5), ("spend_limit", 1), ("Max_usage", 3)):
        for answer in (
            client.post(KEYS, headers=manager, json={"name": "x", field: value}),
            client.patch(path, headers=manager, json={field: value}),
        ):
            assert answer.status_code == 400
            assert f"`{field}`" in answer.json()["detail"]


def test_a_key_cannot_lift_its_own_cap(client: TestClient, manager: Headers) -> None:
    """Pain 13: neither its own, nor its maker's, nor by a field that is ours, nor through its successor."""
    own = made(client, manager, scopes=["manage", "inference"], spending_limit=1)
    headers = bearer(Secret(own["api_key"]))
    path = f"{KEYS}{own['id']}/"
    bodies: list[dict[str, Any]] = [{"spending_limit": 100}, {"spending_limit": None}, {"models": []}, {"name": "free"}]
    for body in bodies:
        assert client.patch(path, headers=headers, json=body).status_code == 403
    assert client.post(f"{path}rotate/", headers=headers).status_code == 403
    assert client.delete(path, headers=headers).status_code == 403
    for name in ("revoked", "created_by", "key_usage", "is_temporary", "id", "prefix", "environment"):
        assert client.post(KEYS, headers=manager, json={"name": "x", name: "y"}).json()["param"] == name
    assert client.patch(path, headers=manager, json={"prefix": "AAAAAAAA"}).json()["param"] == "prefix"
    assert client.get(path, headers=manager).json()["spending_limit"] == 1
    heir = client.post(f"{path}rotate/", headers=manager, json={"grace": 60}).json()
    assert client.patch(f"{KEYS}{heir['id']}/", headers=headers, json={"spending_limit": 9}).status_code == 403


@pytest.mark.parametrize(
    ("policy", "body", "param"),
    [
        ({}, {"scopes": ["native"]}, "scopes"),
        ({"scopes": Scope.MANAGE}, {}, "scopes"),
        ({"environment": Environment.TEST}, {"is_test": False}, "is_test"),
        ({"expires_at": NOW + MINUTE}, {"expiry_date": None}, "expiry_date"),
        ({"expires_at": NOW + MINUTE}, {"expiry_date": "2099-01-01"}, "expiry_date"),
        ({"models": ("mistral-*",)}, {"models": ["gpt-5"]}, "models"),
        ({"models": ("mistral-*",)}, {"models": ["*"]}, "models"),
        ({"models": ("mistral-*",)}, {"models": None}, "models"),
        ({"models": ("mistral-[sl]*",)}, {"models": ["mistral-s*"]}, "models"),
        ({"surfaces": ("mistral", "chat")}, {"surfaces": ["openai"]}, "surfaces"),
        ({"surfaces": ("mistral", "chat")}, {"surfaces": []}, "surfaces"),
    ],
)
def test_rights_are_never_above_the_makers(
    client: TestClient, maker: Maker, policy: dict[str, Any], body: dict[str, Any], param: str
) -> None:
    _, headers = maker.key(**policy)
    answer = client.post(KEYS, headers=headers, json={"name": "more", **body})
    assert (answer.status_code, answer.json().get("param")) == (403, param), answer.text
    if policy.get("scopes") is None:
        path = f"{KEYS}{made(client, headers)['id']}/"
        changed = client.patch(path, headers=headers, json=body)
        assert (changed.status_code, changed.json().get("param")) == (403, param), changed.text


def test_what_is_left_out_is_as_with_the_maker(client: TestClient, maker: Maker) -> None:
    _, headers = maker.key(
        environment=Environment.TEST,
        expires_at=NOW + MINUTE,
        models=("mistral-*", "gpt-5"),
        surfaces=("mistral",),
        content_policy=ContentPolicy.METADATA,
        strict=True,
    )
    item = made(client, headers)
    assert (item["is_test"], item["models"], item["surfaces"]) == (True, ["mistral-*", "gpt-5"], ["mistral"])
    assert (item["expiry_date"] is not None, item["scopes"]) == (True, ["inference", "own_logs"])
    policy = maker.find(item["id"]).policy
    assert (policy.content_policy, policy.strict, policy.expires_at) == (ContentPolicy.METADATA, True, NOW + MINUTE)
    less = made(client, headers, models=["mistral-small-*"], scopes=["inference"])
    assert (less["models"], less["scopes"]) == (["mistral-small-*"], ["inference"])


def test_a_cap_is_no_more_than_what_is_left(client: TestClient, maker: Maker, counters: Counters) -> None:
    key, headers = maker.key()
    maker.limit(key.id, LimitUnit.COST, Period.LIFETIME, 5 * DOLLAR)
    maker.limit(key.id, LimitUnit.REQUESTS, Period.LIFETIME, 10)
    maker.limit(key.id, LimitUnit.REQUESTS, Period.MINUTE, 20)
    assert spend(counters, maker.limits(), key, 2 * DOLLAR)
    for body, param in (
        ({"spending_limit": 3.01}, "spending_limit"),
        ({"max_usage": 10}, "max_usage"),
        ({"rate_limit": 21}, "rate_limit"),
    ):
        answer = client.post(KEYS, headers=headers, json={"name": "x", **body})
        assert (answer.status_code, answer.json().get("param")) == (403, param), answer.text
    item = made(client, headers, spending_limit=3, max_usage=9, rate_limit=20)
    path = f"{KEYS}{item['id']}/"
    assert client.patch(path, headers=headers, json={"spending_limit": 3.5}).status_code == 403
    assert client.patch(path, headers=headers, json={"spending_limit": 1}).status_code == 200


def test_ten_keys_spend_no_more_than_the_one_that_made_them(
    client: TestClient, maker: Maker, counters: Counters
) -> None:
    key, headers = maker.key()
    maker.limit(key.id, LimitUnit.COST, Period.LIFETIME, 5 * DOLLAR)
    first = made(client, headers, scopes=["manage", "inference"], spending_limit=4)
    made_keys = [maker.find(first["id"])]
    made_keys += [maker.find(made(client, headers)["id"]) for _ in range(5)]
    made_keys += [maker.find(made(client, bearer(Secret(first["api_key"])), spending_limit=1)["id"]) for _ in range(4)]
    passed = [spend(counters, maker.limits(), one, DOLLAR) for one in made_keys]
    assert sum(passed) == 5


def test_a_limit_is_not_escaped_by_rotation(client: TestClient, maker: Maker, counters: Counters) -> None:
    key, headers = maker.key()
    item = made(client, headers, spending_limit=3)
    for _ in range(4):
        spend(counters, maker.limits(), maker.find(item["id"]), DOLLAR)
        item = client.post(f"{KEYS}{item['id']}/rotate/", headers=headers).json()
        assert (item["spending_limit"], item["created_by"]) == (3, key.id)
    assert not spend(counters, maker.limits(), maker.find(item["id"]), 1)
    raised = client.patch(f"{KEYS}{item['id']}/", headers=headers, json={"spending_limit": 4})
    assert raised.status_code == 200
    assert spend(counters, maker.limits(), maker.find(item["id"]), DOLLAR)
    assert not spend(counters, maker.limits(), maker.find(item["id"]), 1)
    assert len(maker.limits()) == 1, "a cap keeps its row, and so its count"


def test_a_limited_key_touches_only_what_it_made(client: TestClient, maker: Maker, manager: Headers) -> None:
    key, limited = maker.key()
    maker.limit(key.id, LimitUnit.COST, Period.MONTH, DOLLAR)
    theirs, own = made(client, manager), made(client, limited)
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "rotate/")):
        answer = client.request(method, f"{KEYS}{theirs['id']}/{path}", headers=limited, json={})
        assert (answer.status_code, "limited" in answer.text) == (403, True), answer.text
        answer = client.request(method, f"{KEYS}{own['id']}/{path}", headers=limited, json={})
        assert answer.status_code < 300, answer.text
        own = made(client, limited)


def test_a_key_that_may_do_more_is_out_of_reach(client: TestClient, maker: Maker, manager: Headers) -> None:
    strong = made(client, manager)
    _, weak = maker.key(models=("mistral-*",))
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "rotate/")):
        answer = client.request(method, f"{KEYS}{strong['id']}/{path}", headers=weak, json={})
        assert answer.status_code == 403, answer.text


def test_rotation_with_grace(client: TestClient, manager: Headers) -> None:
    old = made(client, manager, models=["mistral-*"])
    new = client.post(f"{KEYS}{old['id']}/rotate/", headers=manager, json={"grace": 3600})
    assert new.status_code == 201, new.text
    item = new.json()
    assert has_key_form(item["api_key"])
    assert (item["models"], item["is_temporary"]) == (["mistral-*"], True)
    before = client.get(f"{KEYS}{old['id']}/", headers=manager).json()
    assert (before["replaced_by"], before["revoked"]) == (item["id"], False)
    ends = datetime.fromisoformat(before["expiry_date"]).timestamp()
    assert abs(ends - (NOW / SECOND + 3600)) < 1e-3
    again = client.post(f"{KEYS}{old['id']}/rotate/", headers=manager, json={"grace": 3600})
    assert again.status_code == 400
    for bad in ({"grace": -1}, {"grace": "1h"}, {"graze": 1}, {"grace": 1e300}):
        assert client.post(f"{KEYS}{item['id']}/rotate/", headers=manager, json=bad).status_code == 400


def test_who_loses_rights_takes_them_from_those_it_made(client: TestClient, maker: Maker, manager: Headers) -> None:
    middle = made(client, manager, scopes=["manage", "inference", "own_logs"])
    headers = bearer(Secret(middle["api_key"]))
    fits, mixed, misfits = (
        made(client, headers, models=models)["id"] for models in (["mistral-small"], ["mistral-*", "gpt-5"], ["gpt-5"])
    )
    path = f"{KEYS}{middle['id']}/"
    client.patch(path, headers=manager, json={"models": ["mistral-*"], "scopes": ["manage", "inference"]})
    assert maker.find(fits).policy.models == ("mistral-small",)
    assert maker.find(mixed).policy.models == ("mistral-*",)
    assert maker.find(fits).policy.scopes == Scope.INFERENCE
    assert maker.find(misfits).revoked_at == NOW
    heir = client.post(f"{path}rotate/", headers=manager).json()
    assert maker.find(fits).revoked_at is None, "rotation takes nothing away"
    client.delete(f"{KEYS}{heir['id']}/", headers=manager)
    assert [maker.find(one).revoked_at for one in (fits, mixed)] == [NOW, NOW]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"max_usage": 0}, "max_usage"),
        ({"max_usage": -2}, "max_usage"),
        ({"max_usage": 1.5}, "max_usage"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"spending_limit": -1}, "spending_limit"),
        ({"spending_limit": 1e300}, "spending_limit"),
        ({"spending_limit": "5"}, "spending_limit"),
        ({"expiry_date": "soon"}, "expiry_date"),
        ({"expiry_date": "2001-01-01"}, "expiry_date"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["all"]}, "scopes"),
        ({"surfaces": ["moon"]}, "surfaces"),
        ({"models": [""]}, "models"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    client: TestClient, manager: Headers, body: dict[str, Any], words: str
) -> None:
    answer = client.post(KEYS, headers=manager, json={"name": "x", **body})
    told = answer.json()
    assert (answer.status_code, words in (told.get("param"), *re.findall(r"\w+", told["detail"]))) == (400, True), told
    assert client.get(KEYS, headers=manager).json()["count"] == 0


def test_who_may_and_whose_keys(client: TestClient, keys: Keys, home: Home, keyring: Keyring, manager: Headers) -> None:
    item = made(client, manager)
    plain, reader = bearer(keys.add()[1]), bearer(keys.add(Scope.READ)[1])
    assert client.get(KEYS, headers=plain).status_code == 403
    assert client.get(KEYS, headers=reader).status_code == 200
    assert client.post(KEYS, headers=reader, json={"name": "x"}).status_code == 403
    theirs = neighbour(home, keyring)
    assert client.get(KEYS, headers=theirs).json()["results"] == []
    by_hand, _ = keys.add()
    for key_id in (item["id"], "nobody"):
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "rotate/")):
            assert client.request(method, f"{KEYS}{key_id}/{path}", headers=theirs, json={}).status_code == 404
    assert client.get(f"{KEYS}{by_hand.id}/", headers=manager).status_code == 404, "made by hand, not by API"


def test_without_workers_nobody_is_waited_for(state: ConsoleState, manager: Headers) -> None:
    with ShapedClient(create_app(state)) as client:
        assert "x-gantry-live" not in client.post(KEYS, headers=manager, json={"name": "x"}).headers

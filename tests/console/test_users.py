"""Customers by API: Respan's shapes, filters and orders; what people set holds for workers from the answer on."""

from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from gantry.board.counters import Counters
from gantry.console.app import create_app
from gantry.console.state import ConsoleState
from gantry.core.limit_terms import customer_key
from gantry.core.limits import CustomerTerms
from gantry.core.periods import Period
from gantry.core.usage import Usage
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Scope
from gantry.home import Home, Keyring
from gantry.store.customer_sums import CustomerNote
from gantry.store.keys import ApiKey
from gantry.store.logs import LogStore, RecordBatch
from tests.console.conftest import NOW, SECOND, Keys, bearer, make_log, state_of, store_logs
from tests.console.shaped_client import ShapedClient
from tests.console.test_deployment_health import neighbour

USERS = "/api/users/"
DOLLAR = 1_000_000_000
DAY = 86_400 * SECOND
ITEM = set(
    """
    id customer_identifier unique_organization_id environment name email first_seen last_active_timeframe active_days
    number_of_requests total_requests total_tokens tokens total_cost cost average_latency average_ttft
    average_monthly_cost period_budget budget_duration total_budget
    """.split()
)
IN_FULL = ITEM | set("organization_name total_period_usage period_start period_end updated_at".split())
Headers = dict[str, str]


@pytest.fixture
def counters(home: Home) -> Counters:
    return Counters(home.counters)


@pytest.fixture
def state(home: Home, keyring: Keyring, counters: Counters) -> ConsoleState:
    return state_of(home, keyring, counters=home.counters)


@pytest.fixture
def client(state: ConsoleState) -> TestClient:
    return ShapedClient(create_app(state), raise_server_exceptions=False)


@pytest.fixture
def owner(keys: Keys) -> tuple[ApiKey, Headers]:
    key, secret = keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)
    return key, bearer(secret)


@pytest.fixture
def manager(owner: tuple[ApiKey, Headers]) -> Headers:
    return owner[1]


@pytest.fixture
def seen(owner: tuple[ApiKey, Headers], logs: LogStore) -> ApiKey:
    """Ada called often and cheaply, long ago first; Bob once and dearly; Eve is of the tests."""
    key = owner[0]
    ada = [
        make_log(
            key,
            number,
            customer_identifier="ada",
            customer_name="Ada",
            customer_email="ada@example.com",
            cost=DOLLAR // 10,
            started_at=NOW - number * DAY,
            usage=Usage(input_tokens=2, output_tokens=1, total_tokens=3),
            time_to_first_token=SECOND // 2,
        )
        for number in range(1, 5)
    ]
    bob = make_log(key, 11, customer_identifier="bob", cost=9 * DOLLAR, latency=3 * SECOND, customer_cost=10 * DOLLAR)
    eve = make_log(key, 12, customer_identifier="eve", environment=Environment.TEST)
    nobody = make_log(key, 13)
    store_logs(logs, *ada, bob, eve, nobody)
    return key


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["customer_identifier"] for item in answer.json()["results"]]


def test_the_shapes_of_a_customer(client: TestClient, manager: Headers, seen: ApiKey) -> None:
    page = client.get(f"{USERS}list/", headers=manager).json()
    assert (page["count"], page["next"], page["previous"]) == (2, None, None)
    ada = next(item for item in page["results"] if item["customer_identifier"] == "ada")
    assert set(ada) >= ITEM
    assert (ada["number_of_requests"], ada["total_requests"], ada["active_days"]) == (4, 4, 4)
    assert (ada["total_tokens"], ada["tokens"], ada["total_cost"], ada["cost"]) == (12, 12, 0.4, 0.4)
    assert (ada["average_latency"], ada["average_ttft"], ada["average_monthly_cost"]) == (1.5, 0.5, 0.4)
    assert (ada["name"], ada["email"], ada["environment"]) == ("Ada", "ada@example.com", "prod")
    assert ada["unique_organization_id"] == seen.organization_id
    full = client.get(f"{USERS}bob/", headers=manager).json()
    assert set(full) >= IN_FULL
    assert (full["total_period_usage"], full["total_cost"], full["organization_name"]) == (10.0, 9.0, "default")
    assert full["period_start"] < full["period_end"]
    assert client.get(f"{USERS}nobody/", headers=manager).status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["bob", "ada"]),
        ("sort_by=first_seen", ["ada", "bob"]),
        ("sort_by=-total_cost", ["bob", "ada"]),
        ("sort_by=-number_of_requests", ["ada", "bob"]),
        ("sort_by=-average_latency", ["bob", "ada"]),
        ("sort_by=average_ttft", ["ada", "bob"]),  # Bob has none
        ("sort_by=-average_ttft", ["ada", "bob"]),
        ("sort_by=email", ["ada", "bob"]),
        ("sort_by=-email", ["ada", "bob"]),
        ("sort_by=-customer_identifier", ["bob", "ada"]),
        ("sort_by=customer_identifier&page_size=1&page=2", ["bob"]),
        ("environment=test", ["eve"]),
        ("is_test=true", ["eve"]),
        ("all_envs=true&sort_by=customer_identifier", ["ada", "bob", "eve"]),
        ("total_cost[value]=1&total_cost[operator]=gte", ["bob"]),
        ("number_of_requests=4", ["ada"]),
        ("email=ada@example.com", ["ada"]),
        ("active_days[value]=1&active_days[operator]=gt", ["ada"]),
    ],
)
def test_orders_and_filters(
    client: TestClient, manager: Headers, seen: ApiKey, query: str, expected: list[str]
) -> None:
    assert names(client.get(f"{USERS}list/?{query}", headers=manager)) == expected
    assert names(client.get(f"{USERS}?{query}", headers=manager)) == expected


def test_filters_in_the_body(client: TestClient, manager: Headers, seen: ApiKey) -> None:
    body = {"filters": {"name": {"operator": "icontains", "value": ["AD"]}}}
    assert names(client.post(f"{USERS}list/", headers=manager, json=body)) == ["ada"]
    either = {"operator": "OR", "filters": {"customer_identifier": {"value": ["ada"]}, "total_cost": {"value": [9]}}}
    assert sorted(names(client.post(f"{USERS}list/", headers=manager, json=either))) == ["ada", "bob"]
    refused: list[dict[str, Any]] = [
        {"filters": {"nothing": {"value": [1]}}},
        {"filters": {"name": {"operator": "over", "value": ["a"]}}},
        {"filter": {}},
    ]
    for bad in refused:
        assert client.post(f"{USERS}list/", headers=manager, json=bad).status_code == 400
    for query in ("page=0", "environment=moon", "shoe_size=42"):
        assert client.get(f"{USERS}list/?{query}", headers=manager).status_code == 400
    assert client.get(f"{USERS}list/?sort_by=shoe_size", headers=manager).json()["param"] == "sort_by"


def test_what_people_set_is_on_the_board_and_stays(
    client: TestClient, manager: Headers, seen: ApiKey, counters: Counters, logs: LogStore
) -> None:
    path = f"{USERS}ada/"
    body = {
        "name": "Ada L.",
        "metadata": {"plan": "pro"},
        "period_budget": 5,
        "budget_duration": "weekly",
        "total_budget": 100.5,
        "markup_percentage": 12.5,
        "rate_limit": 30,
        "period_start": "2026-11-02T10:00:00Z",
    }
    answer = client.patch(path, headers=manager, json=body)
    assert answer.status_code == 200, answer.text
    item = answer.json()
    assert (item["name"], item["metadata"], item["managed"]) == ("Ada L.", {"plan": "pro"}, True)
    assert (item["period_budget"], item["budget_duration"], item["total_budget"]) == (5, "weekly", 100.5)
    assert (item["markup_percentage"], item["rate_limit"]) == (12.5, 30)
    key = customer_key(seen.organization_id, Environment.PROD, "ada")
    start = item["period_start"]
    assert counters.customer(key) == CustomerTerms(
        5 * DOLLAR, Period.WEEK, 100_500_000_000, 30, 125_000, 1_793_613_600 * SECOND, None, managed=True
    )
    assert start.endswith("T10:00:00Z"), "a week begins where it was said to"
    said = CustomerTerms(period_budget=10**15)
    note = CustomerNote(seen.organization_id, "prod", "ada", NOW, said)
    logs.record(RecordBatch(customers=[note]))
    assert client.get(path, headers=manager).json()["period_budget"] == 5, "not by traffic"
    gone = client.patch(path, headers=manager, json={"period_budget": None, "metadata": None, "rate_limit": None})
    assert (gone.json()["period_budget"], gone.json()["metadata"], gone.json()["total_budget"]) == (None, None, 100.5)
    kept = counters.customer(key)
    assert kept is not None
    assert (kept.period_budget, kept.rate_limit, kept.managed) == (None, None, True)


def test_a_customer_is_added_before_its_first_call_and_forgotten(
    client: TestClient, manager: Headers, owner: tuple[ApiKey, Headers], counters: Counters
) -> None:
    made = client.post(USERS, headers=manager, json={"customer_identifier": "new", "period_budget": 1, "email": "n@x"})
    assert made.status_code == 201, made.text
    assert (made.json()["period_budget"], made.json()["number_of_requests"]) == (1, 0)
    key = customer_key(owner[0].organization_id, Environment.PROD, "new")
    assert counters.customer(key) is not None
    again = client.post(USERS, headers=manager, json={"customer_identifier": "new"})
    assert (again.status_code, again.json()["param"]) == (400, "customer_identifier")
    assert client.delete(f"{USERS}new/", headers=manager).status_code == 204
    assert counters.customer(key) is None
    assert client.delete(f"{USERS}new/", headers=manager).status_code == 404
    assert client.patch(f"{USERS}new/", headers=manager, json={"name": "x"}).status_code == 404


@pytest.mark.parametrize("identifier", ["a/b", "/a//b/", "é ü/漢", "100%", "a?b#c", "list/x", "..x", "a+b"])
def test_identifiers_may_hold_anything(client: TestClient, manager: Headers, identifier: str) -> None:
    body = {"customer_identifier": identifier, "name": "odd"}
    assert client.post(USERS, headers=manager, json=body).status_code == 201
    for path in (f"/api/users/{quote(identifier, safe='')}/", f"/users/{quote(identifier, safe='')}"):
        shown = client.get(path, headers=manager)
        assert (shown.status_code, shown.json().get("customer_identifier")) == (200, identifier), path
    assert client.get(f"{USERS}{quote(identifier, safe='')}/?environment=test", headers=manager).status_code == 404
    assert client.delete(f"{USERS}{quote(identifier, safe='')}/", headers=manager).status_code == 204


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"period_budget": -1}, "period_budget"),
        ({"period_budget": 1e300}, "period_budget"),
        ({"budget_duration": "fortnightly"}, "budget_duration"),
        ({"period_start": "soon"}, "period_start"),
        ({"period_start": "2026-01-02", "period_end": "2026-01-01"}, "period_end"),
        ({"markup_percentage": -1}, "markup_percentage"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"name": "x" * 300}, "name"),
        ({"customer_identifier": "other"}, "customer_identifier"),
        ({"metadata": {"a": "x" * 20_000}}, "metadata"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    client: TestClient, manager: Headers, seen: ApiKey, body: dict[str, Any], param: str
) -> None:
    answer = client.patch(f"{USERS}ada/", headers=manager, json=body)
    assert (answer.status_code, answer.json().get("param")) == (400, param), answer.text


def test_unknown_fields_are_named(client: TestClient, manager: Headers, seen: ApiKey) -> None:
    for field in ("budget", "max_budget", "total_cost", "managed"):
        answer = client.patch(f"{USERS}ada/", headers=manager, json={field: 1})
        assert (answer.status_code, f"`{field}`" in answer.json()["detail"]) == (400, True)


def test_who_may_and_whose(client: TestClient, keys: Keys, home: Home, keyring: Keyring, seen: ApiKey) -> None:
    plain, reader = bearer(keys.add()[1]), bearer(keys.add(Scope.READ)[1])
    assert client.get(USERS, headers=plain).status_code == 403
    assert client.get(f"{USERS}ada/", headers=reader).status_code == 200
    assert client.patch(f"{USERS}ada/", headers=reader, json={"name": "x"}).status_code == 403
    assert client.delete(f"{USERS}ada/", headers=reader).status_code == 403
    theirs = neighbour(home, keyring)
    assert names(client.get(USERS, headers=theirs)) == []
    for method in ("GET", "PATCH", "DELETE"):
        assert client.request(method, f"{USERS}ada/", headers=theirs, json={}).status_code == 404

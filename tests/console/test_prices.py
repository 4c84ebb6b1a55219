"""Prices by API: what a model costs and by whose word; the operator's own, set and taken back."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.console.model_book import ModelBook
from gantry.console.state import ConsoleState
from gantry.core.vocabulary import Scope
from gantry.home import Home, Keyring
from gantry.prices.folder import PriceFolder
from gantry.prices.load import load_rates
from gantry.prices.operator_rates import operator_line
from gantry.prices.overrides import load_overrides
from gantry.prices.rates import Rates
from gantry.store.control import ControlStore
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.organizations import add_organization
from tests.console.conftest import NOW, SECOND, Keys, bearer

PRICES = "/api/prices/"
OWN = "/api/prices/own/"
MODEL = "mistral-large-latest"
Headers = dict[str, str]


@pytest.fixture(scope="module")
def published() -> Rates:
    return load_rates()


@pytest.fixture(autouse=True)
def priced(state: ConsoleState, home: Home, published: Rates, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> Rates:
        return Rates(load_overrides(), published._published, PriceFolder(home.prices).operator_table())

    monkeypatch.setattr(state, "models", ModelBook(read, lambda: NOW))


@pytest.fixture
def manager(keys: Keys) -> Headers:
    return bearer(keys.add(Scope.READ | Scope.MANAGE)[1])


def test_a_price_is_shown_with_whose_word_it_is(client: TestClient, manager: Headers) -> None:
    card = client.get(PRICES, headers=manager, params={"model": MODEL}).json()
    assert (card["provider_id"], card["model"]) == ("mistral", MODEL)
    assert card["price_source"]
    assert card["price_version"]
    assert card["at"].startswith("2026-11-18T")
    ordinary = {one["unit"]: one for one in card["prices"] if one["holds_for"] is None}
    assert ordinary["input"]["usd"] > 0
    assert ordinary["input"]["per"] == "1M tokens"
    assert card["history"]
    same = client.get(
        PRICES, headers=manager, params={"model": f"mistral/{MODEL}", "at": "2026-11-18T11:06:40Z"}
    ).json()
    assert same["prices"] == card["prices"]


def test_what_nobody_knows_is_said(client: TestClient, manager: Headers) -> None:
    unknown = client.get(PRICES, headers=manager, params={"model": "nobodys"})
    assert (unknown.status_code, "nobodys" in unknown.json()["detail"]) == (404, True)
    unpriced = client.get(PRICES, headers=manager, params={"model": "nobodys", "provider_id": "mistral"}).json()
    assert (unpriced["record"], unpriced["prices"]) == (None, [])
    assert client.get(PRICES, headers=manager, params={"model": MODEL, "at": "soon"}).json()["param"] == "at"


def test_own_prices_hold_until_they_are_taken_back(client: TestClient, manager: Headers, home: Home) -> None:
    before = client.get(PRICES, headers=manager, params={"model": MODEL}).json()
    body = {"provider_id": "mistral", "model": MODEL, "prices": {"input": 0.4, "output": "1.2"}}
    put = client.put(OWN, headers=manager, json=body)
    assert put.status_code == 200, put.text
    assert put.json() == {
        "provider": "mistral",
        "models": [MODEL],
        "since": "2026-11-18",
        "service_tier": None,
        "prices": [
            {"unit": "input", "usd": 0.4, "per": "1M tokens"},
            {"unit": "output", "usd": 1.2, "per": "1M tokens"},
        ],
        "managed_by": "command",
    }
    card = client.get(PRICES, headers=manager, params={"model": MODEL}).json()
    assert card["price_source"] == "operator"
    ordinary = {one["unit"]: one["usd"] for one in card["prices"] if one["holds_for"] is None}
    assert (ordinary["input"], ordinary["output"]) == (0.4, 1.2)
    assert client.get(OWN, headers=manager).json() == [put.json()]
    where = {"provider_id": "mistral", "model": MODEL}
    assert client.delete(OWN, headers=manager, params=where).status_code == 204
    assert client.delete(OWN, headers=manager, params=where).status_code == 404
    assert client.get(PRICES, headers=manager, params={"model": MODEL}).json() == before


def test_the_catalogue_has_them_at_once(client: TestClient, manager: Headers) -> None:
    def listed() -> dict[str, Any]:
        found = client.post("/api/models/list/", headers=manager, json={"search": "mistral large"}).json()
        first: dict[str, Any] = found["results"][0]
        return first

    name = listed()["model_name"]
    body = {"provider_id": "mistral", "model": name, "prices": {"input": 0.125}}
    assert client.put(OWN, headers=manager, json=body).status_code == 200
    assert (listed()["model_name"], listed()["input_cost"]) == (name, 0.125)


@pytest.mark.parametrize(
    ("prices", "says"),
    [({}, "name none of"), ({"input": -1}, "no amount"), ({"inputs": 1}, "'inputs'"), ({"input": "much"}, "'much'")],
)
def test_what_is_no_price_is_refused(client: TestClient, manager: Headers, prices: Any, says: str) -> None:
    answer = client.put(OWN, headers=manager, json={"provider_id": "mistral", "model": "m", "prices": prices})
    assert (answer.status_code, says in answer.json()["detail"]) == (400, True)


def test_what_the_file_declares_is_changed_there(client: TestClient, manager: Headers, home: Home) -> None:
    line = operator_line("mistral", ("m",), date(2026, 1, 1), {"input": Decimal(1)}, None)
    PriceFolder(home.prices).put_declared([line])
    body = {"provider_id": "mistral", "model": "m", "since": "2026-01-01", "prices": {"input": 2}}
    assert client.put(OWN, headers=manager, json=body).status_code == 403
    assert [one["managed_by"] for one in client.get(OWN, headers=manager).json()] == ["gantry.toml"]


def test_they_are_the_operators_to_set(client: TestClient, home: Home, keyring: Keyring, keys: Keys) -> None:
    with ControlStore(home.control_db, clock=lambda: NOW + SECOND) as control, control.changing() as change:
        tenant = add_organization(change, "tenant").id
        policy = KeyPolicy(scopes=Scope.READ | Scope.MANAGE)
        theirs = bearer(add_key(change, tenant, "theirs", policy, keyring.pepper)[1])
    body = {"provider_id": "mistral", "model": "m", "prices": {"input": 2}}
    assert client.put(OWN, headers=theirs, json=body).status_code == 403
    assert client.delete(OWN, headers=theirs, params={"provider_id": "mistral", "model": "m"}).status_code == 403
    assert client.get(PRICES, headers=theirs, params={"model": MODEL}).status_code == 200

"""The models of the console: the catalogue for everybody, own models for those who may."""

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.board.board import FIRST_WORKER_SLOT, Board, State, Word
from gantry.console import live, model_changes
from gantry.console.app import create_app
from gantry.console.model_book import ModelBook
from gantry.console.state import ConsoleState
from gantry.core.custom_model import CustomModel
from gantry.core.custom_provider import CustomProvider
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.providers.model_form import ModelForm, World, changed
from gantry.store.control import ControlStore
from gantry.store.custom_models import find_custom_model, put_custom_model
from gantry.store.database import StoreUnavailable
from gantry.store.providers import put_provider
from tests.console.conftest import NOW, Keys, bearer, state_of
from tests.console.shaped_client import ShapedClient

MODELS = "/api/models/"
LIST = "/api/models/list/"


@pytest.fixture(scope="module")
def book() -> ModelBook:
    rates = load_rates()
    return ModelBook(lambda: rates, lambda: NOW)


@pytest.fixture
def state(home: Home, keyring: Keyring, book: ModelBook) -> Iterator[ConsoleState]:
    state = state_of(
        home, keyring, control=lambda: ControlStore(home.control_db, clock=lambda: NOW, busy_timeout=0.1), models=book
    )
    yield state
    state.close()


@pytest.fixture
def manager(keys: Keys) -> dict[str, str]:
    """The headers of a key that may read and manage."""
    return bearer(keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)[1])


def stored(home: Home, keys: Keys, name: str) -> CustomModel | None:
    with ControlStore(home.control_db) as control, control.reading() as connection:
        return find_custom_model(connection, keys.organization_id, name)


def test_the_public_catalogue_is_for_everybody(client: TestClient) -> None:
    answer = client.get("/api/models/public")
    assert answer.status_code == 200
    models = {model["model_name"]: model for model in answer.json()["models"]}
    large = models["mistral-large-2512"]
    assert large["max_context_window"] == 262_144
    assert (large["input_cost"], large["prompt_cost"], large["output_cost"], large["completion_cost"]) == (
        0.5,
        0.5,
        1.5,
        1.5,
    )
    assert large["provider"] == {
        "id": "mistral",
        "provider_name": "Mistral AI",
        "provider_id": "mistral",
        "moderation": "",
        "credential_fields": ["api_key"],
    }
    assert "mistral/mistral-large-latest" in large["aliases"]
    assert (large["function_call"], large["image_support"], large["model_type"]) == (1, 1, "chat")
    assert large["capability"]["modality"] == {"input": ["text", "image"], "output": ["text"]}
    assert models["mistral-large-4"]["price_since"] == "2026-10-29T00:00:00Z"
    assert models["text-embedding-3-small"]["model_type"] == "embedding"
    assert models["whisper-1"]["model_type"] == "audio"
    assert "pixtral-large-latest" not in models  # it has retired
    assert models["gpt-5"]["retires_at"] == "2026-12-11"
    assert "base_model_name" not in large
    unnested = client.get("/models/public/?unnest=true").json()
    assert [model["model_name"] for model in unnested] == list(models)


def test_a_price_that_nobody_knows_is_null(home: Home, keyring: Keyring, keys: Keys) -> None:
    state = state_of(home, keyring)
    with ShapedClient(create_app(state)) as client:
        models = client.get("/api/models/public?unnest=true").json()
    state.close()
    assert models
    assert {model["input_cost"] for model in models} == {None}


def test_a_model_of_ones_own_is_made_changed_and_removed(
    client: TestClient, keys: Keys, home: Home, manager: dict[str, str]
) -> None:
    body = {
        "model_name": "team/fast",
        "base_model_name": "mistral-small-latest",
        "display_name": "Fast",
        "input_cost": 0.123456789,
        "output_cost": "2",
        "max_context_window": 32_000,
        "image_support": 0,
        "supported_params_override": {"temperature": {"max": 1}},
        "unknown": True,
    }
    made = client.post(MODELS, headers=manager, json=body)
    assert made.status_code == 201, made.text
    item = made.json()
    assert {name: item[name] for name in ("id", "model_name", "display_name", "base_model_name")} == {
        "id": "team/fast",
        "model_name": "team/fast",
        "display_name": "Fast",
        "base_model_name": "mistral-small-latest",
    }
    assert (item["input_cost"], item["output_cost"], item["prompt_cost"]) == (0.123456789, 2.0, 0.123456789)
    assert (item["function_call"], item["image_support"], item["max_context_window"]) == (1, 0, 32_000)
    assert (item["affiliation_category"], item["source"], item["price_source"]) == ("custom", "db", "custom")
    assert item["provider"]["provider_id"] == "mistral"
    assert item["supported_params_override"] == {"temperature": {"max": 1}}
    assert (item["is_called_by_custom_name"], item["created_at"]) == (False, "2026-11-18T11:06:40Z")
    known = stored(home, keys, "team/fast")
    assert known is not None
    assert (known.input_price, known.output_price, known.vision) == (123_456_789, 2_000_000_000, False)

    again = client.post(MODELS, headers=manager, json={"model_name": "team/fast", "output_cost": 3})
    assert (again.status_code, again.json()["output_cost"], again.json()["display_name"]) == (200, 3.0, "Fast")
    patched = client.patch(f"{MODELS}team/fast/", headers=manager, json={"input_cost": None, "model_name": "other"})
    assert (patched.status_code, patched.json()["input_cost"]) == (200, 0.15)  # the base's
    assert patched.json()["model_name"] == "team/fast"
    put = client.put(f"{MODELS}team%2Ffast", headers=manager, json={"base_model_name": "openai/gpt-4o"})
    assert put.status_code == 200
    assert (put.json()["display_name"], put.json()["output_cost"]) == ("team/fast", 10.0)
    assert put.json()["provider"]["provider_id"] == "openai"
    shown = client.get(f"{MODELS}team/fast/", headers=manager)
    assert shown.json() == put.json()

    assert client.delete(f"{MODELS}team/fast/", headers=manager).status_code == 204
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = client.request(method, f"{MODELS}team/fast/", headers=manager, content=b"{}")
        assert (answer.status_code, answer.json()["detail"][:15]) == (404, "Model not found"), method
    assert stored(home, keys, "team/fast") is None


@pytest.mark.parametrize(
    ("body", "provider", "base", "by_name"),
    [
        ({"base_model_name": "gpt-4o"}, None, "gpt-4o", False),
        ({"base_model_name": "gpt-4o", "is_called_by_custom_name": True}, "openai", "gpt-4o", True),
        ({"base_model_name": "gpt-4o", "provider_id": "azure"}, "azure_openai", "gpt-4o", True),
        (
            {"base_model_name": "gpt-4o", "provider_id": "azure_openai", "is_called_by_custom_name": False},
            "azure_openai",
            "gpt-4o",
            False,
        ),
        ({"custom_provider_id": "acme"}, "acme", None, True),
        ({"base_model_name": "acme/x"}, None, "acme/x", False),
        ({"base_model_name": "mistral-from-next-year"}, None, "mistral-from-next-year", False),
    ],
)
def test_whom_a_call_by_the_name_asks_for_what(
    client: TestClient,
    keys: Keys,
    home: Home,
    manager: dict[str, str],
    body: dict[str, Any],
    provider: str | None,
    base: str | None,
    by_name: bool,
) -> None:
    with ControlStore(home.control_db) as control, control.changing() as change:
        acme = CustomProvider(id="acme", organization_id=keys.organization_id, name="Acme", base_url="https://a.test")
        put_provider(change, acme)
    made = client.post(MODELS, headers=manager, json={"model_name": "mine", **body})
    assert made.status_code == 201, made.text
    known = stored(home, keys, "mine")
    assert known is not None
    assert (known.provider_id, known.base, known.called_by_name) == (provider, base, by_name)


def test_a_known_name_may_have_prices_of_its_own(
    client: TestClient, keys: Keys, home: Home, manager: dict[str, str]
) -> None:
    body = {"model_name": "gpt-4o", "input_cost": 1, "output_cost": 1}
    assert client.post(MODELS, headers=manager, json=body).status_code == 201
    known = stored(home, keys, "gpt-4o")
    assert known is not None
    assert (known.base, known.called_by_name) == ("gpt-4o", False)
    listed = client.post(LIST, headers=manager, json={"filters": {"model_name": {"value": ["gpt-4o"]}}}).json()
    assert [(item["affiliation_category"], item["input_cost"]) for item in listed["results"]] == [("custom", 1.0)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "model_name is missing"),
        ({"model_name": " "}, "model_name is missing"),
        ({"model_name": "/x/", "base_model_name": "gpt-4o"}, "no slash at its ends"),
        ({"model_name": "a//b", "base_model_name": "gpt-4o"}, "beside another"),
        ({"model_name": "a/../b", "base_model_name": "gpt-4o"}, "no dots alone"),
        ({"model_name": "..", "base_model_name": "gpt-4o"}, "no dots alone"),
        ({"model_name": "a\\b", "base_model_name": "gpt-4o"}, "no backslash"),
        ({"model_name": "x", "base_model_name": "gpt-4o\0"}, "base_model_name must be one line"),
        ({"model_name": "x", "base_model_name": "gpt-4o", "display_name": "a\0b"}, "display_name must be one line"),
        ({"model_name": "a\nb", "base_model_name": "gpt-4o"}, "one line"),
        ({"model_name": "list", "base_model_name": "gpt-4o"}, "path of this API"),
        ({"model_name": "mistral/x", "base_model_name": "gpt-4o"}, "does not begin with mistral/"),
        ({"model_name": "x", "custom_provider_id": "nobody"}, "Provider not found: nobody"),
        ({"model_name": "x", "base_model_name": "gpt-4o", "input_cost": -1}, "input_cost must be USD"),
        ({"model_name": "x", "base_model_name": "gpt-4o", "input_cost": "free"}, "input_cost must be USD"),
        ({"model_name": "x", "base_model_name": "gpt-4o", "output_cost": "NaN"}, "output_cost must be USD"),
        ({"model_name": "x", "base_model_name": "gpt-4o", "max_context_window": 0}, "max_context_window"),
        ({"model_name": "x", "custom_provider_id": "openai", "input_cost": 1}, "output_cost is missing"),
        ({"model_name": 7}, "does not describe a model"),
    ],
)
def test_what_could_not_be_called_is_refused(
    client: TestClient, manager: dict[str, str], body: dict[str, Any], says: str
) -> None:
    answer = client.post(MODELS, headers=manager, json=body)
    assert answer.status_code == 400
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("body", [{"model_name": "x"}, {"model_name": "x", "base_model_name": "who-knows"}])
def test_a_base_that_leads_nowhere_is_refused_in_respans_words(
    client: TestClient, manager: dict[str, str], body: dict[str, Any]
) -> None:
    answer = client.post(MODELS, headers=manager, json=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "Base model not found")
    assert "Write it with its provider" in answer.json()["detail"]


def test_pages_filters_order_and_sums(client: TestClient, manager: dict[str, str]) -> None:
    for name in ("zz-own", "an-own"):
        client.post(MODELS, headers=manager, json={"model_name": name, "base_model_name": "mistral-small-latest"})
    first = client.post(f"{LIST}?page_size=2&sort_by=-model_name", headers=manager, json={}).json()
    assert first["results"][0]["model_name"] == "zz-own"
    assert (len(first["results"]), first["previous"]) == (2, None)
    second = client.post(first["next"], headers=manager, json={}).json()
    assert second["results"][0] != first["results"][0]
    assert second["previous"] is not None
    mine = {"filters": {"affiliation_category": {"operator": "", "value": ["custom"]}}}
    assert [item["id"] for item in client.post(LIST, headers=manager, json=mine).json()["results"]] == [
        "an-own",
        "zz-own",
    ]
    cheap = {
        "filters": {
            "provider": "mistral",
            "input_cost": [{"operator": "lte", "value": [0.15]}, {"operator": "gt", "value": [0]}],
            "model_type": {"operator": "in", "value": ["chat"]},
        }
    }
    found = client.post(f"{LIST}?sort_by=input_cost", headers=manager, json=cheap).json()["results"]
    assert found
    assert [item["input_cost"] for item in found] == sorted(item["input_cost"] for item in found)
    everything = client.post(f"{LIST}?page_size=5", headers=manager, json={"is_exporting": True}).json()
    assert len(everything["results"]) == everything["count"] > 500
    sums = client.post("/api/models/summary/", headers=manager, content=b"").json()["summary"]
    assert sums == {
        "total_count": everything["count"],
        "global_count": everything["count"] - 2,
        "custom_count": 2,
    }
    narrowed = client.post("/api/models/summary/", headers=manager, json=mine).json()["summary"]
    assert narrowed == {"total_count": 2, "global_count": 0, "custom_count": 2}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{LIST}?page_size=1001", {}),
        (f"{LIST}?page=0", {}),
        (f"{LIST}?sort_by=colour", {}),
        (LIST, {"filters": {"colour": "red"}}),
        (LIST, {"filters": {"input_cost": {"operator": "like", "value": [1]}}}),
        (LIST, {"filters": {"input_cost": {"operator": "gt", "value": ["a"]}}}),
        (LIST, {"filters": []}),
    ],
)
def test_a_list_that_cannot_be_made_is_refused(
    client: TestClient, manager: dict[str, str], path: str, body: dict[str, Any]
) -> None:
    assert client.post(path, headers=manager, json=body).status_code == 400


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (DEFAULT_SCOPES, "POST", LIST, 403),
        (Scope.READ, "POST", LIST, 200),
        (Scope.READ, "POST", "/api/models/summary", 200),
        (Scope.READ, "POST", "/api/models", 403),
        (Scope.READ, "PATCH", "/api/models/x", 403),
        (Scope.READ, "PUT", "/api/models/x", 403),
        (Scope.READ, "DELETE", "/api/models/x", 403),
        (Scope.MANAGE, "DELETE", "/api/models/x", 404),
        (Scope.MANAGE, "POST", LIST, 403),
    ],
)
def test_scopes(client: TestClient, keys: Keys, scopes: Scope, method: str, path: str, status: int) -> None:
    _, secret = keys.add(scopes)
    answer = client.request(method, path, headers=bearer(secret), content=b"{}")
    assert answer.status_code == status, answer.text


def test_another_organizations_models_are_not_there(
    client: TestClient, keys: Keys, home: Home, manager: dict[str, str]
) -> None:
    with ControlStore(home.control_db) as control, control.changing() as change:
        change.connection.exec_driver_sql("INSERT INTO organizations VALUES ('o2', 'another', 2000000000000000000)")
        put_custom_model(change, CustomModel(organization_id="o2", name="theirs", base="gpt-4o"))
    assert client.patch(f"{MODELS}theirs/", headers=manager, json={}).status_code == 404
    assert client.delete(f"{MODELS}theirs/", headers=manager).status_code == 404
    listed = client.post(LIST, headers=manager, json={"filters": {"model_name": "theirs"}}).json()
    assert listed["count"] == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_nobody_changes_a_model_while_it_is_changed(
    client: TestClient, home: Home, keys: Keys, manager: dict[str, str], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    body = {"model_name": "mine", "base_model_name": "gpt-4o"}
    assert client.post(MODELS, headers=manager, json=body).status_code == 201
    changes = []

    def changed_meanwhile(model: CustomModel, form: ModelForm, world: World) -> CustomModel:
        """As `changed`, with somebody else who would change what was read before it is written."""
        with ControlStore(home.control_db, busy_timeout=0.01) as other, pytest.raises(StoreUnavailable):
            with other.changing() as change:
                put_custom_model(change, model)
        changes.append(model)
        return changed(model, form, world)

    monkeypatch.setattr(model_changes, "changed", changed_meanwhile)
    path = MODELS if method == "POST" else f"{MODELS}mine/"
    answer = client.request(method, path, headers=manager, json={**body, "display_name": "Mine"})
    assert (answer.status_code, answer.json()["display_name"], len(changes)) == (200, "Mine", 1)


def test_what_is_declared_in_the_file_is_changed_there(
    client: TestClient, keys: Keys, home: Home, manager: dict[str, str]
) -> None:
    model = CustomModel(organization_id=keys.organization_id, name="m", base="gpt-4o", managed_by="gantry.toml")
    with ControlStore(home.control_db) as control, control.changing() as change:
        put_custom_model(change, model)
    for method, path in (("PATCH", "m"), ("PUT", "m"), ("DELETE", "m")):
        answer = client.request(method, MODELS + path, headers=manager, content=b"{}")
        assert (answer.status_code, "declared in gantry.toml" in answer.json()["detail"]) == (403, True)


def test_a_change_is_answered_when_the_workers_route_by_it(
    home: Home, keyring: Keyring, keys: Keys, manager: dict[str, str], book: ModelBook
) -> None:
    board = Board(home.board)
    slot = board.slot(FIRST_WORKER_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    slot[Word.STATE] = State.READY
    state = state_of(home, keyring, models=book, board=board)
    leaving = threading.Event()

    def follow() -> None:
        """Route by what is stored, as a worker does once the clerk has published it."""
        with ControlStore(home.control_db) as control:
            while not leaving.wait(0.01):
                slot[Word.SNAPSHOT_VERSION] = control.version()

    worker = threading.Thread(target=follow)
    worker.start()
    try:
        with ShapedClient(create_app(state)) as client:
            made = client.post(MODELS, headers=manager, json={"model_name": "m", "base_model_name": "gpt-4o"})
            assert (made.status_code, made.headers["x-gantry-live"]) == (201, "yes")
    finally:
        leaving.set()
        worker.join()
        state.close()


def test_a_change_that_is_not_live_in_time_says_so(
    home: Home,
    keyring: Keyring,
    manager: dict[str, str],
    state: ConsoleState,
    book: ModelBook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "_SECONDS", 0.05)
    board = Board(home.board)
    slot = board.slot(FIRST_WORKER_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    slot[Word.STATE] = State.READY
    slow = state_of(home, keyring, journal=state.journal, models=book, board=board)
    try:
        with ShapedClient(create_app(slow)) as client:
            made = client.post(MODELS, headers=manager, json={"model_name": "m", "base_model_name": "gpt-4o"})
            assert (made.status_code, made.headers["x-gantry-live"]) == (201, "no")
    finally:
        slow.close()


def test_a_damaged_table_costs_the_prices_and_nothing_else() -> None:
    def read() -> Rates | None:
        raise OSError("gone")

    catalogue = ModelBook(read, lambda: NOW).read()
    assert catalogue.models
    assert {model.rate for model in catalogue.models} == {None}

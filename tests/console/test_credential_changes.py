"""Credentials added, given other secrets, tried and removed by API: what is kept, what is shown, what is refused."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.core.vocabulary import DEFAULT_SCOPES, Environment, Scope
from gantry.home import Keyring
from gantry.store.control import ControlStore
from gantry.store.credentials import (
    Credential,
    ManagedBy,
    NewCredential,
    add_credential,
    credentials_of,
    sealed_secrets,
)
from gantry.store.vault import Vault
from tests.console.conftest import Keys, bearer

CREDENTIALS = "/api/credentials"
KEY = "canary-of-more-than-twenty-signs-9876"
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    """The headers of a key that may read and manage."""
    return bearer(keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)[1])


@pytest.fixture
def upstream() -> Iterator[str]:
    """A provider that knows KEY alone, and lists its models."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["authorization"] == f"Bearer {KEY}" and self.path == "/v1/models"
            self.send_response(200 if known else 401)
            self.end_headers()
            self.wfile.write(b'{"data": []}')

        def log_message(self, *_: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def kept(control: ControlStore, keys: Keys, keyring: Keyring) -> dict[str, dict[str, str]]:
    """Return the secrets that are stored, by credential and field."""
    with control.reading() as connection:
        sealed = sealed_secrets(connection, keys.organization_id)
        return {
            f"{one.provider_id}/{one.name}": {
                field: Vault(keyring.vault).open(value, one.place(field)).reveal()
                for field, value in sealed.get(one.id, {}).items()
            }
            for one in credentials_of(connection, keys.organization_id)
        }


def declare(control: ControlStore, keys: Keys, keyring: Keyring) -> Credential:
    new = NewCredential(
        provider_id="openai", name="OPENAI_API_KEY", base_url="https://x.test", source="OPENAI_API_KEY",
        managed_by=ManagedBy.ENVIRONMENT,
    )  # fmt: skip
    with control.changing() as change:
        return add_credential(change, Vault(keyring.vault), keys.organization_id, new)


def test_a_credential_is_added_and_its_secret_not_shown(
    client: TestClient, control: ControlStore, keys: Keys, keyring: Keyring, manager: Headers
) -> None:
    form = {
        "provider_id": "mistral",
        "fields": {"api_key": f" {KEY} "},
        "weight": 3,
        "available_models": ["mistral-*"],
        "environment": "test",
    }
    made = client.post(CREDENTIALS, headers=manager, json=form)
    assert made.status_code == 201, made.text
    item = made.json()
    assert (item["name"], item["base_url"], item["weight"]) == ("default", "https://api.mistral.ai", 3)
    assert (item["available_models"], item["environment"], item["home"]) == (["mistral-*"], Environment.TEST, True)
    assert item["fields"] == {"api_key": "••••9876"}
    assert KEY not in made.text
    assert kept(control, keys, keyring) == {"mistral/default": {"api_key": KEY}}
    again = client.post(CREDENTIALS, headers=manager, json=form)
    assert (again.status_code, again.json()["param"]) == (400, "name")


def test_fields_that_are_no_secrets_are_shown_and_the_address_is_the_providers(
    client: TestClient, manager: Headers
) -> None:
    fields = {"api_key": "short", "api_base": "https://me.openai.azure.com/", "api_version": "2025-01-01"}
    made = client.post(CREDENTIALS, headers=manager, json={"provider_id": "azure_openai", "fields": fields})
    assert made.status_code == 201, made.text
    assert made.json()["base_url"] == "https://me.openai.azure.com"
    assert made.json()["fields"] == {"api_key": "••••", "api_version": "2025-01-01"}


def test_a_provider_of_ones_own_comes_and_goes_with_its_credential(client: TestClient, manager: Headers) -> None:
    form = {"provider_id": "local", "base_url": "http://127.0.0.1:8000/v1", "name": "one"}
    assert client.post(CREDENTIALS, headers=manager, json=form).json()["base_url"] == "http://127.0.0.1:8000"
    cards = {card["provider_id"]: card for card in client.get("/api/providers/catalogue", headers=manager).json()}
    assert cards["local"]["is_custom"]
    assert not cards["mistral"]["is_custom"]
    assert client.delete(f"{CREDENTIALS}/local/one", headers=manager).json() == {"warnings": []}
    assert "local" not in client.get("/api/providers", headers=manager).text


def test_the_catalogue_says_what_a_credential_takes(client: TestClient, manager: Headers) -> None:
    cards = {card["provider_id"]: card for card in client.get("/api/providers/catalogue", headers=manager).json()}
    vertex, azure = cards["google_vertex_ai"], cards["azure_openai"]
    assert [(one["name"], one["json"], one["secret"]) for one in vertex["credential_fields"]] == [
        ("vertex_ai_credentials", True, True),
        ("vertex_ai_project", False, False),
        ("vertex_ai_location", False, False),
    ]
    assert azure["needs_base_url"]
    assert [one["name"] for one in azure["credential_fields"] if one["address"]] == ["api_base"]
    assert cards["mistral"]["environment"] == ["MISTRAL_API_KEY"]
    taken = client.post("/api/providers", headers=manager, json={"provider_id": "catalogue", "provider_name": "x"})
    assert (taken.status_code, taken.json()["param"]) == (400, "provider_id")


@pytest.mark.parametrize(
    ("form", "param", "says"),
    [
        ({"provider_id": "mistral"}, "fields", "needs api_key"),
        ({"provider_id": "mistral", "fields": {"api_key": "ké"}}, "fields", "characters that no key has"),
        ({"provider_id": "mistral", "fields": {"token": KEY}}, "fields", "has no field 'token'"),
        ({"provider_id": "mistrel"}, "provider_id", "Did you mean mistral"),
        ({"provider_id": "vllm"}, "provider_id", "has its own address"),
        ({"provider_id": "own", "base_url": "http://169.254.169.254"}, "provider_id", "not an address"),
        ({"provider_id": "mistral", "name": "a/b"}, None, "does not describe a credential"),
        ({"provider_id": "mistral", "source": "HOME"}, None, "unknown field `source`"),
    ],
)
def test_what_cannot_be_called_is_refused(
    client: TestClient, manager: Headers, form: dict[str, Any], param: str | None, says: str
) -> None:
    for path in (CREDENTIALS, f"{CREDENTIALS}/test"):
        answer = client.post(path, headers=manager, json=form)
        assert (answer.status_code, answer.json().get("param")) == (400, param), answer.text
        assert says in answer.json()["detail"]
        assert KEY not in answer.text
    assert client.get(CREDENTIALS, headers=manager).json() == []


def test_secrets_are_given_anew_whole_and_what_it_serves_stays(
    client: TestClient, control: ControlStore, keys: Keys, keyring: Keyring, manager: Headers
) -> None:
    form = {"provider_id": "mistral", "fields": {"api_key": "old"}, "weight": 5}
    made = client.post(CREDENTIALS, headers=manager, json=form).json()
    one = f"{CREDENTIALS}/mistral/default"
    moved = client.put(one, headers=manager, json={"fields": {"api_key": KEY}, "base_url": "https://proxy.test/v1"})
    assert moved.json() == {**made, "base_url": "https://proxy.test", "fields": {"api_key": "••••9876"}}
    assert kept(control, keys, keyring) == {"mistral/default": {"api_key": KEY}}
    alone = client.put(one, headers=manager, json={"base_url": "https://elsewhere.test"})
    assert alone.status_code == 400, "a stored secret is sent to the host it was given for"
    assert client.get(one, headers=manager).json() == moved.json()


def test_a_credential_is_tried_before_and_after_it_is_added(
    client: TestClient, manager: Headers, upstream: str
) -> None:
    form = {"provider_id": "mistral", "base_url": upstream, "fields": {"api_key": KEY}}
    before = client.post(f"{CREDENTIALS}/test", headers=manager, json=form).json()
    wrong = {**form, "fields": {"api_key": "wrong"}}
    refused = client.post(f"{CREDENTIALS}/test", headers=manager, json=wrong).json()
    client.post(CREDENTIALS, headers=manager, json=form)
    after = client.post(f"{CREDENTIALS}/mistral/default/test", headers=manager).json()
    assert before == after == {"ok": True, "text": f"{upstream}/v1/models answered 200"}
    assert refused == {"ok": False, "text": f"{upstream}/v1/models answered 401 Unauthorized"}


def test_what_is_declared_is_tried_but_not_changed(
    client: TestClient, control: ControlStore, keys: Keys, keyring: Keyring, manager: Headers
) -> None:
    declare(control, keys, keyring)
    one = f"{CREDENTIALS}/openai/OPENAI_API_KEY"
    assert client.get(one, headers=manager).json()["fields"] == {"api_key": "$OPENAI_API_KEY"}
    said = "openai/OPENAI_API_KEY is declared by $OPENAI_API_KEY in the environment; change it there."
    for answer in (
        client.put(one, headers=manager, json={"fields": {"api_key": KEY}}),
        client.delete(one, headers=manager),
    ):
        assert (answer.status_code, answer.json()["detail"]) == (403, said)
    tried = client.post(f"{one}/test", headers=manager).json()
    assert tried == {"ok": False, "text": "$OPENAI_API_KEY is not set"}


def test_another_credential_becomes_home(client: TestClient, manager: Headers) -> None:
    for name in ("one", "two"):
        form = {"provider_id": "mistral", "name": name, "fields": {"api_key": KEY}}
        client.post(CREDENTIALS, headers=manager, json=form)
    assert client.post(f"{CREDENTIALS}/mistral/two/home", headers=manager).json()["home"]
    homes = {one["name"]: one["home"] for one in client.get(CREDENTIALS, headers=manager).json()}
    assert homes == {"one": False, "two": True}
    assert client.post(f"{CREDENTIALS}/mistral/three/home", headers=manager).status_code == 404

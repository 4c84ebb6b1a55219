"""Custom providers by API: made, changed and removed by those who may, with keys that go in and never come out."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from msgspec.structs import replace
from sqlalchemy import insert

from gantry.core.custom_model import CustomModel
from gantry.core.custom_provider import CustomProvider
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.control_tables import organizations
from gantry.store.credentials import (
    Credential,
    ManagedBy,
    NewCredential,
    add_credential,
    credentials_of,
    find_credential,
    remove_credentials,
    sealed_secrets,
)
from gantry.store.custom_models import put_custom_model
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.providers import put_provider
from gantry.store.vault import Vault
from tests.console.conftest import Keys, bearer

PROVIDERS = "/api/providers/"
ACME = f"{PROVIDERS}acme/"
BODY = {
    "provider_id": "acme",
    "provider_name": "Acme",
    "api_key": "canary-one",
    "extra_kwargs": {"base_url": "https://acme.test/v1", "temperature": 0.2},
}
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys) -> Headers:
    """The headers of a key that may read and manage."""
    return bearer(keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)[1])


@pytest.fixture
def vault(keyring: Keyring) -> Vault:
    return Vault(keyring.vault)


def kept(home: Home, keys: Keys, vault: Vault, text: str = "acme") -> tuple[Credential, dict[str, Secret]]:
    """Return a credential as it is stored, with its secrets."""
    with ControlStore(home.control_db) as control, control.reading() as connection:
        found = find_credential(connection, keys.organization_id, text)
        sealed = sealed_secrets(connection).get(found.id, {})
    return found, {name: vault.open(value, found.place(name)) for name, value in sealed.items()}


def test_a_provider_is_made_shown_changed_and_removed(
    client: TestClient, keys: Keys, home: Home, manager: Headers, vault: Vault
) -> None:
    assert client.get(PROVIDERS, headers=manager).json()["results"] == []
    made = client.post(PROVIDERS, headers=manager, json=BODY)
    assert made.status_code == 201, made.text
    item = made.json()
    assert item.pop("created_at") == item.pop("updated_at")
    assert item == {
        "id": "acme",
        "provider_id": "acme",
        "provider_name": "Acme",
        "extra_kwargs": {"base_url": "https://acme.test/v1", "temperature": 0.2},
        "managed_by": None,
    }
    credential, secrets = kept(home, keys, vault)
    assert (credential.name, credential.base_url) == ("default", "https://acme.test")
    assert secrets == {"api_key": Secret("canary-one")}

    again = client.post(PROVIDERS, headers=manager, json={"provider_id": "acme", "extra_kwargs": {"top_p": 1}})
    assert (again.status_code, again.json()["provider_name"]) == (200, "Acme")
    assert again.json()["extra_kwargs"] == {"base_url": "https://acme.test/v1", "temperature": 0.2, "top_p": 1.0}
    patched = client.patch(
        ACME.rstrip("/"),
        headers=manager,
        json={"api_key": "canary-two", "extra_kwargs": {"temperature": None, "max_tokens": 9}},
    )
    assert (patched.status_code, patched.json()["extra_kwargs"]) == (
        200,
        {"base_url": "https://acme.test/v1", "top_p": 1.0, "max_tokens": 9},
    )
    assert kept(home, keys, vault) == (credential, {"api_key": Secret("canary-two")})
    put = client.put(
        ACME, headers=manager, json={"provider_name": "New", "extra_kwargs": {"base_url": "https://acme.test/api/v4"}}
    )
    assert (put.status_code, put.json()["provider_name"]) == (200, "New")
    assert put.json()["extra_kwargs"] == {"base_url": "https://acme.test/api/v4"}
    moved, secrets = kept(home, keys, vault)
    assert (moved.id, moved.base_url) == (credential.id, "https://acme.test/api/v4")
    assert secrets == {"api_key": Secret("canary-two")}  # the same host, so the key goes along

    shown = client.get(ACME, headers=manager)
    assert client.get(PROVIDERS.rstrip("/"), headers=manager).json()["results"] == [shown.json()] == [put.json()]
    assert put.json()["created_at"] == made.json()["created_at"]
    assert client.put(ACME, headers=manager, json=shown.json()).status_code == 200  # as it was shown

    for answer in (made, again, patched, put, shown):
        assert "canary" not in answer.text
    assert b"canary" not in b"".join(path.read_bytes() for path in home.path.rglob("*") if path.is_file())

    gone = client.delete(ACME, headers=manager)
    assert (gone.status_code, gone.content) == (204, b"")
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = client.request(method, ACME, headers=manager, content=b"{}")
        assert (answer.status_code, answer.json()["detail"][:18]) == (404, "Provider not found"), method
    with ControlStore(home.control_db) as control, control.reading() as connection:
        assert credentials_of(connection) == []
        assert sealed_secrets(connection) == {}


def test_a_key_is_optional_and_null_takes_it_away(
    client: TestClient, keys: Keys, home: Home, manager: Headers, vault: Vault
) -> None:
    assert client.post(PROVIDERS, headers=manager, json={**BODY, "api_key": ""}).status_code == 201
    assert kept(home, keys, vault)[1] == {}
    for key, secrets in (("k", {"api_key": Secret("k")}), (None, {})):
        assert client.patch(ACME, headers=manager, json={"api_key": key}).status_code == 200
        assert kept(home, keys, vault)[1] == secrets


@pytest.mark.parametrize("base_url", ["https://other.test", "http://acme.test", "https://acme.test:8443/v1"])
@pytest.mark.parametrize("source", [None, "ACME_KEY"])
def test_a_key_is_for_the_host_it_was_given_for(
    client: TestClient, keys: Keys, home: Home, manager: Headers, vault: Vault, base_url: str, source: str | None
) -> None:
    """Else whoever may manage could read it: by naming a host that listens."""
    client.post(PROVIDERS, headers=manager, json=BODY)
    if source is not None:
        with ControlStore(home.control_db) as control, control.changing() as change:
            old = find_credential(change.connection, keys.organization_id, "acme")
            remove_credentials(change, [old])
            new = NewCredential(provider_id="acme", name="default", base_url="https://acme.test", source=source)
            add_credential(change, vault, keys.organization_id, new, replaces=old)
    before = kept(home, keys, vault)
    moving = {"extra_kwargs": {"base_url": base_url}}
    for method, body in (
        ("PATCH", moving),
        ("PUT", {**moving, "provider_name": "x"}),
        ("POST", {**moving, "provider_id": "acme"}),
    ):
        path = PROVIDERS if method == "POST" else ACME
        answer = client.request(method, path, headers=manager, json=body)
        assert (answer.status_code, answer.json()["param"]) == (400, "api_key"), method
        assert "only sent to the host it was given for" in answer.json()["detail"]
    assert kept(home, keys, vault) == before
    assert client.patch(ACME, headers=manager, json={**moving, "api_key": "two"}).status_code == 200
    moved, secrets = kept(home, keys, vault)
    assert (moved.base_url, moved.source, secrets) == (base_url.removesuffix("/v1"), None, {"api_key": Secret("two")})


def test_what_cannot_be_acted_on_yet_is_said(client: TestClient, manager: Headers) -> None:
    body = {**BODY, "extra_kwargs": {"base_url": "https://acme.test", "timeout": 30}}
    item = client.post(PROVIDERS, headers=manager, json=body).json()
    assert item["extra_kwargs"] == {"base_url": "https://acme.test/v1", "timeout": 30.0}
    (warning,) = item["warnings"]
    assert warning.startswith("extra_kwargs.timeout is kept, and not acted on yet")
    assert client.get(PROVIDERS, headers=manager).json()["results"] == [item]
    assert "warnings" not in client.put(ACME, headers=manager, json={**BODY, "warnings": [warning]}).json()


@pytest.mark.parametrize(
    ("changes", "param", "says"),
    [
        ({"provider_id": None}, None, "does not describe a provider: Expected `str`"),
        ({"provider_id": ""}, "provider_id", "provider_id is missing"),
        ({"provider_id": "Acme Inc"}, "provider_id", "lower-case letters"),
        ({"provider_id": "a/b"}, "provider_id", "lower-case letters"),
        ({"provider_id": "a|b"}, "provider_id", "lower-case letters"),
        ({"provider_id": "mistral"}, "provider_id", "mistral is a name of Mistral AI, which comes with Gantry"),
        ({"provider_id": "together_ai"}, "provider_id", "`gantry providers add togetherai`"),  # a prefix
        ({"provider_id": "team"}, "provider_id", "The custom model team/fast could not be called any more"),
        ({"provider_name": " "}, "provider_name", "provider_name is missing"),
        ({"provider_name": "a\nb"}, "provider_name", "one line"),
        ({"api_key": 7}, None, "does not describe a provider: Expected `str`"),
        ({"api_key": "canäry"}, "api_key", "characters that no key has"),
        ({"api_kye": "k"}, None, "unknown field `api_kye`"),
        ({"extra_kwargs": None}, "extra_kwargs.base_url", "The address is missing"),
        ({"extra_kwargs": {}}, "extra_kwargs.base_url", "The address is missing"),
        ({"extra_kwargs": {"base_url": 7}}, "extra_kwargs.base_url", "it must be text"),
        ({"extra_kwargs": {"base_url": "acme.test"}}, "extra_kwargs.base_url", "is no base URL"),
        ({"extra_kwargs": {"base_url": "ftp://acme.test"}}, "extra_kwargs.base_url", "is no base URL"),
        ({"extra_kwargs": {"base_url": "https://u:canary@acme.test"}}, "extra_kwargs.base_url", "no credentials"),
        ({"extra_kwargs": {"base_url": "https://acme.test?key=canary"}}, "extra_kwargs.base_url", "no credentials"),
        ({"extra_kwargs": {"base_url": "http://169.254.169.254"}}, "extra_kwargs.base_url", "not an address that a"),
        ({"extra_kwargs": {"base_url": "http://[fd00:ec2::254]"}}, "extra_kwargs.base_url", "not an address that a"),
        ({"extra_kwargs": {"base_url": "http://[::ffff:a9fe:a9fe]/v1"}}, "extra_kwargs.base_url", "not an address"),
    ],
)
def test_what_could_not_be_called_is_refused(
    client: TestClient, keys: Keys, home: Home, manager: Headers, changes: dict[str, Any], param: str | None, says: str
) -> None:
    with ControlStore(home.control_db) as control, control.changing() as change:
        put_custom_model(change, CustomModel(organization_id=keys.organization_id, name="team/fast", base="gpt-4o"))
    answer = client.post(PROVIDERS, headers=manager, json={**BODY, **changes})
    assert (answer.status_code, answer.json().get("param")) == (400, param), answer.text
    assert says in answer.json()["detail"]
    assert not any(word in answer.json()["detail"] for word in ("canary", "canäry"))
    assert client.get(PROVIDERS, headers=manager).json()["results"] == []


@pytest.mark.parametrize(
    ("kwargs", "name", "says"),
    [
        ({"temprature": 1}, "temprature", "no parameter that can be set; known are temperature,"),
        ({"headers": {"x-key": "canary"}}, "headers", "no parameter that can be set"),
        ({"model": "m"}, "model", "no parameter that can be set"),
        ({"api_key": "canary"}, "api_key", "The key is given as api_key, beside extra_kwargs"),
        ({"temperature": 3}, "temperature", "temperature: Expected `float` <= 2.0"),
        ({"temperature": "warm"}, "temperature", "temperature: Expected `float`, got `str`"),
        ({"max_tokens": 0}, "max_tokens", "max_tokens: Expected `int` >= 1"),
        ({"timeout": -1}, "timeout", "timeout: Expected `float` > 0.0"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens", "are one parameter"),
    ],
)
def test_a_parameter_that_could_not_be_honoured_is_refused_by_name(
    client: TestClient, manager: Headers, kwargs: dict[str, Any], name: str, says: str
) -> None:
    client.post(PROVIDERS, headers=manager, json=BODY)
    before = client.get(ACME, headers=manager).json()
    answer = client.patch(ACME, headers=manager, json={"extra_kwargs": kwargs})
    assert (answer.status_code, answer.json()["param"]) == (400, f"extra_kwargs.{name}")
    assert says in answer.json()["detail"]
    assert "canary" not in answer.text
    assert client.get(ACME, headers=manager).json() == before


def test_a_provider_keeps_its_id(client: TestClient, manager: Headers) -> None:
    client.post(PROVIDERS, headers=manager, json=BODY)
    for method in ("PUT", "PATCH"):
        answer = client.request(method, ACME, headers=manager, json={**BODY, "provider_id": "other"})
        assert (answer.status_code, answer.json()["param"]) == (400, "provider_id")


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (DEFAULT_SCOPES, "GET", PROVIDERS, 403),
        (DEFAULT_SCOPES, "GET", ACME, 403),
        (Scope.READ, "GET", PROVIDERS, 200),
        (Scope.READ, "GET", ACME, 404),
        (Scope.READ, "POST", PROVIDERS, 403),
        (Scope.READ, "PUT", ACME, 403),
        (Scope.READ, "PATCH", ACME, 403),
        (Scope.READ, "DELETE", ACME, 403),
        (Scope.MANAGE, "GET", PROVIDERS, 403),
        (Scope.MANAGE, "POST", PROVIDERS, 400),
        (Scope.MANAGE, "DELETE", ACME, 404),
    ],
)
def test_scopes(client: TestClient, keys: Keys, scopes: Scope, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, headers=bearer(keys.add(scopes)[1]), content=b"{}")
    assert answer.status_code == status, answer.text


def test_each_organization_has_its_own(
    client: TestClient, keys: Keys, home: Home, keyring: Keyring, manager: Headers, vault: Vault
) -> None:
    with ControlStore(home.control_db) as control, control.changing() as change:
        change.connection.execute(insert(organizations).values(id="o2", name="another", created_at=2**62))
        _, secret = add_key(change, "o2", "k", KeyPolicy(scopes=Scope.READ | Scope.MANAGE), keyring.pepper)
    theirs = bearer(secret)
    assert client.post(PROVIDERS, headers=manager, json=BODY).status_code == 201
    assert client.get(PROVIDERS, headers=theirs).json()["results"] == []
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert client.request(method, ACME, headers=theirs, content=b"{}").status_code == 404, method
    other = {**BODY, "api_key": "canary-theirs", "extra_kwargs": {"base_url": "https://theirs.test"}}
    assert client.post(PROVIDERS, headers=theirs, json=other).status_code == 201  # the same name is free to them
    assert client.get(ACME, headers=manager).json()["extra_kwargs"]["base_url"] == "https://acme.test/v1"
    assert kept(home, keys, vault)[1] == {"api_key": Secret("canary-one")}
    assert client.delete(ACME, headers=theirs).status_code == 204
    assert client.get(ACME, headers=manager).status_code == 200
    assert kept(home, keys, vault)[1] == {"api_key": Secret("canary-one")}
    model = {"model_name": "mine", "custom_provider_id": "acme"}
    answer = client.post("/api/models/", headers=theirs, json=model)
    assert (answer.status_code, "Provider not found: acme" in answer.json()["detail"]) == (400, True)
    assert client.post("/api/models/", headers=manager, json=model).status_code == 201


def test_what_is_declared_in_the_file_is_changed_there(
    client: TestClient, keys: Keys, home: Home, manager: Headers, vault: Vault
) -> None:
    acme = CustomProvider(
        organization_id=keys.organization_id,
        id="acme",
        name="Acme",
        base_url="https://acme.test",
        managed_by=ManagedBy.FILE,
    )
    new = NewCredential(provider_id="acme", name="main", base_url="https://acme.test", managed_by=ManagedBy.FILE)

    def refused(method: str, path: str, body: dict[str, Any]) -> None:
        answer = client.request(method, path, headers=manager, json=body)
        assert (answer.status_code, "declared in gantry.toml" in answer.json()["detail"]) == (403, True), answer.text

    with ControlStore(home.control_db) as control, control.changing() as change:
        put_provider(change, acme)
        add_credential(change, vault, keys.organization_id, new)
    for method, path in (("POST", PROVIDERS), ("PUT", ACME), ("PATCH", ACME), ("DELETE", ACME)):
        refused(method, path, {**BODY, "extra_kwargs": {"base_url": "https://acme.test"}})
    with ControlStore(home.control_db) as control, control.changing() as change:
        put_provider(change, replace(acme, managed_by=None))  # only the credential is declared
    refused("PATCH", ACME, {"api_key": "k"})
    refused("DELETE", ACME, {})
    assert client.patch(ACME, headers=manager, json={"provider_name": "New"}).status_code == 200


def test_of_several_credentials_none_is_changed_by_guess(
    client: TestClient, keys: Keys, home: Home, manager: Headers, vault: Vault
) -> None:
    client.post(PROVIDERS, headers=manager, json=BODY)
    with ControlStore(home.control_db) as control, control.changing() as change:
        new = NewCredential(provider_id="acme", name="second", base_url="https://acme.test")
        add_credential(change, vault, keys.organization_id, new)
    answer = client.patch(ACME, headers=manager, json={"api_key": "k"})
    assert (answer.status_code, "several credentials (default, second)" in answer.json()["detail"]) == (400, True)
    assert client.patch(ACME, headers=manager, json={"extra_kwargs": {"seed": 1}}).status_code == 200
    assert client.delete(ACME, headers=manager).status_code == 204
    with ControlStore(home.control_db) as control, control.reading() as connection:
        assert credentials_of(connection) == []


def test_a_refused_change_makes_no_version(client: TestClient, home: Home, manager: Headers) -> None:
    with ControlStore(home.control_db) as control:
        before = control.version()
        client.post(PROVIDERS, headers=manager, json={**BODY, "provider_id": "mistral"})
        client.delete(ACME, headers=manager)
        assert control.version() == before
        client.post(PROVIDERS, headers=manager, json=BODY)
        assert control.version() == before + 1


def test_a_body_that_is_no_json_is_refused(client: TestClient, manager: Headers) -> None:
    for body in (b"", b"{", b"[]", b"\xff", json.dumps(BODY).encode()[:-1]):
        answer = client.post(PROVIDERS, headers=manager, content=body)
        assert (answer.status_code, "canary" in answer.text) == (400, False)

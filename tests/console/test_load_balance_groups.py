"""Load balance groups by API, in Respan's words: each change of one is a version of the routing rules."""

from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.credentials import NewCredential, add_credential
from gantry.store.vault import Vault
from tests.console.conftest import Keys, bearer

GROUPS = "/api/load-balance-groups/"
BODY = {
    "group_id": "fast",
    "name": "Fast",
    "strategy": "least_latency",
    "models": [
        {"model": "mistral/a", "weight": 3},
        {"model": "mistral/b", "weight": 0, "credential": "mistral/default"},
    ],
}
Headers = dict[str, str]


@pytest.fixture
def manager(keys: Keys, home: Home, keyring: Keyring) -> Headers:
    """The headers of a key that may read and manage, where there is a credential for Mistral."""
    new = NewCredential(provider_id="mistral", name="default", base_url="https://api.mistral.ai")
    with ControlStore(home.control_db) as control, control.changing() as change:
        add_credential(change, Vault(keyring.vault), keys.organization_id, new)
    return bearer(keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)[1])


def rules(client: TestClient, manager: Headers) -> dict[str, Any]:
    item: dict[str, Any] = client.get("/api/routing/", headers=manager).json()
    return item


def test_a_group_is_made_shown_changed_and_removed(client: TestClient, manager: Headers) -> None:
    assert client.get(GROUPS, headers=manager).json() == []
    made = client.post(GROUPS, headers=manager, json=BODY)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"'), made.text
    assert made.json() == {
        **BODY,
        "affinity": "auto",
        "models": [
            {"model": "mistral/a", "weight": 3, "credential": None},
            {"model": "mistral/b", "weight": 0, "credential": "mistral/default"},
        ],
    }
    assert rules(client, manager)["document"] == {
        "groups": [
            {
                "id": "fast",
                "name": "Fast",
                "strategy": "least_latency",
                "members": [
                    {"model": "mistral/a", "weight": 3},
                    {"model": "mistral/b", "weight": 0, "credential": "mistral/default"},
                ],
            }
        ]
    }
    again = client.post(GROUPS, headers=manager, json={"group_id": "fast", "affinity": "never"})
    assert (again.status_code, again.json()) == (200, {**made.json(), "affinity": "never"})
    path = f"{GROUPS}fast/"
    patched = client.patch(path, headers=manager, json={"name": None, "models": [{"model": "mistral/c"}]})
    assert (patched.status_code, patched.json()["name"]) == (200, "")
    assert patched.json()["models"] == [{"model": "mistral/c", "weight": 1.0, "credential": None}]
    shown = client.get(path.rstrip("/"), headers=manager)
    assert client.get(GROUPS.rstrip("/"), headers=manager).json() == [shown.json()] == [patched.json()]
    assert client.patch(path, headers=manager, json=shown.json()).json() == shown.json()  # as it was shown

    version = rules(client, manager)["version"]
    gone = client.delete(path, headers=manager)
    assert (gone.status_code, gone.content) == (204, b"")
    assert rules(client, manager)["document"] == {}
    assert client.get("/api/routing/versions", headers=manager).json()[0]["note"] == "without fast"
    for method in ("GET", "PATCH", "DELETE"):
        answer = client.request(method, path, headers=manager, content=b"{}")
        assert (answer.status_code, answer.json()["detail"]) == (404, "Load balance group not found: fast."), method
    client.post("/api/routing/rollback/", headers=manager, json={"version": version})
    assert client.get(path, headers=manager).json() == shown.json()


def test_a_group_without_an_id_is_given_one(client: TestClient, manager: Headers) -> None:
    bodies = [{"models": [{"model": "mistral/a"}], "group_id": given} for given in (None, "", None)]
    ids = {client.post(GROUPS, headers=manager, json=body).json()["group_id"] for body in bodies}
    assert len(ids) == 3
    assert {one["group_id"] for one in client.get(GROUPS, headers=manager).json()} == ids


def test_a_change_of_one_leaves_the_others_and_the_rest_as_they_were_written(
    client: TestClient, manager: Headers
) -> None:
    document = {
        "retries": {"num_retries": 1},
        "groups": [{"members": [{"model": "mistral/a", "weight": 1}], "id": "a", "strategy": "weighted"}],
        "fallback_models": ["mistral/b"],
    }
    client.put("/api/routing", headers=manager, json={"document": document, "version": 0})
    client.post(GROUPS, headers=manager, json={"group_id": "b", "models": [{"model": "mistral/b"}]})
    after = rules(client, manager)["document"]
    assert after == {**document, "groups": [document["groups"][0], {"id": "b", "members": [{"model": "mistral/b"}]}]}  # type: ignore[index]
    assert list(after) == list(document)


def test_if_match_holds_for_groups_too(client: TestClient, manager: Headers) -> None:
    client.post(GROUPS, headers=manager, json=BODY)
    old = {**manager, "if-match": '"0"'}
    for method, path, body in (
        ("POST", GROUPS, BODY),
        ("PATCH", f"{GROUPS}fast", {"name": "x"}),
        ("DELETE", f"{GROUPS}fast", None),
    ):
        assert client.request(method, path, headers=old, json=body).status_code == 412, method
    assert client.get(f"{GROUPS}fast", headers=manager).json()["name"] == "Fast"


def test_warnings_are_said(client: TestClient, manager: Headers) -> None:
    made = client.post(GROUPS, headers=manager, json={"group_id": "g", "models": [{"model": "openai/gpt-5"}]})
    assert made.status_code == 201
    assert made.json()["warnings"] == ["the group g names openai/gpt-5, and there is no credential for openai yet"]


@pytest.mark.parametrize(
    ("changes", "param", "says"),
    [
        ({"group_id": "a b"}, "group_id", "group_id: an id is up to 64 letters"),
        ({"group_id": 7}, None, "does not describe a load balance group: Expected `str | null`"),
        ({"models": None}, None, "does not describe a load balance group"),
        ({"models": []}, "models", "models: Expected `array` of length >= 1"),
        ({"models": [{}]}, "models[0]", "models[0]: Object missing required field `model`"),
        ({"models": [{"model": "mistral/a", "wieght": 1}]}, "models[0]", "no `wieght` here; did you mean `weight`?"),
        ({"models": [{"model": "mistral/a", "weight": -1}]}, "models[0].weight", "Weight has to be greater than 0"),
        ({"models": [{"model": "mistral/a", "weight": "1"}]}, "models[0].weight", "Expected `float`, got `str`"),
        ({"models": [{"model": "mistral/a", "weight": 0}]}, "models", "every member of fast has weight 0"),
        (
            {"models": [{"model": "mistral/a"}, {"model": "mistral/a", "credentials": {"api_key": "canary"}}]},
            "models[1].credentials",
            "A group holds no secrets",
        ),
        (
            {"models": [{"model": "mistral/a", "credential": "nobody"}]},
            None,
            "the group fast names the credential nobody, and there is none",
        ),
        ({"strategy": "random"}, "strategy", "known are weighted, least_latency, least_busy, cheapest"),
        ({"affinity": "maybe"}, "affinity", "known are auto, always, never"),
        ({"name": "a\nb"}, "name", "must be one line"),
        ({"weights": 1}, None, "unknown field `weights`"),
    ],
)
def test_what_is_refused_is_refused_in_the_words_of_the_body(
    client: TestClient, manager: Headers, changes: dict[str, Any], param: str | None, says: str
) -> None:
    answer = client.post(GROUPS, headers=manager, json={**BODY, **changes})
    assert (answer.status_code, answer.json().get("param")) == (400, param), answer.text
    assert says in answer.json()["detail"]
    assert "canary" not in answer.text
    assert rules(client, manager)["version"] == 0


def test_a_group_keeps_its_id_and_needs_models(client: TestClient, manager: Headers) -> None:
    client.post(GROUPS, headers=manager, json=BODY)
    renamed = client.patch(f"{GROUPS}fast", headers=manager, json={"group_id": "slow"})
    assert (renamed.status_code, renamed.json()["param"]) == (400, "group_id")
    without = client.post(GROUPS, headers=manager, json={"group_id": "g"})
    assert without.status_code == 400
    assert without.json()["detail"] == "Object missing required field `models`."


@pytest.mark.parametrize("group_id", ["x" * 600, "a\nb"])
def test_an_id_that_cannot_be_is_refused_by_its_name(client: TestClient, manager: Headers, group_id: str) -> None:
    refused = client.post(GROUPS, headers=manager, json={**BODY, "group_id": group_id})
    assert (refused.status_code, refused.json()["param"]) == (400, "group_id"), refused.text
    unknown = client.delete(GROUPS + quote(group_id), headers=manager)
    assert unknown.status_code == 404, unknown.text

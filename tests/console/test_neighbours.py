"""Two organizations in one console: what one has, the other cannot see, change or tell from what nobody has."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.cached_answers import AnswerKept, CacheChanges
from gantry.store.logs import LogStore, RecordBatch
from tests.console.conftest import NOW, SECOND, Keys, bearer, log_id_at, make_log
from tests.console.test_deployment_health import neighbour, stored

Headers = dict[str, str]
RULES = {"document": {"groups": [{"id": "ours", "members": [{"model": "mistral/a"}]}]}, "version": 0}


@pytest.fixture
def ours(client: TestClient, keys: Keys, home: Home, keyring: Keyring, logs: LogStore) -> Headers:
    """One of everything, and the headers of a key of its owner's."""
    stored(home, keyring, keys.organization_id)
    key, secret = keys.add(DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)
    kept = AnswerKept(key.organization_id, "f" * 64, log_id_at(1), "m", NOW, NOW + 60 * SECOND)
    logs.record(RecordBatch(logs=[make_log(key, 1, input="secret")], cache=CacheChanges(kept=[kept])))
    answer = client.put("/api/routing/", headers=bearer(secret), json=RULES)
    assert answer.status_code == 200, answer.text
    return bearer(secret)


@pytest.fixture
def theirs(home: Home, keyring: Keyring) -> Headers:
    return neighbour(home, keyring)


def everything_of(client: TestClient, headers: Headers) -> list[Any]:
    paths = ("routing", "routing/versions", "load-balance-groups", "credentials")
    seen = [client.get(f"/api/{path}/", headers=headers).json() for path in paths]
    return [*seen, client.post("/api/caches/", headers=headers).json()["data"]["results"]]


@pytest.mark.parametrize(
    ("method", "path", "body", "name", "nobodys"),
    [
        ("GET", "/api/routing/versions/1/", None, "1", "7"),
        ("POST", "/api/routing/rollback/", {"version": 1}, "1", "7"),
        ("GET", "/api/load-balance-groups/ours/", None, "ours", "none"),
        ("PATCH", "/api/load-balance-groups/ours/", {"name": "x"}, "ours", "none"),
        ("DELETE", "/api/load-balance-groups/ours/", None, "ours", "none"),
        ("GET", "/api/credentials/mistral/default/", None, "mistral/default", "openai/none"),
        ("PATCH", "/api/credentials/mistral/default/", {"weight": 0}, "mistral/default", "openai/none"),
        ("GET", "/api/cache/1/", None, "1", "7"),
        ("POST", "/api/health/deployments/reset/", {"deployment": "mistral/default"}, "mistral/default", "openai/none"),
    ],
)
def test_what_is_a_neighbours_is_told_of_as_what_is_nobodys(
    client: TestClient, ours: Headers, theirs: Headers, method: str, path: str, body: Any, name: str, nobodys: str
) -> None:
    before = everything_of(client, ours)
    answer = client.request(method, path, headers=theirs, json=body)
    other = {key: int(nobodys) if value == 1 else value for key, value in body.items()} if body else body
    if body and "deployment" in body:
        other = {"deployment": nobodys}
    same = client.request(method, path.replace(name, nobodys), headers=theirs, json=other)
    assert (answer.status_code, same.status_code) == (404, 404), (answer.text, same.text)
    assert answer.text.replace(name, "NAME", 1) == same.text.replace(nobodys, "NAME", 1)
    assert everything_of(client, ours) == before


def test_lists_and_deletions_are_an_organizations_own(client: TestClient, ours: Headers, theirs: Headers) -> None:
    before = everything_of(client, ours)
    assert [one for one in everything_of(client, theirs) if one and "document" not in one] == []
    everything: tuple[Any, ...] = ({"all": True}, {"ids": [1]}, {"cache_keys": ["f" * 64]})
    for chosen in everything:
        gone = client.request("DELETE", "/api/caches/bulk/", headers=theirs, json=chosen)
        assert (gone.status_code, gone.json()["deleted_count"]) == (200, 0), gone.text
    credential = {"groups": [{"id": "a", "members": [{"model": "mistral/a", "credential": "default"}]}]}
    refused = client.put("/api/routing/", headers=theirs, json={"document": credential, "version": 0})
    assert (refused.status_code, "there is none" in refused.text) == (400, True), "the name is one of ours"
    assert everything_of(client, ours) == before

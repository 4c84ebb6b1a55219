"""Saved views: one's own, and those that are shared; who may do what with them, and how much there may be."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gantry.core.vocabulary import Scope
from gantry.store import saved_views
from tests.console.conftest import Keys, bearer

PATH = "/api/saved-views/"
FORM = {"page": "logs", "name": "failures", "query": {"failed": "true", "range": [1, 2]}}


def names(client: TestClient, who: dict[str, str], page: str = "logs") -> list[tuple[str, bool]]:
    found = client.get(PATH, headers=who, params={"page": page}).json()["results"]
    return [(view["name"], view["mine"]) for view in found]


def test_one_sees_ones_own_and_what_is_shared(client: TestClient, keys: Keys) -> None:
    reader, member, boss = (
        bearer(keys.add(scopes)[1]) for scopes in (Scope.READ, Scope.READ | Scope.INFERENCE, Scope.READ | Scope.MANAGE)
    )
    own = client.post(PATH, headers=reader, json=FORM)
    assert own.status_code == 201
    assert own.json() | FORM == own.json()
    assert own.json()["shared"] is False
    assert client.post(PATH, headers=reader, json=FORM | {"shared": True}).status_code == 403
    shared = client.post(PATH, headers=member, json=FORM | {"name": "all", "shared": True}).json()
    client.post(PATH, headers=member, json=FORM | {"page": "traces"})
    assert names(client, reader) == [("all", False), ("failures", True)]
    assert names(client, member) == [("all", True)]
    assert names(client, member, "traces") == [("failures", True)]

    assert client.patch(f"{PATH}{own.json()['id']}", headers=member, json={"name": "x"}).status_code == 404
    assert client.patch(f"{PATH}{shared['id']}", headers=reader, json={"name": "x"}).status_code == 403
    assert client.patch(f"{PATH}{own.json()['id']}", headers=reader, json={"shared": True}).status_code == 403
    changed = client.patch(f"{PATH}{own.json()['id']}", headers=reader, json={"name": "mine", "query": {}}).json()
    assert (changed["name"], changed["query"], changed["page"]) == ("mine", {}, "logs")
    assert client.patch(f"{PATH}{shared['id']}", headers=boss, json={"shared": False}).json()["mine"] is False
    assert names(client, reader) == [("mine", True)]
    assert client.delete(f"{PATH}{shared['id']}", headers=member).status_code == 204
    assert client.delete(f"{PATH}{shared['id']}", headers=member).status_code == 404
    assert names(client, member) == []


@pytest.mark.parametrize(
    "change",
    [{"page": "Logs!"}, {"name": ""}, {"name": "x" * 101}, {"query": []}, {"query": {"q": "x" * 9000}}, {"more": 1}],
)
def test_what_is_no_view_is_refused(client: TestClient, keys: Keys, change: dict[str, Any]) -> None:
    assert client.post(PATH, headers=bearer(keys.add(Scope.READ)[1]), json=FORM | change).status_code == 400


def test_there_are_only_so_many(client: TestClient, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_views, "MOST_VIEWS", 2)
    reader, other = bearer(keys.add(Scope.READ)[1]), bearer(keys.add(Scope.READ)[1])
    assert [client.post(PATH, headers=reader, json=FORM).status_code for _ in range(3)] == [201, 201, 400]
    assert client.post(PATH, headers=other, json=FORM).status_code == 201

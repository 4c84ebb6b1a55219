"""console/access: default deny, and what each wrong key is told."""

import re

import pytest
from fastapi import Depends
from fastapi.testclient import TestClient

from gantry.console.access import PUBLIC, GuardedRoute, UndeclaredAccess, guarded_router, requires
from gantry.console.app import ROUTERS, create_app
from gantry.console.state import ConsoleState
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from tests.console.conftest import NOW, Keys, bearer

LIST = "/api/request-logs/list/"


async def endpoint() -> None:
    return None


@pytest.mark.parametrize(
    "dependencies",
    [None, [], [Depends(endpoint)], [PUBLIC, requires(Scope.READ)], [requires(Scope.READ), requires(Scope.MANAGE)]],
)
def test_a_route_without_exactly_one_declared_access_cannot_be_registered(dependencies: list[object] | None) -> None:
    with pytest.raises(UndeclaredAccess, match="/x must have exactly one"):
        guarded_router("x").get("/x", dependencies=dependencies)(endpoint)  # type: ignore[arg-type]


def test_requires_needs_a_scope() -> None:
    with pytest.raises(UndeclaredAccess):
        requires()


def test_every_route_of_the_console_is_guarded() -> None:
    routes = [route for router in ROUTERS for route in router.routes]
    assert routes
    assert all(isinstance(route, GuardedRoute) for route in routes)


def test_an_app_with_another_kind_of_route_does_not_start(state: ConsoleState, monkeypatch: pytest.MonkeyPatch) -> None:
    router = guarded_router("x")
    router.add_route("/raw", endpoint)  # type: ignore[arg-type]
    monkeypatch.setattr("gantry.console.app.ROUTERS", (router,))
    with pytest.raises(UndeclaredAccess):
        create_app(state)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer "},
        {"authorization": "Basic x"},
    ],
)
def test_no_credentials(client: TestClient, headers: dict[str, str]) -> None:
    answer = client.get(LIST, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("Authentication credentials were not provided.")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["x", "gk_", "gk_" + "0" * 60, "\u00e9"])
def test_what_is_no_key_is_refused_without_a_store(client: TestClient, token: str) -> None:
    answer = client.get(LIST, headers={b"authorization": f"Bearer {token}".encode("latin-1")})
    assert answer.status_code == 401
    assert answer.json()["detail"].startswith("Your API key is invalid or expired, please check your API key")


def test_keys_that_do_not_live(client: TestClient, keys: Keys) -> None:
    revoked, revoked_secret = keys.add()
    keys.revoke(revoked)
    _, expired_secret = keys.add(expires_at=NOW)
    _, live_secret = keys.add(expires_at=NOW + 1)
    assert client.get(LIST, headers=bearer(revoked_secret)).status_code == 401
    assert client.get(LIST, headers=bearer(expired_secret)).status_code == 401
    assert client.get(LIST, headers=bearer(live_secret)).status_code == 200


def test_a_typo_in_a_key_is_refused(client: TestClient, keys: Keys) -> None:
    _, secret = keys.add()
    token = secret.reveal()
    wrong = token[:20] + ("a" if token[20] != "a" else "b") + token[21:]
    assert client.get(LIST, headers={"authorization": f"Bearer {wrong}"}).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        (DEFAULT_SCOPES, "GET", LIST, 200),
        (Scope.READ, "GET", LIST, 200),
        (Scope.OWN_LOGS, "GET", "/api/request-logs/none/", 404),
        (Scope.INGEST, "GET", LIST, 403),
        (Scope.MANAGE, "GET", LIST, 403),
        (Scope.NATIVE | Scope.INFERENCE, "GET", "/api/request-logs/none/", 403),
        (Scope.READ | Scope.OWN_LOGS, "POST", "/api/request-logs/", 403),
        (Scope.READ | Scope.OWN_LOGS, "POST", "/api/request-logs/create", 403),
        (Scope.READ | Scope.OWN_LOGS, "POST", "/api/request-logs/batch/create", 403),
        (Scope.READ | Scope.OWN_LOGS, "POST", "/api/traces/ingest", 403),
        (Scope.INGEST | Scope.MANAGE, "GET", "/api/request-logs/summary", 403),
        (Scope.INGEST | Scope.MANAGE, "GET", "/api/request-logs/export", 403),
        (Scope.READ | Scope.MANAGE, "PATCH", "/api/request-logs/x/", 403),
        (Scope.READ | Scope.MANAGE, "PATCH", "/api/request-logs/batch-update", 403),
        (Scope.READ | Scope.INGEST | Scope.OWN_LOGS, "DELETE", "/api/request-logs/x/", 403),
    ],
)
def test_scopes(client: TestClient, keys: Keys, scopes: Scope, method: str, path: str, status: int) -> None:
    _, secret = keys.add(scopes)
    answer = client.request(method, path, headers=bearer(secret))
    assert answer.status_code == status
    if status == 403:
        assert "lacks the scope" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/health-check/", "/health-check", "//api//health-check//"])
def test_anybody_may_ask_for_health(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "message" in answer.json()


def test_openapi_describes_the_api_with_its_keys(client: TestClient) -> None:
    document = client.get("/api/openapi.json").json()
    shown = {route.path_format for router in ROUTERS for route in router.routes if route.include_in_schema}  # type: ignore[attr-defined]
    assert {re.sub(":[a-z]+}", "}", path) for path in shown} == set(document["paths"])
    assert document["paths"]["/api/request-logs/list"]["get"]["security"] == [{"ApiKey": []}, {"Session": []}]


@pytest.mark.parametrize("path", ["/", "/api", "/api/docs", "/docs", "/openapi.json/x", "/api/request-logs/a/b/"])
def test_other_paths_are_404_in_json(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "detail" in answer.json()


def test_another_method_is_405_in_json(client: TestClient) -> None:
    answer = client.put("/api/request-logs/x/")
    assert answer.status_code == 405
    assert answer.json() == {"detail": "Method Not Allowed"}

"""Who may use which route, as one table: every route of the console with everybody who may come.

A route that is not in the table fails. What an endpoint does is not asked here: in its place stands one that says that
it was reached, behind the same gate.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from fastapi.testclient import TestClient
from msgspec import Struct

from gantry.console.access import CSRF_HEADER, GuardedRoute, guarded_router
from gantry.console.app import ROUTERS, create_app
from gantry.console.state import ConsoleState
from gantry.core.role import SCOPES, Role, may_give
from gantry.core.vocabulary import SCOPE_NAMES, Scope
from gantry.home import Keyring
from gantry.store.control import ControlStore
from tests.console.conftest import Keys, Person, bearer, sign_in

# Method, path, and the scopes of which one is needed. `key` behind them: a session does not do. `person`: whoever is
# signed in, and no key. `anybody`: everybody.
ACCESS: Final = """
    GET    /api/alert-channels                                     manage
    POST   /api/alert-channels                                     manage
    DELETE /api/alert-channels/{channel}                           manage
    GET    /api/alert-channels/{channel}                           manage
    PATCH  /api/alert-channels/{channel}                           manage
    POST   /api/alert-channels/{channel}/test                      manage
    GET    /api/alerts                                             manage
    GET    /api/alerts/deliveries                                  manage
    GET    /api/alerts/deliveries/{delivery_id}                    manage
    POST   /api/alerts/deliveries/{delivery_id}/redeliver          manage
    GET    /api/alerts/rules                                       manage
    PATCH  /api/alerts/rules                                       manage
    GET    /api/api-keys                                           read manage
    POST   /api/api-keys                                           inference manage
    DELETE /api/api-keys/{key_id}                                  inference manage
    GET    /api/api-keys/{key_id}                                  read manage
    PATCH  /api/api-keys/{key_id}                                  inference manage
    POST   /api/api-keys/{key_id}/rotate                           inference manage
    GET    /api/audit-log                                          team
    GET    /api/books                                              read manage
    PATCH  /api/books                                              manage
    GET    /api/cache/{entry_id}                                   read
    DELETE /api/caches                                             manage
    POST   /api/caches                                             read
    DELETE /api/caches/bulk                                        manage
    POST   /api/caches/summary                                     read
    GET    /api/credentials                                        read
    POST   /api/credentials                                        manage
    POST   /api/credentials/test                                   manage
    DELETE /api/credentials/{credential:path}                      manage
    GET    /api/credentials/{credential:path}                      read
    PATCH  /api/credentials/{credential:path}                      manage
    PUT    /api/credentials/{credential:path}                      manage
    POST   /api/credentials/{credential:path}/home                 manage
    POST   /api/credentials/{credential:path}/test                 manage
    POST   /api/credit-transactions                                manage
    GET    /api/credit-transactions/balance                        read manage
    GET    /api/credit-transactions/list                           read manage
    GET    /api/credit-transactions/{entry_id}                     read manage
    GET    /api/dashboard                                          own_logs read
    POST   /api/dashboard/cache-hit-metrics                        own_logs read
    POST   /api/dashboard/cache-hit-metrics/summary                own_logs read
    POST   /api/dashboard/cache-hit-metrics/total-summary          own_logs read
    POST   /api/dashboard/eval-results                             own_logs read
    POST   /api/dashboard/eval-results/summary                     own_logs read
    POST   /api/dashboard/llm-metrics                              own_logs read
    POST   /api/dashboard/llm-metrics/summary                      own_logs read
    POST   /api/dashboard/quantiles                                own_logs read
    POST   /api/dashboard/quantiles/summary                        own_logs read
    GET    /api/dashboard/storage-volume                           own_logs read
    POST   /api/dashboard/storage-volume                           own_logs read
    GET    /api/dashboard/storage-volume/summary                   own_logs read
    POST   /api/dashboard/storage-volume/summary                   own_logs read
    POST   /api/dashboard/time-series/breakdown                    own_logs read
    GET    /api/dashboard/top-{what}                               own_logs read
    POST   /api/dashboard/top-{what}                               own_logs read
    POST   /api/dashboard/total-users                              own_logs read
    POST   /api/dashboard/users                                    own_logs read
    GET    /api/erasures                                           manage
    POST   /api/erasures                                           manage
    GET    /api/erasures/{erasure_id}                              manage
    GET    /api/health-check                                       anybody
    GET    /api/health/deployments                                 read
    POST   /api/health/deployments/reset                           manage
    GET    /api/invitations                                        team
    POST   /api/invitations                                        team
    DELETE /api/invitations/{invitation_id}                        team
    GET    /api/limits                                             read manage
    POST   /api/limits                                             manage
    DELETE /api/limits/{limit_id}                                  manage
    GET    /api/limits/{limit_id}                                  read manage
    PATCH  /api/limits/{limit_id}                                  manage
    GET    /api/load-balance-groups                                read
    POST   /api/load-balance-groups                                manage
    DELETE /api/load-balance-groups/{group_id}                     manage
    GET    /api/load-balance-groups/{group_id}                     read
    PATCH  /api/load-balance-groups/{group_id}                     manage
    GET    /api/log_threads                                        own_logs read
    POST   /api/log_threads                                        own_logs read
    GET    /api/log_threads/{thread_identifier:path}               own_logs read
    GET    /api/members                                            team
    DELETE /api/members/{person_id}                                team
    PATCH  /api/members/{person_id}                                team
    POST   /api/models                                             manage
    POST   /api/models/list                                        read
    GET    /api/models/public                                      anybody
    POST   /api/models/summary                                     read
    DELETE /api/models/{model_name:path}                           manage
    GET    /api/models/{model_name:path}                           read
    PATCH  /api/models/{model_name:path}                           manage
    PUT    /api/models/{model_name:path}                           manage
    GET    /api/openapi.json                                       anybody
    GET    /api/organizations                                      person
    POST   /api/organizations                                      person
    PATCH  /api/organizations/current                              team
    GET    /api/people/me                                          person
    PATCH  /api/people/me                                          person
    POST   /api/people/me/password                                 person
    GET    /api/people/me/sessions                                 person
    DELETE /api/people/me/sessions/{session_id}                    person
    GET    /api/platform-stats                                     own_logs read
    POST   /api/playground/keys                                    inference
    GET    /api/prices                                             read
    DELETE /api/prices/own                                         manage
    GET    /api/prices/own                                         read
    PUT    /api/prices/own                                         manage
    GET    /api/providers                                          read
    POST   /api/providers                                          manage
    GET    /api/providers/catalogue                                read
    DELETE /api/providers/{provider_id}                            manage
    GET    /api/providers/{provider_id}                            read
    PATCH  /api/providers/{provider_id}                            manage
    PUT    /api/providers/{provider_id}                            manage
    POST   /api/request-logs                                       inference ingest key
    PATCH  /api/request-logs/batch-update                          own_logs ingest
    POST   /api/request-logs/batch/create                          inference ingest key
    POST   /api/request-logs/bulk                                  inference ingest key
    POST   /api/request-logs/create                                inference ingest key
    GET    /api/request-logs/export                                own_logs read
    POST   /api/request-logs/export                                own_logs read
    GET    /api/request-logs/groups                                own_logs read
    POST   /api/request-logs/groups                                own_logs read
    GET    /api/request-logs/list                                  own_logs read
    POST   /api/request-logs/list                                  own_logs read
    GET    /api/request-logs/summary                               own_logs read
    POST   /api/request-logs/summary                               own_logs read
    GET    /api/request-logs/tail                                  own_logs read
    DELETE /api/request-logs/{log_id}                              manage
    GET    /api/request-logs/{log_id}                              own_logs read
    PATCH  /api/request-logs/{log_id}                              own_logs ingest
    GET    /api/retention                                          read manage
    PATCH  /api/retention                                          manage
    GET    /api/routing                                            read
    PATCH  /api/routing                                            manage
    PUT    /api/routing                                            manage
    POST   /api/routing/rollback                                   manage
    GET    /api/routing/versions                                   read
    GET    /api/routing/versions/{version}/diff                    read
    GET    /api/routing/versions/{version}                         read
    GET    /api/saved-views                                        read
    POST   /api/saved-views                                        read
    DELETE /api/saved-views/{view_id}                              read
    PATCH  /api/saved-views/{view_id}                              read
    DELETE /api/session                                            person
    GET    /api/session                                            anybody
    PATCH  /api/session                                            person
    POST   /api/session                                            anybody
    POST   /api/session/claim                                      anybody
    GET    /api/session/invitation                                 anybody
    POST   /api/session/invitation                                 anybody
    GET    /api/session/oidc/{provider}/callback                   anybody
    GET    /api/session/oidc/{provider}/start                      anybody
    POST   /api/session/reset                                      anybody
    POST   /api/session/sign-up                                    anybody
    GET    /api/system                                             read
    GET    /api/system/details                                     manage
    GET    /api/system/exports                                     manage
    GET    /api/temporary-keys                                     read manage
    POST   /api/temporary-keys                                     manage
    DELETE /api/temporary-keys/{key_id}                            manage
    GET    /api/temporary-keys/{key_id}                            read manage
    PATCH  /api/temporary-keys/{key_id}                            manage
    POST   /api/temporary-keys/{key_id}/rotate                     manage
    POST   /api/traces/bulk                                        manage
    POST   /api/traces/ingest                                      inference ingest key
    GET    /api/traces/list                                        own_logs read
    POST   /api/traces/list                                        own_logs read
    GET    /api/traces/summary                                     own_logs read
    POST   /api/traces/summary                                     own_logs read
    DELETE /api/traces/{trace_id:path}                             manage
    GET    /api/traces/{trace_id:path}                             own_logs read
    PATCH  /api/traces/{trace_id:path}                             manage
    GET    /api/users                                              read
    POST   /api/users                                              manage
    GET    /api/users/list                                         read
    POST   /api/users/list                                         read
    DELETE /api/users/{customer_identifier:path}                   manage
    GET    /api/users/{customer_identifier:path}                   read
    PATCH  /api/users/{customer_identifier:path}                   manage
    POST   /api/v1/traces/ingest                                   inference ingest key
    POST   /api/v2/traces                                          inference ingest key
    GET    /ui                                                     anybody
    GET    /ui/{page:path}                                         anybody
"""

SAFE: Final = ("GET", "HEAD")


class Row(Struct, frozen=True):
    method: str
    path: str
    needs: tuple[str, ...]

    def lets(self, role: Role | None, key: Scope | None) -> bool:
        """Say whether somebody signed in by a role, or a key with these scopes, or nobody passes."""
        match self.needs:
            case ("anybody",):
                return True
            case ("person",):
                return role is not None
            case (*names, "key"):
                return key is not None and any(SCOPE_NAMES[name] in key for name in names)
            case names:
                scopes = SCOPES[role] if role is not None else key or Scope(0)
                return any(SCOPE_NAMES[name] in scopes for name in names)


def rows() -> Iterator[Row]:
    for line in ACCESS.strip().splitlines():
        method, path, *needs = line.split()
        yield Row(method, path, tuple(needs))


def guarded_routes() -> Iterator[GuardedRoute]:
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, GuardedRoute)
            yield route


@pytest.fixture
def people(control: ControlStore, keyring: Keyring, keys: Keys) -> dict[Role, Person]:
    """A person of each role, with a session."""
    return {role: sign_in(control, keyring, keys.organization_id, role) for role in Role}


@pytest.fixture
def gates(state: ConsoleState, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """The console with its gates, and nothing behind them."""

    async def reached() -> dict[str, bool]:
        return {"reached": True}

    hollow = guarded_router("gates")
    for route in guarded_routes():
        hollow.add_api_route(route.path, reached, methods=list(route.methods or ()), dependencies=route.dependencies)
    monkeypatch.setattr("gantry.console.app.ROUTERS", (hollow,))
    with TestClient(create_app(state)) as client:
        yield client


def passes(client: TestClient, row: Row, headers: dict[str, str]) -> bool:
    answer = client.request(row.method, row.path, headers=headers)
    assert answer.status_code in (200, 401, 403), (row, answer.text)
    return answer.status_code == 200


def test_the_table_names_every_route_and_no_other() -> None:
    routes = {(method, route.path) for route in guarded_routes() for method in route.methods or ()}
    assert {(row.method, row.path) for row in rows()} == routes


def test_nobody(gates: TestClient) -> None:
    assert {row: passes(gates, row, {}) for row in rows()} == {row: row.lets(None, None) for row in rows()}


@pytest.mark.parametrize("role", Role)
def test_people(gates: TestClient, people: dict[Role, Person], role: Role) -> None:
    person = people[role]
    headers = {"cookie": person.cookie, CSRF_HEADER: person.csrf}
    assert {row: passes(gates, row, headers) for row in rows()} == {row: row.lets(role, None) for row in rows()}


@pytest.mark.parametrize("scope", Scope)
def test_keys(gates: TestClient, keys: Keys, scope: Scope) -> None:
    _, secret = keys.add(scope)
    assert {row: passes(gates, row, bearer(secret)) for row in rows()} == {row: row.lets(None, scope) for row in rows()}


def test_without_its_token_a_session_changes_nothing(gates: TestClient, people: dict[Role, Person]) -> None:
    owner, other = people[Role.OWNER], people[Role.ADMIN]
    for row in rows():
        if row.method in SAFE or row.needs == ("anybody",):
            continue
        for wrong in ({}, {CSRF_HEADER: other.csrf}):
            assert not passes(gates, row, {"cookie": owner.cookie, **wrong}), row
        forged = {"cookie": owner.cookie, CSRF_HEADER: owner.csrf, "origin": "https://evil.example"}
        assert not passes(gates, row, forged), row


def test_nobody_gives_more_than_they_have() -> None:
    for giver in Role:
        for role in Role:
            if may_give(giver, role):
                assert SCOPES[role] in SCOPES[giver]
    assert not may_give(Role.ADMIN, Role.OWNER)
    assert all(may_give(Role.OWNER, role) for role in Role)

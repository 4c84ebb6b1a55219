"""The node over HTTP: health for readers, details for the operator, as `gantry status` has them."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from fastapi.testclient import TestClient

from gantry import __version__
from gantry.board.board import CLERK_SLOT, CONSOLE_SLOT, FIRST_WORKER_SLOT, SUPERVISOR_SLOT, Board, Word
from gantry.console.app import create_app
from gantry.console.node_status import read_status
from gantry.console.otlp_target import OtlpTarget, target_of
from gantry.core.log_item import iso_of
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home, Keyring
from gantry.store.control import ControlStore
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.logs import LogStore
from gantry.store.organizations import add_organization
from tests.cli.test_status import occupy
from tests.console.conftest import NOW, SECOND, Keys, bearer, state_of
from tests.console.shaped_client import ShapedClient
from tests.postgresql import IS_CHOSEN


def test_readers_see_whether_all_is_well(client: TestClient, home: Home, keys: Keys) -> None:
    headers = bearer(keys.add(Scope.READ)[1])
    assert client.get("/api/system/", headers=headers).json()["running"] is False
    board = Board(home.board)
    occupy(board, SUPERVISOR_SLOT, {})
    occupy(board, CLERK_SLOT, {Word.LAG: 5})
    occupy(board, FIRST_WORKER_SLOT, {Word.SNAPSHOT_VERSION: 7, Word.IN_FLIGHT: 3})
    occupy(board, FIRST_WORKER_SLOT + 1, {Word.SNAPSHOT_VERSION: 6, Word.IN_FLIGHT: 1})
    told = client.get("/api/system/", headers=headers).json()
    assert (told["running"], told["workers"], told["workers_ready"], told["calls_under_way"]) == (True, 2, 2, 4)
    assert (told["clerk"], told["clerk_lag"], told["snapshot_live_version"]) == ("ready", 5, 6)
    assert (told["version"], told["journal_level"]) == (__version__, "normal")
    assert str(os.getpid()) not in str(told)
    assert str(home.path) not in str(told)


def test_the_operator_sees_what_the_command_shows(client: TestClient, home: Home, keys: Keys, logs: LogStore) -> None:
    board = Board(home.board)
    for slot in (SUPERVISOR_SLOT, CLERK_SLOT, CONSOLE_SLOT, FIRST_WORKER_SLOT):
        occupy(board, slot, {Word.LAG: 1})
    answer = client.get("/api/system/details", headers=bearer(keys.add(Scope.MANAGE)[1]))
    assert answer.status_code == 200, answer.text
    told = answer.json()
    command = msgspec.to_builtins(read_status(home, {}))
    for both in (told["node"], command):
        for process in (both["supervisor"], both["clerk"], both["console"], *both["workers"]):
            del process["uptime_seconds"]
            assert process.pop("rss_bytes", None) is None or process["pid"] == os.getpid()
    assert told["node"] == command
    assert told["versions"]["python"] == platform.python_version()
    assert told["databases"]["control"]["size_bytes"] > 0
    assert told["databases"]["logs"]["engine"] == ("postgresql" if IS_CHOSEN else "sqlite")


def test_it_is_not_for_other_organizations(client: TestClient, home: Home, keyring: Keyring, keys: Keys) -> None:
    later = ControlStore(home.control_db, clock=lambda: NOW + SECOND)
    with later as control, control.changing() as change:
        tenant = add_organization(change, "tenant").id
        policy = KeyPolicy(scopes=DEFAULT_SCOPES | Scope.READ | Scope.MANAGE)
        theirs = bearer(add_key(change, tenant, "theirs", policy, keyring.pepper)[1])
    assert client.get("/api/system/", headers=theirs).status_code == 200
    assert client.get("/api/system/details", headers=theirs).status_code == 403
    assert client.get("/api/system/exports", headers=theirs).status_code == 403
    assert client.get("/api/system/", headers=bearer(keys.add(DEFAULT_SCOPES)[1])).status_code == 403


def test_the_operator_sees_where_spans_go_and_how_far_they_are(home: Home, keyring: Keyring, keys: Keys) -> None:
    headers = bearer(keys.add(Scope.MANAGE)[1])
    board = Board(home.board)

    def told(endpoint: str | None, given: str = "", *, content: bool = False) -> dict[str, Any]:
        target = target_of(endpoint, Secret(given), content=content)
        with exporting_to(target, home, keyring, board) as client:
            answer = client.get("/api/system/exports", headers=headers)
        assert answer.status_code == 200, answer.text
        assert "canary" not in answer.text
        spans: dict[str, Any] = answer.json()["spans"]
        return spans

    assert told(None)["state"] == "off"
    where = "http://collector.test:4318"
    stopped = told(f"{where}?token=canary", "x-key=canary,authorization=canary", content=True)
    assert (stopped["state"], stopped["endpoint"], stopped["content"]) == ("stopped", f"{where}/", True)
    assert (stopped["headers"], stopped["lag"]) == (["x-key", "authorization"], None)
    unusable = told("collector.test:4318")
    assert unusable["state"] == "unusable"
    assert "http" in unusable["problem"]
    assert told(where, "host=canary")["problem"].startswith("otlp_headers cannot set host")
    occupy(board, CLERK_SLOT, {Word.EXPORT_LAG: 7})
    assert (told(where)["state"], told(where)["lag"], told(where)["last_success_at"]) == ("waiting", 7, None)
    occupy(board, CLERK_SLOT, {Word.EXPORTED_AT: NOW, Word.LOGS_EXPORTED: 12, Word.EXPORTS_DROPPED: 1})
    going = told(where)
    assert (going["state"], going["exported"], going["dropped"]) == ("going", 12, 1)
    assert going["last_success_at"] == iso_of(NOW)
    occupy(board, CLERK_SLOT, {Word.EXPORTS_FAILED: 3, Word.EXPORT_FAULTS: 5})
    failing = told(where)
    assert (failing["state"], failing["failures_in_a_row"], failing["faults"]) == ("failing", 3, 5)


@contextmanager
def exporting_to(target: OtlpTarget | None, home: Home, keyring: Keyring, board: Board) -> Iterator[ShapedClient]:
    state = state_of(home, keyring, board=board, spans_to=target)
    with ShapedClient(create_app(state)) as client:
        yield client
    state.close()

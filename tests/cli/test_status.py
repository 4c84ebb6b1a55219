"""`gantry status` over homes in known states."""

import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gantry.board.board import CLERK_SLOT, CONSOLE_SLOT, FIRST_WORKER_SLOT, SUPERVISOR_SLOT, Board, State, Word
from gantry.cli.main import gantry
from gantry.console import node_status as status_module
from gantry.console.node_status import read_status
from gantry.home import Home, load_keyring
from gantry.routing.snapshot import Body, build_key_table, seal_table, write_snapshot

NO_SUCH_PID = 2**22 + 1  # beyond the largest pid of Linux


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def occupy(board: Board, index: int, words: Mapping[Word, int], pid: int | None = None) -> None:
    slot = board.slot(index)
    slot.claim(pid or os.getpid(), time.time_ns())
    slot[Word.STATE] = State.READY
    slot[Word.HEARTBEAT] = time.time_ns() + 60_000_000_000  # a clerk that has just looked
    for word, value in words.items():
        slot[word] = value


def publish(home: Home, version: int) -> None:
    sealer = load_keyring(home, create=True).snapshot
    body = Body(version, time.time_ns() - 90_000_000_000, secrets.token_hex(4), (), (), {})
    home.snapshot.write_bytes(write_snapshot(body, seal_table(build_key_table([]), sealer), [], sealer))


def status_json(home: Home) -> dict[str, Any]:
    result = CliRunner().invoke(gantry, ["status", "--home", str(home.path), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.output)
    return found


def test_a_running_node(home: Home) -> None:
    board = Board(home.board)
    occupy(board, SUPERVISOR_SLOT, {Word.RESTARTS: 2})
    occupy(board, CLERK_SLOT, {Word.LAG: 5, Word.RECORDS: 40})
    occupy(board, CONSOLE_SLOT, {})
    occupy(board, FIRST_WORKER_SLOT, {Word.SNAPSHOT_VERSION: 7, Word.REQUESTS: 3, Word.JOURNAL_LEVEL: 1})
    occupy(board, FIRST_WORKER_SLOT + 1, {Word.SNAPSHOT_VERSION: 6})
    publish(home, 7)

    found = status_json(home)

    pid = os.getpid()
    assert found["running"] is True
    assert found["supervisor"]["pid"] == pid
    assert found["supervisor"]["restarts"] == 2
    assert [worker["pid"] for worker in found["workers"]] == [pid, pid]
    assert found["workers"][0]["requests"] == 3
    assert (found["clerk"]["pid"], found["clerk"]["lag"], found["clerk"]["records"]) == (pid, 5, 40)
    assert found["console"]["pid"] == pid
    assert (found["snapshot"]["version"], found["snapshot"]["live_version"]) == (7, 6)
    assert found["snapshot"]["age_seconds"] >= 90
    assert found["journal"] == {"level": "no_bodies", "bytes": 0, "incarnations": 0}


def test_a_home_that_was_never_used(tmp_path: Path) -> None:
    found = status_json(Home(tmp_path / "nothing"))
    assert found["running"] is False
    assert found["supervisor"]["pid"] is found["clerk"]["pid"] is found["clerk"]["lag"] is None
    assert found["workers"] == []
    assert not (tmp_path / "nothing").exists()


def test_processes_that_were_killed_are_not_shown_as_running(home: Home) -> None:
    board = Board(home.board)
    for index in (SUPERVISOR_SLOT, CLERK_SLOT, CONSOLE_SLOT, FIRST_WORKER_SLOT):
        occupy(board, index, {}, pid=NO_SUCH_PID)
    status = read_status(home)
    assert not status.running
    assert status.workers == []
    assert status.clerk.pid is status.console.pid is None


def test_the_lag_is_unknown_while_the_clerk_has_not_counted(home: Home) -> None:
    board = Board(home.board)
    occupy(board, CLERK_SLOT, {Word.STATE: State.STARTING, Word.LAG: 0})
    assert read_status(home).clerk.lag is None


def test_no_lag_is_claimed_from_an_old_count(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_module, "_FRESH_LAG_SECONDS", 0.0)
    board = Board(home.board)
    occupy(board, CLERK_SLOT, {Word.HEARTBEAT: 1, Word.LAG: 0})
    assert read_status(home).clerk.lag is None
    board.slot(CLERK_SLOT)[Word.LAG] = 8
    assert read_status(home).clerk.lag == 8


def test_a_snapshot_of_another_key_is_a_problem_and_not_a_crash(home: Home) -> None:
    publish(home, 1)
    home.master_key.write_text(secrets.token_hex(32))
    snapshot = read_status(home).snapshot
    assert snapshot.version is None
    assert "master key" in str(snapshot.problem)


def test_people_are_told_in_words(home: Home) -> None:
    publish(home, 3)
    result = CliRunner().invoke(gantry, ["status", "--home", str(home.path)])
    assert "not running; start it with `gantry serve`" in result.output
    assert "version 3" in result.output

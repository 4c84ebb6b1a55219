"""When a change is live: every worker that takes calls has acknowledged it, or it is said plainly."""

import os
import time
from pathlib import Path

import pytest

from gantry.board.board import CLERK_SLOT, FIRST_WORKER_SLOT, SUPERVISOR_SLOT, Board, State, Word
from gantry.cli.live import await_clerk, wait_until_live
from gantry.home import Home

NO_SUCH_PID = 2**22 + 1  # beyond the largest pid of Linux


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.prepare()
    return home


def _worker(board: Board, number: int, version: int, *, pid: int | None = None, state: State = State.READY) -> None:
    slot = board.slot(FIRST_WORKER_SLOT + number)
    slot.claim(pid or os.getpid(), time.time_ns())
    slot[Word.SNAPSHOT_VERSION] = version
    slot[Word.STATE] = state


def _wait(home: Home, version: int, turns: int = 3) -> str:
    """Wait with a clock that each sleep moves by a second."""
    now = [0.0]

    def sleep(_seconds: float) -> None:
        now[0] += 1

    return wait_until_live(home, version, turns, clock=lambda: now[0], sleep=sleep)


def test_without_a_board_or_workers_it_is_live_at_the_next_start(home: Home) -> None:
    assert "it is live when `gantry serve` starts" in _wait(home, 5)
    Board(home.board)
    assert "it is live when `gantry serve` starts" in _wait(home, 5)


def test_all_workers_must_have_it(home: Home) -> None:
    board = Board(home.board)
    _worker(board, 0, 5)
    _worker(board, 1, 4)
    assert _wait(home, 5).startswith("NOT live yet: after 3 s, 1 of 2 workers do not route by version 5 (pid")
    _worker(board, 1, 6)
    assert _wait(home, 5) == "Live: 2 of 2 workers route by version 5."


def test_who_is_dead_or_leaving_is_not_waited_for(home: Home) -> None:
    board = Board(home.board)
    _worker(board, 0, 5)
    _worker(board, 1, 1, pid=NO_SUCH_PID)
    _worker(board, 2, 1, state=State.DRAINING)
    assert _wait(home, 5) == "Live: 1 of 1 workers route by version 5."


def test_it_waits_until_the_last_one_has_it(home: Home) -> None:
    board = Board(home.board)
    _worker(board, 0, 4)
    turns = [0]

    def sleep(_seconds: float) -> None:
        turns[0] += 1
        if turns[0] == 2:
            board.slot(FIRST_WORKER_SLOT)[Word.SNAPSHOT_VERSION] = 5

    assert wait_until_live(home, 5, 10, clock=lambda: 0.0, sleep=sleep).startswith("Live: 1 of 1")
    assert turns == [2]


def _waited(home: Home, *, after: int = 99, claim: int = 0) -> int:
    """Wait for a clerk, for five turns at most; in the turn after so many, a slot is claimed. Return the turns."""
    turns = 0

    def sleep(_seconds: float) -> None:
        nonlocal turns
        turns += 1
        if turns == after:
            Board(home.board).slot(claim).claim(os.getpid(), time.time_ns())

    await_clerk(home, 5.0, clock=lambda: float(turns), sleep=sleep)
    return turns


def test_a_clerk_is_waited_for_where_a_supervisor_starts_one(home: Home) -> None:
    assert _waited(home) == 0, "no board"
    board = Board(home.board)
    assert _waited(home) == 0, "no supervisor"
    board.slot(SUPERVISOR_SLOT).claim(NO_SUCH_PID, time.time_ns())
    assert _waited(home) == 0, "a supervisor that was killed"
    board.slot(SUPERVISOR_SLOT).claim(os.getpid(), time.time_ns())
    assert _waited(home) == 5, "a clerk that does not come"
    board.slot(CLERK_SLOT).claim(NO_SUCH_PID, time.time_ns())
    assert _waited(home, after=2, claim=CLERK_SLOT) == 2, "one in the place of one that was killed"
    assert _waited(home) == 0, "one that runs"

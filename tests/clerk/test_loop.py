"""A loop of the clerk: when it goes on at once, when it waits, and how a fault ends."""

import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from gantry.board.board import CLERK_SLOT, Board, Slot, Word
from gantry.clerk.loop import LONGEST_PAUSE, PAUSE, keep_doing


class ScriptedStop:
    """Stops after a number of steps, and notes how long it was waited for."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self.waits: list[float] = []

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0

    def wait(self, timeout: float) -> bool:
        self.waits.append(timeout)
        return False


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Board(tmp_path / "board").slot(CLERK_SLOT)


def scripted(*results: bool | Exception) -> Callable[[], bool]:
    left = iter(results)

    def step() -> bool:
        result = next(left)
        if isinstance(result, Exception):
            raise result
        return result

    return step


def test_a_busy_step_is_followed_at_once_and_an_idle_one_after_a_pause(slot: Slot) -> None:
    stop = ScriptedStop(4)

    keep_doing("recording", scripted(True, True, False, True), stop, slot, Word.STORE_FAULTS)

    assert stop.waits == [PAUSE]
    assert slot[Word.STORE_FAULTS] == 0


def test_a_loop_may_rest_longer_than_it_waits_after_a_fault(slot: Slot) -> None:
    stop = ScriptedStop(3)

    keep_doing("recording", scripted(False, OSError("away"), False), stop, slot, Word.STORE_FAULTS, rest=0.7)

    assert stop.waits == [0.7, PAUSE, 0.7]


def test_faults_are_counted_waited_for_ever_longer_and_logged_once(
    slot: Slot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    faults = [OSError("the disk is away")] * 9
    stop = ScriptedStop(12)

    keep_doing("recording", scripted(*faults, True, OSError("again"), False), stop, slot, Word.STORE_FAULTS)

    waits = stop.waits
    assert waits[0] == PAUSE
    assert all(later == min(2 * earlier, LONGEST_PAUSE) for earlier, later in pairwise(waits[:9]))
    assert waits[9:] == [PAUSE, PAUSE], "a step that works makes the next fault a new one"
    assert slot[Word.STORE_FAULTS] == 10
    assert [record.getMessage() for record in caplog.records] == [
        "recording fails and will be tried again: the disk is away",
        "recording works again",
        "recording fails and will be tried again: again",
        "recording works again",
    ]


def test_a_loop_may_say_each_time_how_long_it_rests(slot: Slot) -> None:
    stop, rests = ScriptedStop(3), iter((0.2, 0.5, 0.2))

    keep_doing("recording", scripted(False, False, False), stop, slot, Word.STORE_FAULTS, rest=lambda: next(rests))

    assert stop.waits == [0.2, 0.5, 0.2]

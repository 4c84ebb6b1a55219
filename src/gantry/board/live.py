"""By which configuration do the workers of this machine route? Asked by whoever has just changed it."""

import os

from gantry.board.board import Board, Slot, State, Word


def routing_workers(board: Board) -> list[Slot]:
    """Return the slots of live workers that take new calls, and not of those that killed ones left behind."""
    return [slot for slot in board.workers() if _is_routing(slot)]


def behind(workers: list[Slot], version: int) -> list[Slot]:
    """Return those that do not route by a configuration version yet."""
    return [slot for slot in workers if slot[Word.SNAPSHOT_VERSION] < version]


def _is_routing(slot: Slot) -> bool:
    if slot[Word.STATE] == State.DRAINING:
        return False
    try:
        os.kill(slot[Word.PID], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

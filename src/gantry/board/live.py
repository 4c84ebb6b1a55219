"""By which configuration do the workers of this machine route? Asked by whoever has just changed it."""

import os

from gantry.board.board import CLERK_SLOT, SUPERVISOR_SLOT, Board, Slot, State, Word


def routing_workers(board: Board) -> list[Slot]:
    """Return the slots of live workers that take new calls, and not of those that killed ones left behind."""
    return [slot for slot in board.workers() if _is_routing(slot)]


def behind(workers: list[Slot], version: int) -> list[Slot]:
    """Return those that do not route by a configuration version yet."""
    return [slot for slot in workers if slot[Word.SNAPSHOT_VERSION] < version]


def is_clerk_due(board: Board) -> bool:
    """Say whether a supervisor runs whose clerk does not yet, or not again."""
    return _is_alive(board.slot(SUPERVISOR_SLOT)) and not _is_alive(board.slot(CLERK_SLOT))


def _is_routing(slot: Slot) -> bool:
    return slot[Word.STATE] != State.DRAINING and _is_alive(slot)


def _is_alive(slot: Slot) -> bool:
    if not slot[Word.PID]:
        return False  # to the system, 0 is all of this process's group
    try:
        os.kill(slot[Word.PID], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True

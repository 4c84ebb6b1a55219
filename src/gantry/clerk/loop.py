"""A loop of the clerk: one step again and again, until it is told to stop.

Law: no fault ends a loop, and no fault makes it spin. Recording and publishing each have a loop of their own, so that a
fault of one never stops the other.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from gantry.board.board import Slot, Word

PAUSE = 0.1  # seconds between two looks when there is nothing to do, and before the first try after a fault
LONGEST_PAUSE = 5.0  # seconds between two tries while something is broken

Rest = float | Callable[[], float]

logger = logging.getLogger(__name__)


class Stop(Protocol):
    """What ends a loop; a `threading.Event`."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float) -> bool: ...


def keep_doing(
    name: str,
    step: Callable[[], bool],
    stop: Stop,
    slot: Slot,
    faults: Word,
    *,
    rest: Rest = PAUSE,
) -> None:
    """Call `step` until `stop`: at once again while it returns True, and ever more slowly while it raises.

    `rest` is for how long it waits, in seconds, when there is nothing to do at once, or says it each time.
    """
    pause = PAUSE
    failing = False
    while not stop.is_set():
        try:
            busy = step()
        except Exception as error:  # the boundary of the loop
            slot.add(faults)
            if not failing:
                logger.error("%s fails and will be tried again: %s", name, error, exc_info=error)
            failing = True
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            continue
        if failing:
            logger.info("%s works again", name)
        pause, failing = PAUSE, False
        if not busy:
            stop.wait(rest() if callable(rest) else rest)

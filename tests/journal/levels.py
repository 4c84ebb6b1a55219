"""A journal that is at a level and stays there, as on a disk with so little room.

A level that is only written into it holds until it measures itself again, twice a second.
"""

import threading
from pathlib import Path

from gantry.journal.writer import JournalLevel, JournalWriter

_SECONDS = 60
# How much room there is beside what is used, so that 10, 80, 95 and 100 % of both are used.
_FREE = {
    JournalLevel.NORMAL: 9.0,
    JournalLevel.NO_BODIES: 1 / 4,
    JournalLevel.MONEY_ONLY: 1 / 19,
    JournalLevel.FULL: 0.0,
}


def hold_at(journal: JournalWriter, level: JournalLevel) -> None:
    """Bring a journal to a level for good."""
    asked = threading.Event()

    def room(_: Path) -> int:
        if threading.current_thread() is journal._syncing:
            asked.set()
        return int(journal.used * _FREE[level])

    journal._free = room
    journal._wake.set()
    assert asked.wait(_SECONDS), "the journal's thread is to be done with measuring the disk as it was"
    journal.refresh_level()
    assert journal.level is level

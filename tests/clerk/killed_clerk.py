"""A recorder that kills its own process with SIGKILL at one point: `killed_clerk.py HOME POINT OCCURRENCE`.

POINT is part of an SQL statement, before whose execution the process dies, or one of `advance`, `advanced`, `removed`:
around the steps in the journal that follow a commit. Ends with status 0 when the point was never reached.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import Pool, event

from gantry.board.board import CLERK_SLOT, Board
from gantry.clerk import record
from gantry.clerk.record import Recorder
from gantry.journal.reader import JournalReader, Reading
from gantry.store.logs import LogStore
from tests.clerk.samples import PlainMeter


class Death:
    """Comes when a point was met often enough."""

    def __init__(self, point: str, occurrence: int) -> None:
        self._point = point
        self._left = occurrence

    def meet(self, where: str) -> None:
        if self._point in where:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def on_connect(self, connection: Any, _record: object) -> None:
        connection.set_trace_callback(self.meet)


class MortalReader(JournalReader):
    """A reader whose steps after a commit are points too."""

    death: Death

    def advance(self, reading: Reading) -> None:
        self.death.meet("advance")
        super().advance(reading)
        self.death.meet("advanced")

    def remove(self) -> None:
        super().remove()
        self.death.meet("removed")


def main(home: Path, point: str, occurrence: int) -> None:
    LogStore(home / "logs.db").close()  # making the tables is nobody's death
    MortalReader.death = Death(point, occurrence)
    event.listen(Pool, "connect", MortalReader.death.on_connect)
    slot = Board(home / "board").slot(CLERK_SLOT)
    store = LogStore(home / "logs.db")
    recorder = Recorder(home / "journal", home / "rejected", store, PlainMeter(), slot, max_frames=50)
    with patch.object(record, "JournalReader", MortalReader):
        while recorder.run_once():
            pass


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

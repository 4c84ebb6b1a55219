"""A recorder that kills its own process with SIGKILL at one point: `killed_clerk.py HOME POINT OCCURRENCE [LOGS_URL]`.

With a LOGS_URL, logs go to ClickHouse, and `sending` and `sent` are points around that.

POINT is part of an SQL statement, before whose execution the process dies, or one of `advance`, `advanced`, `removed`:
around the steps in the journal that follow a commit; or `correct`, `corrected`: around a step on the board. Ends with
status 0 when the point was never reached.
"""

import os
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import Pool, event

from gantry.board.board import CLERK_SLOT, Board
from gantry.board.counters import Counters
from gantry.clerk import record
from gantry.clerk.correct import Corrections
from gantry.clerk.record import Recorder
from gantry.core.limits import Counted
from gantry.journal.reader import JournalReader, Reading
from gantry.store.database import Apart
from gantry.store.logs import LogStore
from tests.clerk.samples import PlainMeter
from tests.postgresql import homes_of_the_run, tell_statements


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
        tell_statements(connection, self.meet)


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


class MortalCounters(Counters):
    """A board whose corrections are points too."""

    death: Death

    def correct(self, counted: Counted, amount: int, now: int) -> bool:
        self.death.meet("correct")
        found = super().correct(counted, amount, now)
        self.death.meet("corrected")
        return found


def die_around_sending(death: Death) -> None:
    """Make the steps around what ClickHouse is sent points too."""
    client: Any = import_module("gantry.store.clickhouse.client").Client
    insert = client.insert

    def mortal(self: Any, rows: Any) -> None:
        death.meet("sending")
        insert(self, rows)
        death.meet("sent")

    client.insert = mortal


def main(home: Path, point: str, occurrence: int, logs_url: str | None) -> None:
    address = home / "logs.db" if logs_url is None else Apart(home / "logs.db", logs_url)
    LogStore(address).close()  # making the tables is nobody's death
    MortalReader.death = MortalCounters.death = Death(point, occurrence)
    event.listen(Pool, "connect", MortalReader.death.on_connect)
    if logs_url is not None:
        die_around_sending(MortalReader.death)
    slot = Board(home / "board").slot(CLERK_SLOT)
    store = LogStore(address)
    counters = MortalCounters(home / "counters")
    recorder = Recorder(
        home / "journal",
        home / "rejected",
        store,
        PlainMeter(),
        slot,
        max_frames=50,
        corrections=Corrections(home / "corrected", counters, store, time.time_ns),
    )
    with patch.object(record, "JournalReader", MortalReader):
        while recorder.run_once():
            pass


if __name__ == "__main__":
    with homes_of_the_run():
        main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] if len(sys.argv) > 4 else None)

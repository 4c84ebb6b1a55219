"""A move that kills its own process with SIGKILL at a step: `killed_move.py HOME URL STEP`; 0 if it was not reached."""

import os
import signal
import sys
from pathlib import Path

from gantry.home import Home
from gantry.keeping.moving import Move
from gantry.store.move_source import MoveSource
from gantry.store.move_target import PostgresTarget


def main(home: Home, address: str, step: str) -> None:
    def meet(where: str) -> None:
        if where == step:
            os.kill(os.getpid(), signal.SIGKILL)

    source = MoveSource(home.control_db, home.logs_db)
    move = Move(source, PostgresTarget(address, source.begin()), meet)
    move.follow()
    move.settle()


if __name__ == "__main__":
    main(Home(Path(sys.argv[1])), sys.argv[2], sys.argv[3])

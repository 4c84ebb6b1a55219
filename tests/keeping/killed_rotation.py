"""A rotation that kills its own process with SIGKILL after one step: `killed_rotation.py HOME STEP`.

STEP is one that `Rotation` tells of, or part of an SQL statement before whose execution the process dies. Ends with
status 0 when it was never reached.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Pool, event

from gantry.home import Home, load_keyring
from gantry.keeping.rotation import Rotation
from gantry.store.control import ControlStore
from tests.keeping.sealed_home import publish
from tests.postgresql import homes_of_the_run, tell_statements


def main(home: Home, step: str) -> None:
    environment_key = os.environ.get("GANTRY_MASTER_KEY")

    def meet(where: str) -> None:
        if step in where:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_checkout(connection: Any, *_: object) -> None:
        tell_statements(connection, meet)

    keyring = load_keyring(home, environment_key)
    with ControlStore(home.control_db) as control:
        event.listen(Pool, "checkout", on_checkout)  # one may be open already
        Rotation(home, environment_key, meet).run(control, lambda _: publish(home, keyring, control))


if __name__ == "__main__":
    with homes_of_the_run():
        main(Home(Path(sys.argv[1])), sys.argv[2])

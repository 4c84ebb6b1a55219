"""`python -m gantry.console --home DIR --lifeline FD`: started by the supervisor, not by people."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

import uvloop

from gantry.console.process import run_console, stand_back
from gantry.home import Home, HomeError
from gantry.settings import SettingsError

logger = logging.getLogger("gantry.console")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gantry.console", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--lifeline", type=int, required=True, help="a pipe whose end-of-file means: leave")
    options = parser.parse_args()
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s console[%(process)d] %(message)s"
    )
    stand_back()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run_console(Home(options.home), options.lifeline, os.environ))
    except (HomeError, SettingsError) as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

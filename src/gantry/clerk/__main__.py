"""`python -m gantry.clerk --home DIR --lifeline FD`: started by the supervisor, not by people."""

import argparse
import logging
import os
import sys
from pathlib import Path

from gantry.clerk.process import run_clerk
from gantry.home import Home, HomeError
from gantry.settings import SettingsError
from gantry.store.schema import SchemaTooNew

logger = logging.getLogger("gantry.clerk")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m gantry.clerk", description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--lifeline", type=int, required=True, help="a pipe whose end-of-file means: leave")
    options = parser.parse_args()
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s clerk[%(process)d] %(message)s",
    )
    try:
        run_clerk(Home(options.home), options.lifeline, os.environ)
    except (HomeError, SettingsError) as error:
        logger.error("%s", error)
        return 1
    except SchemaTooNew as error:
        logger.error("%s", error)
        return os.EX_CONFIG  # which the supervisor knows: to start again mends nothing
    return 0


if __name__ == "__main__":
    sys.exit(main())

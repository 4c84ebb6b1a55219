"""`python -m gantry.gateway`: one worker, started by the supervisor.

The listening socket and the lifeline come as inherited file descriptors, the settings as JSON in the environment.
"""

import gc
import logging
import os
import socket
import sys
from pathlib import Path

import msgspec
import uvloop

from gantry.core.secret import Secret
from gantry.gateway.worker import Worker, WorkerSettings
from gantry.home import Home, load_keyring

SETTINGS_VARIABLE = "GANTRY_WORKER_SETTINGS"
REDIS_VARIABLE = "GANTRY_WORKER_REDIS"


def main(arguments: list[str]) -> None:
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    logging.basicConfig(
        stream=sys.stderr,
        level=options.get("--log-level", "INFO").upper(),
        format="%(asctime)s %(levelname)s gateway[%(process)d] %(message)s",
    )
    home = Home(Path(options["--home"]))
    lifeline = options.get("--lifeline")
    redis_url = os.environ.get(REDIS_VARIABLE)
    worker = Worker(
        home,
        load_keyring(home, os.environ.get("GANTRY_MASTER_KEY")),
        msgspec.json.decode(os.environ.get(SETTINGS_VARIABLE, "{}"), type=WorkerSettings),
        socket.socket(fileno=int(options["--listen-fd"])),
        int(options["--slot"]),
        int(lifeline) if lifeline is not None else None,
        None if redis_url is None else Secret(redis_url),
    )
    # Calls hold no cycles, so the collector would only walk what lives on anyway, in the middle of somebody's answer.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    uvloop.run(worker.run())


if __name__ == "__main__":
    main(sys.argv[1:])

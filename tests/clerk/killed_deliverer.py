"""A deliverer that kills its own process with SIGKILL at one point: `killed_deliverer.py HOME POINT NOW`.

POINT is part of an SQL statement, before whose execution the process dies. Ends with status 0 when all is delivered
and the point was never reached.
"""

import asyncio
import ssl
import sys
from pathlib import Path

from sqlalchemy import Pool, event

from gantry.clerk.alert_book import AlertBook
from gantry.clerk.courier import Courier
from gantry.clerk.deliver import Deliverer
from gantry.dial.origin import ProxyRules
from gantry.dial.pool import Dialler, PoolLimits
from gantry.home import Home, load_keyring
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from gantry.store.vault import Vault
from tests.clerk.killed_clerk import Death
from tests.postgresql import homes_of_the_run


def main(home: Home, point: str, now: int) -> None:
    ControlStore(home.control_db).close()
    LogStore(home.logs_db).close()
    event.listen(Pool, "connect", Death(point, 1).on_connect)
    keyring = load_keyring(home)
    logs, loop = LogStore(home.logs_db), asyncio.new_event_loop()
    book = AlertBook(home, keyring, home.control_db)
    dialler = Dialler(loop, tls=ssl.create_default_context(), proxies=ProxyRules(), limits=PoolLimits())
    courier = Courier(book, Vault(keyring.vault), {}, dialler, None, logs.find, lambda: now)
    deliverer = Deliverer(book, logs, courier, loop, clock=lambda: now)
    while deliverer.step():
        pass


if __name__ == "__main__":
    with homes_of_the_run():
        main(Home(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3]))

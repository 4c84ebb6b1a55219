"""The loop that tells: it delivers what is due, and looks for what no batch tells. Its first step opens the stores."""

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from gantry.board.board import Board
from gantry.board.counters import Counters
from gantry.clerk.alert_book import AlertBook
from gantry.clerk.bounded_reading import BoundedReading
from gantry.clerk.courier import Courier
from gantry.clerk.deliver import MOST, Deliverer
from gantry.clerk.dialling import open_dialler
from gantry.clerk.limit_alerts import Counting
from gantry.clerk.oversee import Overseer
from gantry.dial.mail import MailServer, read_mail_server
from gantry.dial.pool import Dialler
from gantry.home import Home, Keyring
from gantry.settings import ServeSettings
from gantry.store.database import Address
from gantry.store.logs import LogStore
from gantry.store.vault import Vault

logger = logging.getLogger(__name__)


class Telling:
    """For one thread."""

    def __init__(
        self,
        home: Home,
        keyring: Keyring,
        settings: ServeSettings,
        environ: Mapping[str, str],
        control: str | Path,
        logs: Address,
    ) -> None:
        self._home = home
        self._keyring = keyring
        self._settings = settings
        self._environ = environ
        self._control = control
        self._address = logs
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dialler: Dialler | None = None
        self._deliverer: Deliverer | None = None
        self._overseer: Overseer | None = None

    def step(self) -> bool:
        """Look, deliver, and return whether deliveries are under way. Raises StoreUnavailable."""
        if self._deliverer is None or self._overseer is None or self._dialler is None:
            self._open()
            return True
        self._dialler.sweep()
        busy = self._deliverer.step()
        self._overseer.look()
        return busy

    def close(self) -> None:
        """Part from what is under way. A fault costs a second delivery, with the same id."""
        try:
            if self._deliverer is not None:
                self._deliverer.close()
        except Exception as error:  # the boundary of the thread
            logger.warning("the clerk leaves before it knows what became of all deliveries", exc_info=error)
        if self._dialler is not None:
            self._dialler.close()
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _open(self) -> None:
        settings, logs = self._settings, LogStore(self._address)
        loop = self._loop = self._loop or asyncio.new_event_loop()
        dialler = open_dialler(loop, settings, MOST)
        book = AlertBook(self._home, self._keyring, self._control)
        vault = Vault(self._keyring.vault)
        mail_server = _mail_server(settings)
        courier = Courier(book, vault, self._environ, dialler, mail_server, logs.find, time.time_ns)
        shared = settings.redis_url
        counters: Counting = Counters(self._home.counters) if shared is None else BoundedReading(shared)
        self._overseer = Overseer(book, logs, counters, Board(self._home.board), self._home.health)
        self._deliverer = Deliverer(book, logs, courier, loop)
        self._dialler = dialler


def _mail_server(settings: ServeSettings) -> MailServer | None:
    """Return the mail server of the settings. One that cannot be used is said, and stops no webhook."""
    if settings.smtp_url is None:
        return None
    try:
        return read_mail_server(settings.smtp_url, settings.smtp_from)
    except ValueError as error:
        logger.error("no e-mail is sent: %s", error)
        return None

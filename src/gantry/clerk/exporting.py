"""The loop that exports logs as spans: its first step opens the stores and the way to the receiver."""

import asyncio
import logging
import socket
from pathlib import Path
from typing import Final

from gantry.board.board import Slot
from gantry.clerk.dialling import open_dialler
from gantry.clerk.export import Exporter
from gantry.clerk.post import post
from gantry.dial.otlp_receiver import Fields, read_endpoint, read_headers
from gantry.dial.pool import Dialler
from gantry.dial.webhook_url import WebhookURL
from gantry.home import Home
from gantry.settings import ServeSettings
from gantry.store.control import ControlStore
from gantry.store.database import Address
from gantry.store.keys import key_names
from gantry.store.logs import LogStore

REST: Final = 1.0  # seconds between two looks
_SECONDS: Final = 10.0  # for the receiver to answer
_CONNECTIONS: Final = 2
_HEADERS: Final = (("Content-Type", "application/x-protobuf"), ("Content-Encoding", "gzip"), ("User-Agent", "gantry"))

logger = logging.getLogger(__name__)


class Poster:
    """The receiver behind a URL."""

    def __init__(self, dialler: Dialler, url: WebhookURL, fields: Fields) -> None:
        self._dialler = dialler
        self._url = url
        self._fields = (*_HEADERS, *fields)

    def take(self, body: bytes) -> None:
        self._dialler.loop.run_until_complete(post(self._dialler, self._url, self._fields, body, _SECONDS))


class Exporting:
    """For one thread."""

    def __init__(self, home: Home, settings: ServeSettings, control: str | Path, logs: Address, slot: Slot) -> None:
        self._home = home
        self._settings = settings
        self._control = control
        self._logs = logs
        self._slot = slot
        self._exporter: Exporter | None = None
        self._unusable = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dialler: Dialler | None = None

    def step(self) -> bool:
        """Export what is due, and return whether more is waiting. Raises StoreUnavailable."""
        if self._unusable:
            return False
        if self._exporter is None:
            try:
                self._exporter = self._open()
            except ValueError as error:
                logger.error("logs are not exported: otlp_endpoint: %s", error)
                self._unusable = True
                return False
        if self._dialler is not None:
            self._dialler.sweep()
        return self._exporter.step()

    def close(self) -> None:
        if self._dialler is not None:
            self._dialler.close()
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _open(self) -> Exporter:
        settings = self._settings
        url, fields = read_endpoint(settings.otlp_endpoint or ""), read_headers(settings.otlp_headers)
        logs, control = LogStore(self._logs), ControlStore(self._control)
        loop = self._loop = self._loop or asyncio.new_event_loop()
        dialler = self._dialler = open_dialler(loop, settings, _CONNECTIONS)

        def names(ids: set[str]) -> dict[str, str]:
            with control.reading() as connection:
                return key_names(connection, ids)

        holder = f"{socket.gethostname()} {self._home.path}"  # of a home there is one clerk, and then its successor
        return Exporter(logs, names, Poster(dialler, url, fields), self._slot, holder, content=settings.otlp_content)

"""The console's process: its socket, its slot on the board, its end.

Law: it lives no longer than the lifeline, a pipe of the supervisor's: at end-of-file it leaves. The socket is put in
place by renaming, so a successor takes over from an orphan in one step, and the folder of the socket is the owner's
alone: on it, whoever connects is the gateway.
"""

import asyncio
import logging
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from gantry.board.answers import AnswerCache
from gantry.board.board import CONSOLE_SLOT, Board, Slot, State, Word
from gantry.console.app import create_app
from gantry.console.model_book import ModelBook
from gantry.console.state import PATIENCE, ConsoleState
from gantry.home import Home, HomeError, load_keyring
from gantry.journal.writer import JournalWriter
from gantry.prices.kept import read_rates
from gantry.settings import load_settings
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from gantry.store.vault import Vault
from gantry.store.warming import read_ahead

_HEARTBEAT_SECONDS: Final = 1.0
_SECONDS_TO_FINISH: Final = 4  # less than the supervisor waits
_BACKLOG: Final = 256

logger = logging.getLogger(__name__)


class ConsoleServer(uvicorn.Server):
    """uvicorn without its signal handlers, which end a process by the signal instead of with status 0."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        """Finish what is under way, and stop."""
        self.should_exit = True


def stand_back() -> None:
    """Let calls go first: an export keeps a CPU busy for minutes, and whoever has less to do must not wait behind it.

    SCHED_BATCH: it never interrupts others by waking up (sched(7)). How much of a busy CPU stays for it is the
    supervisor's to say, who gave it its niceness already.
    """
    if hasattr(os, "SCHED_BATCH"):
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except OSError as error:  # a sandbox may forbid it
            logger.info("the console keeps its scheduling policy: %s", error)


async def run_console(home: Home, lifeline: int, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM, SIGINT or the end of the lifeline. Raises HomeError and SettingsError."""
    home.prepare()
    keyring = load_keyring(home, environ.get("GANTRY_MASTER_KEY"))
    settings, _ = load_settings(home, {}, environ)
    database = settings.database.reveal() if settings.database is not None else None
    board = Board(home.board)
    state = ConsoleState(
        control=lambda: ControlStore(database or home.control_db),
        logs=lambda: LogStore(database or home.logs_db, patience=PATIENCE),
        journal=JournalWriter(home.journal, budget=settings.journal_budget),
        pepper=keyring.pepper,
        vault=Vault(keyring.vault),
        clock=time.time_ns,
        models=ModelBook(lambda: read_rates(home.cache), time.time_ns),
        board=board,
        answers=AnswerCache(home.responses, keyring.responses, keyring.response_names, settings.response_cache_bytes),
        health=home.health,
    )
    slot = board.slot(CONSOLE_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    server = ConsoleServer(
        uvicorn.Config(
            create_app(state),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        )
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.leave)
    loop.add_reader(lifeline, _on_lifeline, lifeline, server)
    heartbeat = loop.create_task(_beat(slot))
    leaving = threading.Event()
    if database is None:
        threading.Thread(target=read_ahead, args=(home.logs_db, leaving), name="read ahead", daemon=True).start()
    try:
        with _listening(home.console_socket) as listener:
            slot[Word.STATE] = State.READY
            await server.serve(sockets=[listener])
    finally:
        leaving.set()
        heartbeat.cancel()
        loop.remove_reader(lifeline)
        state.close()
        if slot[Word.PID] == os.getpid():
            slot.release()


def _on_lifeline(lifeline: int, server: ConsoleServer) -> None:
    if not os.read(lifeline, 1):
        asyncio.get_running_loop().remove_reader(lifeline)
        logger.info("the supervisor is gone; the console leaves")
        server.leave()


async def _beat(slot: Slot) -> None:
    while True:
        slot[Word.HEARTBEAT] = time.time_ns()
        await asyncio.sleep(_HEARTBEAT_SECONDS)


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    _prepare_folder(path.parent)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(aside))
        aside.chmod(0o600)
        listener.listen(_BACKLOG)
        aside.rename(path)
        yield listener


def _prepare_folder(folder: Path) -> None:
    """Make the folder of the socket; it may lie where others can write, so it must be ours and closed to them."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise HomeError(
            f"{folder} must be a folder of yours that nobody else can write to. Remove it, or change its mode."
        )

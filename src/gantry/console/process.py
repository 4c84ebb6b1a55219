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
import ssl
import stat
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

import uvicorn

from gantry.board.answers import AnswerCache
from gantry.board.board import CONSOLE_SLOT, SUPERVISOR_SLOT, Board, Slot, State, Word
from gantry.console.app import create_app
from gantry.console.entrance import Entrance
from gantry.console.identity_provider import IdentityProvider, read_provider
from gantry.console.known_hosts import KnownHosts
from gantry.console.links import claim_link
from gantry.console.log_watch import LogWatch
from gantry.console.mailbox import mailbox_of
from gantry.console.model_book import ModelBook
from gantry.console.otlp_target import target_of
from gantry.console.probe import Outside
from gantry.console.state import READING, ConsoleState
from gantry.core.errors import Overloaded
from gantry.dial.origin import ProxyRules
from gantry.dial.pool import Dialler, PoolLimits
from gantry.home import Home, HomeError, load_keyring, wait_while_moving
from gantry.journal.writer import JournalWriter
from gantry.prices.folder import PriceFolder
from gantry.prices.kept import read_rates
from gantry.settings import DeclaredIdentityProvider, ServeSettings, load_settings
from gantry.store.addresses import control_address, log_address
from gantry.store.control import ControlStore
from gantry.store.logs import LogStore
from gantry.store.vault import Vault
from gantry.store.warming import read_ahead

_HEARTBEAT_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.05
_CONNECTIONS: Final = 8  # to an identity provider
_IDLE_SECONDS: Final = 10.0
_SECONDS_TO_FINISH: Final = 4  # less than the supervisor waits
_BACKLOG: Final = 256
_KEEP_ALIVE_SECONDS: Final = 120  # longer than workers keep a connection idle, so it is they who close it

logger = logging.getLogger(__name__)


class ConsoleServer(uvicorn.Server):
    """uvicorn without its signal handlers, which end a process by the signal instead of with status 0."""

    def __init__(self, config: uvicorn.Config, watch: LogWatch) -> None:
        super().__init__(config)
        self._watch: Final = watch

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def leave(self) -> None:
        """Finish what is under way, and stop; who watches would go on for long, and is let go."""
        self._watch.close()
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
    wait_while_moving(home, lifeline)
    keyring = load_keyring(home, environ.get("GANTRY_MASTER_KEY"))
    settings, declared = load_settings(home, {}, environ)
    url = settings.public_url or environ.get("GANTRY_LISTENS_ON")
    board = Board(home.board)
    state = ConsoleState(
        control=lambda: ControlStore(control_address(settings, home)),
        logs=lambda: LogStore(log_address(settings, home), patience=READING),
        journal=JournalWriter(home.journal, budget=settings.journal_budget),
        pepper=keyring.pepper,
        vault=Vault(keyring.vault),
        clock=time.time_ns,
        entrance=Entrance(
            keyring.session,
            url=url,
            secure=settings.tls_certificate is not None,
            sign_up=settings.sign_up,
            mail=mailbox_of(settings),
            providers=_identity_providers(settings, declared.oidc, environ),
            hosts=KnownHosts(settings.host, settings.public_url, settings.allowed_hosts),
        ),
        models=ModelBook(lambda: read_rates(home.cache, PriceFolder(home.prices)), time.time_ns),
        board=board,
        answers=AnswerCache(home.responses, keyring.responses, keyring.response_names, settings.response_cache_bytes),
        health=home.health,
        counters=home.counters,
        shared=settings.redis_url,
        retention=settings.retention,
        outside=Outside(environ, settings.ca_bundle),
        home=home,
        spans_to=target_of(settings.otlp_endpoint, settings.otlp_headers, content=settings.otlp_content),
    )
    slot = board.slot(CONSOLE_SLOT)
    slot.claim(os.getpid(), time.time_ns())
    app = create_app(state)
    server = ConsoleServer(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        ),
        app.state.watch,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.leave)
    loop.add_reader(lifeline, _on_lifeline, lifeline, server)
    heartbeat = loop.create_task(_beat(slot))
    telling = None if url is None else loop.create_task(_tell_how_to_claim(state, board, url))
    leaving = threading.Event()
    if settings.database_url is None:
        threading.Thread(target=read_ahead, args=(home.logs_db, leaving), name="read ahead", daemon=True).start()
    try:
        with _listening(home.console_socket, home.path) as listener:
            slot[Word.STATE] = State.READY
            await server.serve(sockets=[listener])
    finally:
        leaving.set()
        heartbeat.cancel()
        if telling is not None:
            telling.cancel()
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


def _identity_providers(
    settings: ServeSettings, declared: Mapping[str, DeclaredIdentityProvider], environ: Mapping[str, str]
) -> list[IdentityProvider]:
    """Return the identity providers that are declared; the way to them is made when it is first needed."""
    loop = asyncio.get_running_loop()

    @cache
    def dialler() -> Dialler:
        bundle = settings.ca_bundle
        return Dialler(
            loop,
            tls=ssl.create_default_context(cafile=None if bundle is None else str(bundle)),
            proxies=ProxyRules(https=settings.upstream_proxy, bypass=tuple(filter(None, settings.no_proxy.split(",")))),
            limits=PoolLimits(connections=_CONNECTIONS, idle=_IDLE_SECONDS),
        )

    return [
        IdentityProvider(read_provider(name, table, environ), dialler, time.time) for name, table in declared.items()
    ]


async def _tell_how_to_claim(state: ConsoleState, board: Board, url: str) -> None:
    """Print where the console is claimed while it is nobody's, once the supervisor has said that it listens."""
    supervisor = board.slot(SUPERVISOR_SLOT)
    while True:  # another process says it, in memory
        if supervisor[Word.STATE] == State.READY:
            break
        await asyncio.sleep(_PAUSE_SECONDS)

    def look_up(control: ControlStore) -> str | None:
        with control.reading() as connection:
            return claim_link(connection, state.entrance.key, url)

    try:
        link = await state.ask_control(look_up)
    except Overloaded as error:
        logger.warning("whether the console is claimed is not known now: %s", error)
        return
    if link is not None:
        with suppress(OSError):  # nobody may read it
            sys.stdout.write(f"claim the console at {link}\n")
            sys.stdout.flush()


@contextmanager
def _listening(path: Path, home: Path) -> Iterator[socket.socket]:
    _prepare_folder(path.parent, home)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(aside))
        aside.chmod(0o600)
        listener.listen(_BACKLOG)
        aside.rename(path)
        yield listener


def _prepare_folder(folder: Path, home: Path) -> None:
    """Make the folder of the socket; it may lie where others can write, so it must be ours and closed to them.

    A home may be a link, as systemd makes one for a service with a user of its own. Elsewhere a link may be another's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat() if folder == home else folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise HomeError(
            f"{folder} must be a folder of yours that nobody else can write to. Remove it, or change its mode."
        )

"""The gateway worker: composition root of the data plane.

The path of a request:

1.  `gateway/client` parses HTTP/1.1 (`wire/head`, llhttp; `wire/body`), bounds headers, body, time and bytes held.
2.  `gateway/surfaces` is one literal route table: method and path → door, dialects, operation.
3.  `gateway/admit`: API key → digest → snapshot; scopes, expiry, model list, surfaces. Refusals speak the caller's
    dialect.
4.  `wire/envelope` peeks at the top level of the JSON; `gateway/params` lifts what is ours.
5.  `routing/resolve` finds the route, `routing/planner` a plan, `routing/balance` draws: all pure.
6.  `gateway/call` builds the request by tier, `gateway/hold` holds what it may cost on the counters of its
    `gateway/purse`, and it is sent over `dial`. `gateway/opening` looks at the answer, and `gateway/attempts` goes on
    by `routing/itinerary` while nothing of an answer has reached the client.
7.  `gateway/pump` carries the answer: relay, or adapt; `gateway/capture` sees the upstream's bytes.
8.  A client that leaves frees the upstream at once; deadlines and a dying upstream end in words the SDK understands.
9.  `gateway/recording` settles the hold by what `gateway/expense` knows of the usage, and writes the close frame
    before the last byte leaves.
10. From here on it is the clerk's: frames → meter → price → store.

A WebSocket under a native surface goes through `gateway/tunnel` in place of 4 to 9. A response that is remembered is
read or deleted by `gateway/kept_response`, which asks nobody. What `gateway/response_cache` finds after 4 is given by
`gateway/cached_answer` in place of 5 to 8.

Law: everything a worker needs is in its arguments, the snapshot file and the board. It starts without a database,
and it goes when its supervisor goes.
"""

import asyncio
import importlib
import logging
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import Struct

from gantry.board.answers import DEFAULT_LIMIT, AnswerCache
from gantry.board.board import Board, Slot, State, Word
from gantry.board.counters import Counters
from gantry.board.health import HealthBook
from gantry.board.resources import ResourceBook
from gantry.board.turns import TurnMemory
from gantry.certificate import CertificateError, ServerCertificate
from gantry.core.errors import Draining, GatewayError, InternalError
from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect
from gantry.dial.origin import Origin, ProxyRules, parse_base_url
from gantry.dial.pool import Dialler, PoolLimits
from gantry.gateway.authority import AccountTokens
from gantry.gateway.call import Call
from gantry.gateway.client import ClientConnection
from gantry.gateway.client_address import TrustedProxies
from gantry.gateway.console_relay import ConsoleRelay
from gantry.gateway.counting import SharedCounters
from gantry.gateway.exchange import Exchange
from gantry.gateway.explanation import ExplainTaker
from gantry.gateway.health import Health
from gantry.gateway.intake import take_in
from gantry.gateway.kept_rates import KeptRates
from gantry.gateway.kept_response import KeptResponse, find_kept
from gantry.gateway.limits import WorkerLimits
from gantry.gateway.listing import ModelListing
from gantry.gateway.model_lists import ModelLists
from gantry.gateway.own import OwnAnswer
from gantry.gateway.posted_log import MAX_BYTES, PostedLogTaker
from gantry.gateway.purse import Purses
from gantry.gateway.respond import Responder, answer_error
from gantry.gateway.response_cache import keep_bounded
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Door
from gantry.gateway.tunnel import Tunnel
from gantry.gateway.upgrade import offers_websocket
from gantry.home import Home, Keyring
from gantry.journal.writer import JournalWriter
from gantry.prices.folder import PriceFolder
from gantry.routing.snapshot import KeyTable, Snapshot, SnapshotUnreadable, read_snapshot
from gantry.wire.head import RequestHead

logger = logging.getLogger(__name__)

_SHARED_COUNTERS: Final = "gantry.board.shared_counters"
_CALL: Final = Door.CALL  # Python 3.11 reads an enum's member through a descriptor, which costs time on each call
_TICK_SECONDS: Final = 0.25
_SLOW_TICK: Final = 4  # every so many ticks, connections and pools are looked through
_SWEEP_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.05  # how often the snapshot file is looked at
_RETRY_SECONDS: Final = 1.0  # after a look that failed
_RENEWAL_SECONDS: Final = 2.0  # how often the certificate's files are looked at
_ORPHAN_DRAIN_SECONDS: Final = 5.0
_LAST_WORDS_SECONDS: Final = 0.1
_BACKLOG: Final = 4096


class WorkerSettings(Struct, frozen=True, kw_only=True):
    """The supervisor's message to a worker."""

    limits: WorkerLimits = WorkerLimits()
    journal_budget: int = 4 << 30
    response_cache_bytes: int = DEFAULT_LIMIT
    redis_timeout: float = 0.1
    redis_fails_closed: bool = False  # a call that cannot be counted is refused
    console_url: str | None = None  # of another machine's
    ca_bundle: str | None = None
    https_proxy: str | None = None
    no_proxy: tuple[str, ...] = ()
    tls_certificate: str | None = None  # with its key: what clients see
    tls_key: str | None = None
    trusted_proxies: tuple[str, ...] = ()


class Worker:
    """One process: its listening socket, its state, its ticks, its end."""

    def __init__(
        self,
        home: Home,
        keyring: Keyring,
        settings: WorkerSettings,
        listener: socket.socket,
        slot_index: int,
        lifeline: int | None,
        redis_url: Secret | None = None,
    ) -> None:
        """`redis_url` is that of a server where several machines count limits together."""
        self._home = home
        self._keyring = keyring
        self._settings = settings
        self._listener = listener
        self._lifeline = lifeline
        self._redis_url = redis_url
        self._board = Board(home.board)
        self._slot_index = slot_index
        self._slot: Slot = self._board.slot(slot_index)
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._console = _console_origin(home, settings.console_url)
        self._snapshot_seen: tuple[int, int, int] | None = None
        self._ticks = 0
        self._ticking: asyncio.TimerHandle | None = None
        self._stop: asyncio.Future[float] | None = None
        self._frames_before = 0
        self._state: WorkerState
        self._lists: ModelLists

    async def run(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until told to stop, then drain."""
        loop = asyncio.get_running_loop()
        self._stop = loop.create_future()
        self._slot.claim(os.getpid(), time.time_ns())
        journal = JournalWriter(self._home.journal, budget=self._settings.journal_budget)
        dialler = Dialler(
            loop,
            tls=ssl.create_default_context(cafile=self._settings.ca_bundle),
            proxies=ProxyRules(https=self._settings.https_proxy, bypass=self._settings.no_proxy),
            limits=PoolLimits(),
            on_opened=partial(self._slot.add, Word.UPSTREAM_CONNECTIONS_OPENED),
        )
        book = ResourceBook.open(self._home.resources, self._keyring.resources)
        health_book = HealthBook(self._home.health)
        kept_rates = KeptRates(self._home.cache, PriceFolder(self._home.prices))
        fail_closed = self._settings.limits.refuse_when_counters_full
        counters = Counters(self._home.counters, slot=self._slot_index, fail_closed=fail_closed)
        shared = self._share(counters)
        if shared is not None:
            await shared.start()
        self._state = WorkerState(
            self._settings.limits,
            self._keyring.pepper,
            journal,
            self._slot,
            dialler,
            book,
            kept_rates,
            TurnMemory(self._home.turns, self._keyring.turns, self._keyring.turn_names),
            Health(health_book, kept_rates),
            self._open_answers(),
            Purses(counters, shared),
        )
        self._state.desk = AccountTokens(self._state)
        self._state.bytes_out = self._slot[Word.BYTES_OUT]  # a counter goes on where its predecessor stopped
        self._frames_before = self._slot[Word.JOURNAL_FRAMES]
        self._lists = ModelLists(self._state)
        await self._try_snapshot()
        await kept_rates.settled()  # the first calls are held at their prices
        certificate = _load_certificate(self._settings)
        server = await loop.create_server(
            self._accept,
            sock=self._listener,
            backlog=_BACKLOG,
            ssl=certificate.context if certificate is not None else None,
            ssl_handshake_timeout=self._settings.limits.header_timeout if certificate is not None else None,
        )
        watches = [
            loop.create_task(self._watch_snapshot()),
            loop.create_task(self._sweep_turns()),
            loop.create_task(keep_bounded(self._state)),
        ]
        if certificate is not None:
            watches.append(loop.create_task(_watch_certificate(certificate)))
        self._tick(loop)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, self._settings.limits.drain_timeout)
        if self._lifeline is not None:
            loop.add_reader(self._lifeline, self._on_orphaned, loop)
        self._slot[Word.STATE] = State.READY
        on_ready()
        grace = await self._stop
        for watch in watches:
            watch.cancel()
        await self._drain(server, grace)
        if self._ticking is not None:
            self._ticking.cancel()  # what it looks at is closed
        dialler.close()
        journal.close()
        book.close()
        health_book.close()
        if shared is not None:
            await shared.close()
        counters.close()
        self._slot.release()

    def _open_answers(self) -> AnswerCache:
        keyring, limit = self._keyring, self._settings.response_cache_bytes
        return AnswerCache(self._home.responses, keyring.responses, keyring.response_names, limit)

    def _share(self, counters: Counters) -> SharedCounters | None:
        """Return the counters of several machines, where there are such; without them nobody needs their client."""
        url = self._redis_url
        if url is None:
            return None
        module = importlib.import_module(_SHARED_COUNTERS)
        settings = self._settings
        shared: SharedCounters = module.SharedCounters(
            url, counters, timeout=settings.redis_timeout, fail_closed=settings.redis_fails_closed
        )
        return shared

    @property
    def journal(self) -> JournalWriter:
        return self._state.journal

    def _accept(self) -> ClientConnection:
        return ClientConnection(self._state, self._choose, self._reject)

    def _choose(self, client: ClientConnection, head: RequestHead, responder: Responder) -> Exchange:
        """Return who answers a request."""
        intake = take_in(self._state, head)
        surface = intake.surface
        door = surface.door
        if door is _CALL:
            if intake.native and offers_websocket(head):
                return Tunnel(self._state, client, head, responder, intake)
            return Call(self._state, client, head, responder, intake)
        if door is Door.RESPONSE:
            kept = find_kept(self._state, intake)
            if kept is not None:
                return KeptResponse(self._state, client, head, responder, intake, *kept)
            return Call(self._state, client, head, responder, intake)
        if door is Door.EXPLAIN:
            return ExplainTaker(self._state, client, head, responder, surface)
        if door is Door.MODELS:
            return ModelListing(self._state, self._lists, client, head, responder, intake)
        if door is Door.POST_LOG and not head.chunked and (head.content_length or 0) <= MAX_BYTES:
            return PostedLogTaker(self._state, client, head, responder)
        if door in (Door.CONSOLE, Door.POST_LOG):
            return ConsoleRelay(self._state, self._console, client, head, responder, surface, self._proxies)
        return OwnAnswer(self._state, self._board, self._home.figures, client, head, responder, surface)

    def _reject(self, error: GatewayError, responder: Responder) -> None:
        """Answer what is not HTTP as we speak it; nobody knows the caller's dialect then."""
        answer_error(responder, Dialect.OPENAI_CHAT, error)

    # The snapshot

    async def _watch_snapshot(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self._state.kept_rates.look()
            if not await self._try_snapshot():
                await asyncio.sleep(_RETRY_SECONDS)

    async def _try_snapshot(self) -> bool:
        try:
            await self._look_for_snapshot()
        except Exception:  # the boundary of a loop that must go on: the last good snapshot serves meanwhile
            logger.exception("the snapshot could not be looked at; trying again")
            return False
        return True

    async def _look_for_snapshot(self) -> None:
        """Swap in the snapshot file if it changed. Reading it happens in a thread: it may hold 100,000 keys."""
        try:
            stat = os.stat(self._home.snapshot)
        except FileNotFoundError:
            return
        seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if seen == self._snapshot_seen:
            return
        held = self._state.snapshot.keys if self._state.snapshot is not None else None
        try:
            snapshot = await asyncio.to_thread(_read_file, self._home.snapshot, self._keyring, held)
        except (SnapshotUnreadable, SealBroken) as error:  # it stays so until the next one is published
            logger.error("the snapshot %s is not used: %s", self._home.snapshot, error)
            self._snapshot_seen = seen
            return
        self._snapshot_seen = seen
        self._state.swap(snapshot)
        self._slot[Word.SNAPSHOT_PUBLISHED_AT] = snapshot.body.published_at
        self._slot[Word.SNAPSHOT_VERSION] = snapshot.version
        logger.info("routing by snapshot version %d", snapshot.version)

    async def _sweep_turns(self) -> None:
        """Keep the memory of turns within its bounds, in a thread: it may hold many files."""
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                await asyncio.to_thread(self._state.turns.sweep)
            except OSError as error:
                logger.error("the memory of turns cannot be swept: %s", error)

    # Time

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        state = self._state
        now = state.now = time.monotonic()
        self._ticking = loop.call_later(_TICK_SECONDS, self._tick, loop)
        for call in tuple(state.calls):
            try:
                call.check(now)
            except Exception:  # the boundary of a call: its fault must not stop the clock of the others
                logger.exception("a call failed inside the gateway")
                state.calls.discard(call)
                loop.call_soon(call.refuse, InternalError("a fault inside the gateway; its log has the details"))
        state.watch_age(time.time_ns())
        state.health.watch()
        self._ticks += 1
        if self._ticks % _SLOW_TICK == 0:
            for client in tuple(state.clients):
                client.tick(now)
            state.dialler.sweep()
            self._slot[Word.ATTEMPTS] = state.health.under_way
            self._slot[Word.UPSTREAM_CONNECTIONS] = state.dialler.size
            self._slot[Word.TASKS] = len(asyncio.all_tasks(loop))
            self._slot[Word.SHARED_SILENT] = int(state.purses.shared is not None and not state.purses.shared.answers)
        if state.unwritten:
            state.write_unwritten()
        self._slot[Word.HEARTBEAT] = time.time_ns()
        self._slot[Word.BYTES_HELD] = state.bytes_held
        self._slot[Word.BYTES_OUT] = state.bytes_out
        self._slot[Word.JOURNAL_LEVEL] = state.journal.level
        self._slot[Word.JOURNAL_BYTES] = state.journal.used
        self._slot[Word.JOURNAL_FRAMES] = self._frames_before + state.journal.frames

    # The end

    def stop(self, grace: float) -> None:
        """Ask for the end: calls under way get the grace, in seconds."""
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(grace)

    def _on_orphaned(self, loop: asyncio.AbstractEventLoop) -> None:
        """The supervisor is gone: nobody will restart us, so make room for its successor."""
        assert self._lifeline is not None
        loop.remove_reader(self._lifeline)
        logger.warning("the supervisor is gone; stopping")
        self.stop(_ORPHAN_DRAIN_SECONDS)

    async def _drain(self, server: asyncio.Server, grace: float) -> None:
        """Stop accepting, let calls finish, and cut those that take longer than the grace."""
        state = self._state
        self._slot[Word.STATE] = State.DRAINING
        state.draining = True
        await asyncio.sleep(0)  # one more look: who waits to be accepted would be reset with the socket
        server.close()
        for client in tuple(state.clients):
            client.tick(state.now)
        deadline = time.monotonic() + grace
        while state.clients and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
            for client in tuple(state.clients):
                client.tick(state.now)
        if state.calls:
            for call in tuple(state.calls):
                call.refuse(Draining("the gateway is shutting down; send the request again"))
            await asyncio.sleep(_LAST_WORDS_SECONDS)
        for client in tuple(state.clients):
            client.abort()
        await asyncio.sleep(0)
        state.write_unwritten()


def _console_origin(home: Home, url: str | None) -> Origin:
    if url is None:
        return Origin("http", "console", 80, True, str(home.console_socket))
    return parse_base_url(url, private=True).origin


def _load_certificate(settings: WorkerSettings) -> ServerCertificate | None:
    """Return what clients see; None to serve without TLS. Raises CertificateError."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return ServerCertificate(Path(settings.tls_certificate), Path(settings.tls_key))


async def _watch_certificate(certificate: ServerCertificate) -> None:
    """Take up renewed files; those that cannot be used leave the old pair in place."""
    while True:
        await asyncio.sleep(_RENEWAL_SECONDS)
        try:
            renewed = certificate.renew()
        except CertificateError as error:
            logger.error("the renewed certificate is not used, the one before goes on: %s", error)
            continue
        if renewed:
            logger.info("the certificate was renewed")


def _read_file(path: Path, keyring: Keyring, held: KeyTable | None) -> Snapshot:
    return read_snapshot(path.read_bytes(), keyring.snapshot, held)

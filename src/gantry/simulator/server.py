"""The HTTP side: a small server that plays scripts, and `Simulator`, which runs one.

Law: bytes go out exactly as a script says. A request read in one piece that was answered before, byte for byte, gets
the same bytes again without being parsed: that makes the simulator cheap enough to stand behind a benchmark.
"""

import asyncio
import logging
import socket
import ssl
import struct
from collections import deque
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import cast

import httptools
from msgspec import Struct

from gantry.simulator.compression import Encoding, negotiate
from gantry.simulator.delivery import End, Pause, Step, Terms, plain, script
from gantry.simulator.exchange import Answer, Request, empty_answer, json_answer
from gantry.simulator.faults import NO_FAULTS
from gantry.simulator.talk import Talk
from gantry.simulator.websocket import handshake
from gantry.simulator.witness import Counter, Fate, Seen, Witness
from gantry.simulator.world import Performance, World

log = logging.getLogger(__name__)

CONTROL = b"/_simulator/requests"
MAX_BODY = 512 * 1024 * 1024
_QUEUE = 16  # pipelined requests read ahead
_REMEMBERED = 256
_REMEMBERED_BYTES = 16 * 1024 * 1024
_WATCH_SECONDS = 30.0


class Settings(Struct, frozen=True):
    """How a simulator behaves towards everybody."""

    compress: bool = True
    first_token: float = 0.0
    tokens_per_second: float = 0.0
    journal: int = 1000  # requests kept; 0 keeps none


class Incoming(Struct, frozen=True):
    """A parsed request and what its connection needs to know."""

    request: Request
    http_11: bool
    keep_alive: bool


class _Memory:
    """Answers given before: by the bytes read when they came in one piece, else by the request."""

    def __init__(self) -> None:
        self._answers: dict[bytes | Request, tuple[Request, bytes]] = {}
        self._held = 0
        self.get = self._answers.get

    def keep(self, key: bytes | Request, request: Request, wire: bytes) -> None:
        size = 2 * len(request.body) + len(wire)
        if size > _REMEMBERED_BYTES // 4:
            return
        if self._held + size > _REMEMBERED_BYTES or len(self._answers) >= _REMEMBERED:
            self._answers.clear()
            self._held = 0
        self._answers[key] = (request, wire)
        self._held += size


class Simulator:
    """Providers on a port. `async with Simulator() as simulator: simulator.url`."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        settings: Settings | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.witness = Witness(self.settings.journal)
        self.world = World()
        self.memory = _Memory()
        self.connections: set[_Connection | Talk] = set()
        self._host, self._port, self._tls = host, port, tls
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), self._host, self._port, ssl=self._tls, backlog=1024
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in tuple(self.connections):
            connection.drop()
        await self._server.wait_closed()
        self._server = None

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}"

    @property
    def requests(self) -> Sequence[Seen]:
        return self.witness.seen

    async def begun(self, count: int) -> Sequence[Seen]:
        """Wait until so many requests are kept, and return all."""
        return await self._until(self.witness.begun, count)

    async def ended(self, count: int) -> Sequence[Seen]:
        """Wait until so many of the requests kept have ended, and return all."""
        return await self._until(self.witness.ended, count)

    async def _until(self, counter: Counter, count: int) -> Sequence[Seen]:
        reached = asyncio.Event()

        def call() -> None:
            reached.set()

        self.witness.watch(counter, count, call)
        try:
            await reached.wait()
        finally:
            self.witness.unwatch(call)
        return self.requests

    async def __aenter__(self) -> "Simulator":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class _Connection(asyncio.Protocol):
    """One client: parses requests, answers them in order."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._body_size = 0
        self._reading = False  # inside a request
        self._whole: bytes | None = None  # what was read, while it may be one request exactly
        self._early = b""  # what came right behind a request for another protocol
        self._queue: deque[tuple[Incoming, bytes | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._seen: Seen | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one without being its subclass
        self._simulator.connections.add(self)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self._simulator.connections.discard(self)
        self._writable.set()
        if self._seen is not None:
            self._simulator.witness.conclude(self._seen, Fate.HUNG_UP)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def drop(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        idle = self._task is None and not self._reading and not self._queue
        if idle:
            known = self._simulator.memory.get(data)
            if known is not None:
                self._write_plain(*known)
                return
        self._whole = data if idle else None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._early = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            log.info("unreadable request: %s", error)
            self._refuse(json_answer({"detail": f"Bad request: {error}"}, 400))
        self._next()

    def on_message_begin(self) -> None:
        if self._reading or self._queue:
            self._whole = None
        self._reading = True
        self._target, self._headers, self._body, self._body_size = b"", [], [], 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if (b"expect", b"100-continue") in self._headers:
            self._whole = None
            if self._task is None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size > MAX_BODY:
            self._refuse(json_answer({"detail": "Request body is too large"}, 413))
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._reading = False
        request = Request(self._parser.get_method(), self._target, tuple(self._headers), b"".join(self._body))
        keep = self._parser.should_keep_alive() and not self._parser.should_upgrade()
        incoming = Incoming(request, self._parser.get_http_version() == "1.1", keep)
        self._queue.append((incoming, self._whole))
        if len(self._queue) >= _QUEUE:
            self._transport.pause_reading()

    def _next(self) -> None:
        """Answer what is queued until one answer takes time."""
        while self._task is None and self._queue and not self._transport.is_closing():
            incoming, whole = self._queue.popleft()
            if len(self._queue) < _QUEUE:
                self._transport.resume_reading()
            self._answer(incoming, None if self._queue or self._reading else whole)

    def _answer(self, incoming: Incoming, whole: bytes | None) -> None:
        request, memory = incoming.request, self._simulator.memory
        if request.target.startswith(CONTROL):
            self._task = asyncio.create_task(self._control(incoming))
            return
        usual = incoming.http_11 and incoming.keep_alive and request.method != b"HEAD"
        known = memory.get(request) if usual and whole is None else None
        if known is not None:
            self._write_plain(request, known[1])
            return
        performance = self._simulator.world.perform(request)
        encoding = self._encoding(request, performance)
        if usual and performance.faults is NO_FAULTS and not performance.answer.streamed:
            wire = plain(performance.answer, encoding)
            self._write_plain(request, wire)
            if performance.repeatable:
                memory.keep(request if whole is None else whole, request, wire)
            return
        self._seen = self._simulator.witness.record(request)
        opening = None if performance.answer.session is None else handshake(request)
        if opening is not None and not performance.faults.silent:
            self._task = asyncio.create_task(self._upgrade(opening, performance))
            return
        steps = script(performance.answer, performance.faults, self._terms(incoming, encoding))
        self._task = asyncio.create_task(self._play(steps))

    def _terms(self, incoming: Incoming, encoding: Encoding) -> Terms:
        settings = self._simulator.settings
        return Terms(
            incoming.http_11,
            incoming.keep_alive,
            incoming.request.method == b"HEAD",
            encoding,
            settings.first_token,
            settings.tokens_per_second,
        )

    def _encoding(self, request: Request, performance: Performance) -> Encoding:
        if performance.faults.encoding is not None:
            return performance.faults.encoding
        if not self._simulator.settings.compress:
            return Encoding.IDENTITY
        return negotiate(request.header(b"accept-encoding"))

    async def _play(self, steps: Iterable[Step]) -> None:
        """Do what a script says, then go on with the next request."""
        for step in steps:
            if isinstance(step, bytes):
                self._transport.write(step)
                if self._seen is not None:
                    self._seen.sent += len(step)
                if not self._writable.is_set():
                    await self._writable.wait()
            elif isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            elif step is End.HANG:
                await asyncio.Event().wait()
            else:
                self._finish(step)
        self._task = None
        self._next()

    async def _upgrade(self, opening: bytes, performance: Performance) -> None:
        """Become a WebSocket."""
        answer, faults, seen = performance.answer, performance.faults, self._seen
        assert answer.session is not None
        await asyncio.sleep(faults.first_byte)
        self._transport.write(opening + b"".join(b"%s: %s\r\n" % header for header in answer.headers) + b"\r\n")
        simulator = self._simulator
        simulator.connections.discard(self)
        talk = Talk(self._transport, answer.session, faults, seen, lambda fate: ended(fate))

        def ended(fate: Fate) -> None:
            simulator.connections.discard(talk)
            if seen is not None:
                simulator.witness.conclude(seen, fate)

        simulator.connections.add(talk)
        self._transport.set_protocol(talk)
        if self._early:
            talk.data_received(self._early)

    def _finish(self, end: End) -> None:
        whole = end in (End.KEEP, End.CLOSE)
        if self._seen is not None:
            self._simulator.witness.conclude(self._seen, Fate.ANSWERED if whole else Fate.BROKEN)
            self._seen = None
        if end is End.RESET:
            raw = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        elif end is not End.KEEP:
            self._transport.close()

    def _refuse(self, answer: Answer) -> None:
        """Answer what cannot be read, and close."""
        self._queue.clear()
        if self._task is None and not self._transport.is_closing():
            self._task = asyncio.create_task(self._play(script(answer, NO_FAULTS, Terms(keep_alive=False))))

    def _write_plain(self, request: Request, wire: bytes) -> None:
        self._transport.write(wire)
        witness = self._simulator.witness
        if witness.enabled:
            seen = witness.record(request)
            seen.sent = len(wire)
            witness.conclude(seen, Fate.ANSWERED)

    async def _control(self, incoming: Incoming) -> None:
        """Serve the request journal; `?ended=N` waits."""
        simulator, request = self._simulator, incoming.request
        if request.method == b"DELETE":
            simulator.witness.clear()
            answer = empty_answer()
        else:
            wanted = request.query.get("ended", "")
            if wanted.isdigit():
                try:
                    await asyncio.wait_for(simulator.ended(int(wanted)), _WATCH_SECONDS)
                except TimeoutError:
                    log.info("waited %s s in vain for %s answers to end", _WATCH_SECONDS, wanted)
            answer = json_answer([seen.describe() for seen in simulator.requests])
        await self._play(script(answer, NO_FAULTS, self._terms(incoming, Encoding.IDENTITY)))

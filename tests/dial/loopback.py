"""Both ends of a connection on loopback: a server that does what a test says, and a caller that notes all it hears."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gantry.core.errors import GatewayError, UpstreamFault
from gantry.dial.connection import UpstreamConnection
from gantry.dial.origin import Origin, ProxyRules
from gantry.dial.pool import Dialler, PoolLimits
from gantry.wire.head import ResponseHead

GET = b"GET / HTTP/1.1\r\nhost: upstream\r\n\r\n"
FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One connection as the server sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.gone = asyncio.Event()  # the script has ended
        self.closed = asyncio.Event()

    async def head(self) -> bytes:
        return await self.reader.readuntil(b"\r\n\r\n")

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()


class Server:
    """A server that runs a script for each connection, and knows whom it met."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.peers: list[Peer] = []
        self.met = asyncio.Semaphore(0)
        self.port = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        self.met.release()
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._script(peer)
        peer.gone.set()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        peer.closed.set()

    @contextlib.asynccontextmanager
    async def running(
        self, context: ssl.SSLContext | None = None, *, path: Path | None = None
    ) -> AsyncIterator["Server"]:
        if path is not None:
            server = await asyncio.start_unix_server(self._serve, path)
        else:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
            self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await turns(20)
            for peer in self.peers:
                peer.writer.transport.abort()
                await peer.closed.wait()
            await turns(20)  # the other ends hear of it, so that nothing is open when the loop closes

    def origin(self, scheme: str = "http", host: str = "127.0.0.1") -> Origin:
        return Origin(scheme, host, self.port, private=True)


async def answering(peer: Peer) -> None:
    """Answer every request until the other side leaves."""
    while True:
        await peer.head()
        await peer.say(FINE)


async def listening(peer: Peer) -> None:
    """Say nothing, and wait for the other side to leave."""
    await peer.reader.read()


async def leaving(peer: Peer) -> None:
    """Close at once."""


class Caller:
    """A lease and a receiver; `heard` is each call in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.body = b""
        self.status = 0
        self.fault: UpstreamFault | None = None
        self.connection: UpstreamConnection | None = None
        self.connect_time: float | None = None
        self.served = asyncio.Event()  # the lease has ended
        self.over = asyncio.Event()  # the answer has ended

    @property
    def message(self) -> str:
        assert self.fault is not None
        return self.fault.message

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        self.heard.append("connection")
        self.connection = connection
        self.connect_time = connect_time
        self.served.set()

    def on_connect_failed(self, fault: UpstreamFault) -> None:
        self.heard.append("connect failed")
        self.fault = fault
        self.served.set()

    def on_head(self, head: ResponseHead) -> None:
        self.heard.append("head")
        self.status = head.status

    def on_data(self, data: bytes, last: bool) -> None:
        self.body += data
        if last:
            self.heard.append("end")
            self.over.set()

    def on_failure(self, fault: UpstreamFault) -> None:
        self.heard.append("failure")
        self.fault = fault
        self.over.set()

    def refuse(self, error: GatewayError) -> None:
        self.heard.append("refused")
        self.over.set()

    def on_upload_full(self) -> None:
        self.heard.append("full")

    def on_upload_drained(self) -> None:
        self.heard.append("drained")

    def ask(self, request: bytes = GET, method: str = "GET", *, complete: bool = True) -> None:
        assert self.connection is not None
        self.connection.send(request, method, self, complete=complete)

    async def fetch(self) -> bytes:
        """Wait for the lease, ask, and return the answer's body."""
        await self.served.wait()
        self.ask()
        await self.over.wait()
        return self.body


@dataclass
class Clock:
    """A clock that a test turns, and a count of the connections opened."""

    now: float = 1000.0
    opened: int = 0

    def count(self) -> None:
        self.opened += 1

    def __call__(self) -> float:
        return self.now


def dialler(
    *,
    tls: ssl.SSLContext | None = None,
    proxies: ProxyRules | None = None,
    limits: PoolLimits | None = None,
    clock: Clock | None = None,
) -> Dialler:
    made = Dialler(
        asyncio.get_running_loop(),
        tls=tls or ssl.create_default_context(),
        proxies=proxies or ProxyRules(),
        limits=limits or PoolLimits(),
        on_opened=clock.count if clock is not None else lambda: None,
    )
    if clock is not None:
        made.clock = clock
    return made


async def turns(count: int = 5) -> None:
    """Let the loop go round: what is already due has happened afterwards."""
    for _ in range(count):
        await asyncio.sleep(0)

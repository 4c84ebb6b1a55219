"""A worker in this process, a scripted upstream behind it, a raw client in front, and the journal to look into."""

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gantry.board.board import FIRST_WORKER_SLOT, Board, Slot
from gantry.core.api_key import ENTROPY_BYTES, format_key, key_digest
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Environment
from gantry.gateway.limits import WorkerLimits
from gantry.gateway.worker import Worker, WorkerSettings
from gantry.home import Home, load_keyring
from gantry.journal.frames import CallClosed, CallOpened, Frame, FrameKind, PartCaptured, decode_payload
from gantry.journal.reader import JournalReader, list_incarnations
from gantry.providers.spec import custom_spec, load_catalog
from gantry.routing.snapshot import (
    Body,
    CredentialRecord,
    KeyRecord,
    build_key_table,
    seal_table,
    write_snapshot,
)

UPSTREAM_KEY = "canary-upstream-key"


@dataclass
class Heard:
    """What the upstream heard on one connection, and what became of it."""

    data: bytes = b""
    closed: asyncio.Event = field(default_factory=asyncio.Event)


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Heard], Awaitable[None]]


class Upstream:
    """A provider that does what the test says: a script per connection, the last one for all later connections."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.connections: list[Heard] = []
        self.url = ""

    @property
    def heard(self) -> bytes:
        return b"".join(connection.data for connection in self.connections)

    async def hears(self, ending: bytes) -> None:
        """Wait until what was heard ends so."""
        for _ in range(1000):
            if self.heard.endswith(ending):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"the upstream heard {self.heard!r}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = Heard()
        self.connections.append(heard)
        script = self.scripts[min(len(self.connections), len(self.scripts)) - 1]
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await script(reader, writer, heard)
        heard.closed.set()
        writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Upstream"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()


async def read_request(reader: asyncio.StreamReader, heard: Heard) -> bytes:
    """Read one request with a Content-Length, or none; return its body."""
    head = await reader.readuntil(b"\r\n\r\n")
    heard.data += head
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    body = await reader.readexactly(length)
    heard.data += body
    return body


def answering(*pieces: bytes, close: bool = False) -> Script:
    """Return a script that answers each request with these bytes, one write per piece."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
        while True:
            await read_request(reader, heard)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                return

    return script


def json_answer(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 " + status, b"content-type: application/json", b"content-length: %d" % len(body), *headers]
    return b"\r\n".join((*lines, b"", body))


STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Answer:
    """One response as the client saw it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        lines = head.split(b"\r\n")
        self.status = int(lines[0].split(b" ")[1])
        self.headers = {
            name.decode().lower(): value.strip().decode("latin-1")
            for name, _, value in (line.partition(b":") for line in lines[1:] if line)
        }
        self.body = body


class RawClient:
    """Bytes to the gateway and back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self, method: str = "POST") -> Answer:
        """Read one response, whichever way it is framed."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        answer = Answer(head[:-4], b"")
        if method == "HEAD" or answer.status in (204, 304):
            return answer
        if answer.headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                answer.body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readline()
        elif "content-length" in answer.headers:
            answer.body = await self.reader.readexactly(int(answer.headers["content-length"]))
        else:
            answer.body = await self.reader.read()
        return answer

    async def closed(self) -> bytes:
        """Read to the end of the connection; return what still came."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    def leave(self) -> None:
        self.writer.transport.abort()


class Node:
    """The worker under test."""

    def __init__(self, home: Home, key: str, port: int, worker: Worker) -> None:
        self.home = home
        self.key = key
        self.port = port
        self.worker = worker

    @property
    def slot(self) -> Slot:
        return Board(self.home.board).slot(FIRST_WORKER_SLOT)

    async def connect(self) -> RawClient:
        return RawClient(*await asyncio.open_connection("127.0.0.1", self.port))

    def request(self, path: str, body: bytes = b"", *headers: bytes, method: str = "POST") -> bytes:
        lines = [
            f"{method} {path} HTTP/1.1".encode(),
            b"Host: gantry",
            b"Authorization: Bearer " + self.key.encode(),
            b"Content-Length: %d" % len(body),
            *headers,
        ]
        if not any(header.lower().startswith(b"content-type:") for header in headers):
            lines.append(b"Content-Type: application/json")
        return b"\r\n".join((*lines, b"", body))

    async def ask(self, path: str, body: bytes = b"", *headers: bytes, method: str = "POST") -> Answer:
        client = await self.connect()
        client.send(self.request(path, body, *headers, method=method))
        answer = await asyncio.wait_for(client.answer(method), 10)
        client.leave()
        return answer

    def frames(self) -> list[Frame]:
        """Return everything in the journal."""
        return [
            decode_payload(FrameKind(frame.kind), frame.payload)
            for incarnation in list_incarnations(self.home.journal)
            for frame in JournalReader(self.home.journal, incarnation).read(10_000, 1 << 30).frames
        ]

    def calls(self) -> list[tuple[CallOpened, CallClosed | None, bytes]]:
        """Return each opened call with its end and its captured answer."""
        frames = self.frames()
        ends = {frame.log_id: frame for frame in frames if isinstance(frame, CallClosed)}
        assert len(ends) == sum(isinstance(frame, CallClosed) for frame in frames), "a call was closed twice"
        calls = []
        for opened in [frame for frame in frames if isinstance(frame, CallOpened)]:
            closed = ends.get(opened.log_id)
            parts = b"".join(
                frame.data
                for frame in frames
                if isinstance(frame, PartCaptured) and frame.log_id == opened.log_id and frame.direction == 2
            )
            calls.append((opened, closed, parts + (closed.response_body if closed is not None else b"")))
        return calls

    async def one_call(self, *, closed: bool = True) -> tuple[CallOpened, CallClosed, bytes]:
        """Return the one call that was recorded, once it is closed."""
        for _ in range(500):
            calls = self.calls()
            if len(calls) == 1 and (calls[0][1] is not None) == closed:
                break
            await asyncio.sleep(0.01)
        ((opened, end, body),) = self.calls()
        assert end is not None
        return opened, end, body


def make_home(path: Path, upstream: str, keys: Sequence[KeyRecord], key_text: str) -> Home:
    """Write a home with a snapshot by hand: no database, no clerk."""
    home = Home(path)
    home.prepare()
    keyring = load_keyring(home, create=True)
    providers = (*load_catalog().values(), custom_spec("vllm", "vLLM", upstream))
    credentials = tuple(
        CredentialRecord(f"c-{spec.id}", "o1", spec.id, "main", upstream, {"api_key": Secret(UPSTREAM_KEY)}, home=True)
        for spec in providers
    )
    table = build_key_table([(key_digest(key_text, keyring.pepper), key) for key in keys])
    body = Body(5, time.time_ns(), "t1", providers, credentials, {})
    home.snapshot.write_bytes(write_snapshot(body, seal_table(table, keyring.snapshot), [], keyring.snapshot))
    return home


@contextlib.asynccontextmanager
async def running_node(
    path: Path,
    upstream: str,
    *,
    limits: WorkerLimits | None = None,
    journal_budget: int = 1 << 30,
    certificate: Path | None = None,
    ca_bundle: Path | None = None,
    https_proxy: str | None = None,
    **key_fields: Any,
) -> AsyncIterator[Node]:
    """Run a worker until the block ends; SIGTERM is imitated by its own request to stop."""
    key_text = format_key(os.urandom(ENTROPY_BYTES)).reveal()
    fields: dict[str, Any] = {"environment": Environment.PROD, "scopes": int(DEFAULT_SCOPES), **key_fields}
    home = make_home(path / "home", upstream, [KeyRecord(key_id="k1", organization_id="o1", **fields)], key_text)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    settings = WorkerSettings(
        limits=limits or WorkerLimits(drain_timeout=0.2),
        journal_budget=journal_budget,
        tls_certificate=str(certificate) if certificate is not None else None,
        tls_key=str(certificate) if certificate is not None else None,
        ca_bundle=str(ca_bundle) if ca_bundle is not None else None,
        https_proxy=https_proxy,
    )
    worker = Worker(home, load_keyring(home), settings, listener, FIRST_WORKER_SLOT, None)
    ready = asyncio.Event()
    task = asyncio.create_task(worker.run(on_ready=ready.set))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    node = Node(home, key_text, listener.getsockname()[1], worker)
    try:
        yield node
    finally:
        worker.stop(0.2)
        await task

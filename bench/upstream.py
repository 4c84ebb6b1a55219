"""The mock provider: answers chat completions over plaintext and TLS, as fast as asyncio goes.

It runs in a process of its own, so its CPU is never counted. First line on stdout: `{"port": …, "tls_port": …}`.
It ends when its standard input does, so it cannot outlive the run.
"""

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import cast

import httptools
import uvloop

from bench.traffic import ANSWER, Shape, stream_end, stream_event, wanted_shape

_HEAD = (
    b"HTTP/1.1 200 OK\r\ndate: Sun, 22 Nov 2026 10:00:00 GMT\r\ncontent-type: %s\r\n%s"
    b"mistral-correlation-id: 019aa0b1-7c53-7d1e-9a33-3b6f0a4f5c11\r\nx-ratelimit-limit-req-minute: 6000\r\n"
    b"x-ratelimit-remaining-req-minute: 5999\r\n\r\n"
)
_ANSWER = _HEAD % (b"application/json", b"content-length: %d\r\n" % len(ANSWER)) + ANSWER
_STREAM_HEAD = _HEAD % (b"text/event-stream; charset=utf-8", b"transfer-encoding: chunked\r\n")


class Counts:
    """What the upstream saw, for the harness to ask."""

    __slots__ = ("calls", "connections")

    def __init__(self) -> None:
        self.calls = 0
        self.connections = 0


class UpstreamConnection(asyncio.Protocol):
    """One connection of a gateway, or of the load generator when it measures without one."""

    __slots__ = ("_body", "_counts", "_loop", "_parser", "_paused", "_stream", "_transport", "_url")

    def __init__(self, loop: asyncio.AbstractEventLoop, counts: Counts) -> None:
        self._loop = loop
        self._counts = counts
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._body: list[bytes] = []
        self._url = b""
        self._stream: _Stream | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._counts.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False

    def on_message_begin(self) -> None:
        self._body.clear()
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self._parser.get_method() != b"POST":
            self._answer_question()
            return
        self._counts.calls += 1
        shape = wanted_shape(b"".join(self._body)) or Shape()
        if shape.delay:
            self._loop.call_later(shape.delay / 1e6, self._answer, shape)
        else:
            self._answer(shape)

    def _answer(self, shape: Shape) -> None:
        if shape.events == 0:
            self.write(_ANSWER)
            return
        self.write(_STREAM_HEAD)
        _Stream(self, self._loop, shape).next_event()

    def _answer_question(self) -> None:
        counts = {"calls": self._counts.calls, "connections": self._counts.connections}
        models = {"object": "list", "data": [{"id": "mistral-small-latest", "object": "model", "created": 0}]}
        body = json.dumps(models if self._url.endswith(b"/models") else counts).encode()
        self.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        )

    def write(self, data: bytes) -> bool:
        """Write, and say whether more can be written now."""
        if self._transport is None:
            return False
        self._transport.write(data)
        return not self._paused

    @property
    def gone(self) -> bool:
        return self._transport is None


class _Stream:
    """One streamed answer: each event is a write of its own, at its own moment."""

    __slots__ = ("_connection", "_loop", "_sent", "_shape", "_started")

    def __init__(self, connection: UpstreamConnection, loop: asyncio.AbstractEventLoop, shape: Shape) -> None:
        self._connection = connection
        self._loop = loop
        self._shape = shape
        self._sent = 0
        self._started = loop.time()

    def next_event(self) -> None:
        if self._connection.gone:
            return
        if self._sent == self._shape.events:
            end = stream_end()
            self._connection.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(end), end))
            return
        event = stream_event(self._sent, time.monotonic_ns())
        self._sent += 1
        roomy = self._connection.write(b"%x\r\n%s\r\n" % (len(event), event))
        if self._shape.pace:
            self._loop.call_at(self._started + self._sent * self._shape.pace / 1e6, self.next_event)
        elif roomy:
            self._loop.call_soon(self.next_event)
        else:
            self._loop.call_later(0.001, self.next_event)


async def serve(certificates: Path) -> None:
    """Listen on two free ports until standard input ends."""
    loop = asyncio.get_running_loop()
    counts = Counts()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    ports = []
    for tls in (None, context):
        server = await loop.create_server(
            lambda: UpstreamConnection(loop, counts), "127.0.0.1", 0, ssl=tls, backlog=4096
        )
        ports.append(server.sockets[0].getsockname()[1])
    print(json.dumps({"port": ports[0], "tls_port": ports[1]}), flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1])))

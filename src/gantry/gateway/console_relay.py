"""The way to the console: requests for the management API and the web UI, passed on over its socket, or to the machine
whose console serves this one too.

Law: no understanding. The console authenticates for itself; the worker takes the hop-by-hop fields off, says where the
request came from, which nobody else can, and that nobody shall guess what an answer is. Nothing here is a call, so
nothing is recorded. Another machine gets `X-Forwarded-For`, which it believes of trusted proxies; what came from one
goes no further. What only reads is asked again, once, when a kept connection turns out to be closed.
"""

from typing import Final

from gantry.core.errors import GatewayError, Overloaded, UpstreamFault
from gantry.dial.connection import UpstreamConnection
from gantry.dial.origin import Origin
from gantry.dial.pool import Pool
from gantry.gateway.client import ClientConnection
from gantry.gateway.client_address import CLIENT_ADDRESS, TrustedProxies
from gantry.gateway.headers import HOP_BY_HOP, encode_headers, with_named
from gantry.gateway.respond import Responder, answer_error
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Surface
from gantry.wire.body import LAST_CHUNK, encode_chunk
from gantry.wire.head import RequestHead, ResponseHead

_FORWARDED: Final = b"x-gantry-forwarded"
_NOT_CONSOLE: Final = HOP_BY_HOP | {CLIENT_ADDRESS, _FORWARDED}
_NOT_ELSEWHERE: Final = _NOT_CONSOLE | {b"x-forwarded-for"}
_NOT_CLIENT: Final = HOP_BY_HOP | {b"x-content-type-options"}
_NOSNIFF: Final = b"x-content-type-options: nosniff\r\n"
_EVENTS: Final = b"text/event-stream"
_SAFE: Final = ("GET", "HEAD")
_SECONDS_TO_ANSWER: Final = 60.0


class ConsoleRelay:
    """One request to the console and its answer. Both bodies pass as they come."""

    __slots__ = (
        "_client",
        "_connection",
        "_early",
        "_ended",
        "_head",
        "_is_elsewhere",
        "_is_kept",
        "_is_watch",
        "_last_byte",
        "_over",
        "_pool",
        "_proxies",
        "_responder",
        "_state",
        "_surface",
    )

    def __init__(
        self,
        state: WorkerState,
        console: Origin,
        client: ClientConnection,
        head: RequestHead,
        responder: Responder,
        surface: Surface,
        proxies: TrustedProxies,
    ) -> None:
        self._state = state
        self._pool: Pool = state.dialler.pool(console)
        self._is_elsewhere = console.unix_path is None
        self._client = client
        self._head = head
        self._responder = responder
        self._surface = surface
        self._proxies = proxies
        self._connection: UpstreamConnection | None = None
        self._early: list[bytes] = []
        self._ended = False
        self._over = False
        self._is_kept = False  # the connection served others before, and may have been closed meanwhile
        self._is_watch = False  # events without an end, which hold up nobody who leaves
        self._last_byte = state.now  # of the request: a large one may take longer to come than an answer may

    def begin(self, body: bytes | None) -> None:
        self._state.calls.add(self)
        if self._is_elsewhere and any(name == _FORWARDED for name, _ in self._head.headers):
            self._refuse(Overloaded("console_url of another machine leads here, and no console runs here"))
            return
        if body:
            self.on_request_body(body)
        if body is not None:
            self.on_request_end()
        self._client.pause_reading()
        self._pool.lease(self)

    def on_request_body(self, data: bytes) -> None:
        self._last_byte = self._state.now
        data = encode_chunk(data) if self._head.chunked else data
        if self._connection is None:
            self._early.append(data)
        else:
            self._connection.upload(data, last=False)

    def on_request_end(self) -> None:
        self._last_byte = self._state.now
        self._ended = True
        if self._connection is not None:
            self._connection.upload(LAST_CHUNK if self._head.chunked else b"", last=True)

    def on_client_gone(self) -> None:
        self._leave()

    def on_client_full(self) -> None:
        if self._connection is not None:
            self._connection.pause_reading()

    def on_client_drained(self) -> None:
        if self._connection is not None:
            self._connection.resume_reading()

    def refuse(self, error: GatewayError) -> None:
        if self._responder.started:
            self._leave()
            self._responder.cut()
        else:
            self._refuse(error)

    def check(self, now: float) -> None:
        if not self._responder.started and now - self._last_byte > _SECONDS_TO_ANSWER:
            self._refuse(Overloaded("the console did not answer in time; calls to providers are not affected"))
        elif self._is_watch and self._state.draining and not self._over:
            self._leave()
            self._responder.finish(b"")
            self._client.finish_exchange()

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        self._connection = connection
        self._is_kept = connect_time is None
        head = self._head
        address = self._proxies.client_of(self._client.peer, head.headers).encode("latin-1", "replace")
        if self._is_elsewhere:
            lines = [
                encode_headers(head.headers, with_named(_NOT_ELSEWHERE, head)),
                b"x-forwarded-for: %b\r\n%b: 1\r\n" % (address, _FORWARDED),
            ]
        else:
            lines = [
                encode_headers(head.headers, with_named(_NOT_CONSOLE, head)),
                b"%b: %b\r\n" % (CLIENT_ADDRESS, address),
            ]
        if head.chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        elif head.content_length is not None:
            lines.append(b"content-length: %d\r\n" % head.content_length)
        start = f"{head.method} ".encode() + head.target + b" HTTP/1.1\r\n"
        request = b"".join((start, *lines, b"\r\n", *self._early))
        self._early.clear()
        self._client.resume_reading()
        connection.send(request, head.method, self, complete=not head.has_body)
        if self._ended and head.has_body:
            connection.upload(LAST_CHUNK if head.chunked else b"", last=True)

    def on_connect_failed(self, fault: UpstreamFault) -> None:
        state = "is not reached at console_url" if self._is_elsewhere else "is not running or just starting"
        self._refuse(Overloaded(f"the console {state}; calls to providers are not affected"))

    def on_head(self, head: ResponseHead) -> None:
        lines = encode_headers(head.headers, with_named(_NOT_CLIENT, head))
        self._is_watch = any(name == b"content-type" and value.startswith(_EVENTS) for name, value in head.headers)
        self._responder.start(head.status, lines + _NOSNIFF, head.content_length)

    def on_data(self, data: bytes, last: bool) -> None:
        if not last:
            self._responder.pass_on(data)
            return
        self._connection = None
        self._responder.finish(data)
        if not self._over:
            self._leave()
            self._client.finish_exchange()

    def on_failure(self, fault: UpstreamFault) -> None:
        self._connection = None
        if self._responder.started:
            self._leave()
            self._responder.cut()
        elif self._is_kept and self._head.method in _SAFE and not self._head.has_body:
            self._pool.lease(self, fresh=True)
        else:
            self.on_connect_failed(fault)

    def on_upload_full(self) -> None:
        self._client.pause_reading()

    def on_upload_drained(self) -> None:
        self._client.resume_reading()

    def _refuse(self, error: GatewayError) -> None:
        if self._over:
            return
        self._leave()
        answer_error(self._responder, self._surface.dialect, error)
        self._client.finish_exchange()

    def _leave(self) -> None:
        self._over = True
        self._state.calls.discard(self)
        self._pool.cancel(self)
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.abort()

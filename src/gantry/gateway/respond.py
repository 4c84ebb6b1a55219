"""Writing one response to a client: head, framing and body, in as few writes as there were reads.

Law: a response is framed so that its cut can be seen: by length when it is known, else chunked; by the end of the
connection only towards HTTP/1.0. A head waits for the first bytes of its body, and leaves at the latest with `flush`.
"""

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final, Protocol

from gantry.core.errors import GatewayError
from gantry.core.vocabulary import Dialect
from gantry.dial.outbox import Outbox
from gantry.dialects.errors import encode_error
from gantry.wire.body import LAST_CHUNK, encode_chunk

_STATUS_LINES: Final = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_BODYLESS: Final = frozenset((204, 304))


class Client(Protocol):
    """The connection a response is written to."""

    def may_keep_alive(self) -> bool: ...
    def abort(self) -> None: ...


class Responder:
    """One response. `start`, then `send` or `pass_on` as often as there is something, then `finish`.

    It posts to the connection's transport itself: what each event of a stream goes through is kept short.
    """

    __slots__ = (
        "_bodyless",
        "_chunked",
        "_client",
        "_http11",
        "_method",
        "_outbox",
        "_pending",
        "_transport",
        "sent",
        "started",
        "will_close",
    )

    def __init__(
        self, client: Client, outbox: Outbox, transport: asyncio.WriteTransport, method: str, version: str
    ) -> None:
        self._client = client
        self._outbox = outbox
        self._transport = transport
        self._method = method
        self._http11 = version == "1.1"
        self._pending = b""
        self._chunked = False
        self._bodyless = False
        self.sent = 0  # bytes
        self.started = False
        self.will_close = False

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        """Set the head: header lines as bytes, and the body's length where it is known."""
        self.started = True
        http11 = self._http11
        bodyless = self._bodyless = self._method == "HEAD" or status in _BODYLESS
        close = self.will_close = not (http11 and self._client.may_keep_alive())
        line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status
        end = b"connection: close\r\n\r\n" if close else b"\r\n"
        if length is not None:
            framing = b"" if status in _BODYLESS else b"content-length: %d\r\n" % length
        else:
            self._chunked = http11 and not bodyless
            framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        self._pending = b"%b%b%b%b" % (line, headers, framing, end)

    def send(self, data: bytes) -> None:
        if self._bodyless or not data:
            return
        self._pending += encode_chunk(data) if self._chunked else data

    def pass_on(self, data: bytes) -> None:
        """Send and flush at once: what a stream does with each read."""
        if self._pending or self._bodyless or not data:
            self.send(data)
            self.flush()
        else:
            if self._chunked:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            self.sent += len(data)
            self._outbox.post(self._transport, data)

    def finish(self, data: bytes = b"") -> None:
        """Send the last bytes, and flush."""
        if self._chunked:
            data = b"%x\r\n%b\r\n%b" % (len(data), data, LAST_CHUNK) if data else LAST_CHUNK
        elif self._bodyless:
            data = b""
        self._post(self._pending + data)

    def flush(self) -> None:
        self._post(self._pending)

    def _post(self, data: bytes) -> None:
        if data:
            self._pending = b""
            self.sent += len(data)
            self._outbox.post(self._transport, data)

    def cut(self) -> None:
        """End an answer that cannot be completed in a way that the client notices: by breaking the connection."""
        self.flush()
        self._client.abort()


def answer_whole(responder: Responder, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
    """Write a response of our own, which is complete at once."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    responder.start(status, f"{lines}x-content-type-options: nosniff\r\n".encode("latin-1"), len(body))
    responder.finish(body)


def answer_error(responder: Responder, dialect: Dialect, error: GatewayError, log_id: str | None = None) -> int:
    """Write an error as the caller's dialect has it, and return its status."""
    wire = encode_error(dialect, error, log_id)
    answer_whole(responder, wire.status, wire.headers, wire.body)
    return wire.status

"""One request by the one dialler, as a coroutine: sent, and answered by a status and the beginning of a body.

Law: redirects are not followed: an answer that leads elsewhere is an answer. Of a body no more is read than was said.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from gantry.core.errors import GatewayError, UpstreamFault
from gantry.dial.connection import UpstreamConnection
from gantry.dial.origin import Origin
from gantry.dial.pool import Dialler
from gantry.wire.head import ResponseHead


class AskFailed(Exception):
    """No answer came; the message says why, without path, query or body."""


class _StaleConnection(AskFailed):
    """A connection from the pool ended without an answer."""


class Answer(Struct, frozen=True):
    """`body` is no longer than was to be read; `whole` says whether it is all there was."""

    status: int
    body: bytes
    whole: bool


class _Exchange:
    """The lease and the receiver of one request."""

    def __init__(self, method: str, request: bytes, body: bytes, most: int) -> None:
        self._method: Final = method
        self._request: Final = request
        self._body: Final = body
        self._most: Final = most
        self._read = bytearray()
        self._status = 0
        self._reused = False
        self.connection: UpstreamConnection | None = None
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        self.connection = connection
        self._reused = connect_time is None
        connection.send(self._request, self._method, self, self._body)

    def on_connect_failed(self, fault: UpstreamFault) -> None:
        self._fail(fault.message)

    def on_head(self, head: ResponseHead) -> None:
        self._status = head.status

    def on_data(self, data: bytes, last: bool) -> None:
        self._read += data
        whole = len(self._read) <= self._most
        if last:
            self.connection = None  # it is its pool's again
        elif whole:
            return
        else:
            self.drop()
        if not self.answer.done():
            self.answer.set_result(Answer(self._status, bytes(self._read[: self._most]), whole))

    def on_failure(self, fault: UpstreamFault) -> None:
        self.connection = None
        self._fail(fault.message)

    def refuse(self, error: GatewayError) -> None:
        self.connection = None
        self._fail(error.message)

    def on_upload_full(self) -> None:
        """What is written is in memory already."""

    def on_upload_drained(self) -> None:
        """As above."""

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.abort()
            self.connection = None

    def _fail(self, why: str) -> None:
        stale = self._reused and not self._status
        if not self.answer.done():
            self.answer.set_exception(_StaleConnection(why) if stale else AskFailed(why))


async def ask(
    dialler: Dialler,
    origin: Origin,
    target: str,
    *,
    method: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    most: int,
    seconds: float,
) -> Answer:
    """Send a request, and return its answer, with at most so many bytes of it, in time. Raises AskFailed.

    A connection that was used before may be half gone, and tells nothing of the other side: the request is sent by a
    new one then.
    """
    fields = (("Host", origin.authority), *headers, ("Content-Length", str(len(body))))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    request = f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1")
    try:
        async with asyncio.timeout(seconds):
            try:
                return await _ask(dialler, origin, _Exchange(method, request, body, most))
            except _StaleConnection:
                return await _ask(dialler, origin, _Exchange(method, request, body, most), fresh=True)
    except TimeoutError:
        raise AskFailed(f"{origin.authority} did not answer within {seconds:g} s") from None


async def _ask(dialler: Dialler, origin: Origin, exchange: _Exchange, *, fresh: bool = False) -> Answer:
    try:
        pool = dialler.pool(origin)
        pool.lease(exchange, fresh=fresh)
    except GatewayError as error:
        raise AskFailed(error.message) from None
    try:
        return await exchange.answer
    finally:
        pool.cancel(exchange)
        exchange.drop()

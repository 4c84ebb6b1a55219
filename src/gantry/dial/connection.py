"""One connection to an upstream: sends a request, hands the answer to a receiver, and goes back to its pool.

Law: the receiver hears `on_head`, then `on_data` once per read, so that one read upstream becomes one write downstream;
the last of them says so. Or it hears `on_failure`. Whatever is unclear about the connection's state closes it.

After `ask_upgrade`, a head with 101 may come; then all bytes of both sides are the other protocol's, up to the close.
"""

import asyncio
import logging
from typing import Protocol, cast

from gantry.core.errors import GatewayError, InternalError, UpstreamBroke, UpstreamFault, UpstreamUnreachable
from gantry.dial.outbox import Outbox
from gantry.wire.body import BodyReader, CloseBody, FramingError
from gantry.wire.head import ResponseHead
from gantry.wire.recognise import ResponseHeads

MAX_HEAD_BYTES = 256 * 1024
_OK = 200
_SWITCHING_PROTOCOLS = 101

logger = logging.getLogger(__name__)


class Receiver(Protocol):
    """Whoever asked: gets the answer as it arrives."""

    def on_head(self, head: ResponseHead) -> None:
        """The head is here; `on_data` follows at once, perhaps with nothing yet."""

    def on_data(self, data: bytes, last: bool) -> None: ...
    def on_failure(self, fault: UpstreamFault) -> None: ...
    def on_upload_full(self) -> None: ...
    def on_upload_drained(self) -> None: ...
    def refuse(self, error: GatewayError) -> None:
        """End: one of the above raised a fault of ours."""


class Owner(Protocol):
    """Whoever keeps the connection when nobody uses it, reads the heads of its origin, and writes for it."""

    heads: ResponseHeads
    outbox: Outbox

    def keep(self, connection: "UpstreamConnection") -> None: ...
    def forget(self, connection: "UpstreamConnection") -> None: ...


class UpstreamConnection(asyncio.Protocol):
    __slots__ = (
        "_body",
        "_buffer",
        "_keep_alive",
        "_may_switch",
        "_method",
        "_owner",
        "_receiver",
        "_upload_done",
        "answered",
        "idle_since",
        "opened_at",
        "peer",
        "transport",
        "uses",
    )

    def __init__(self, owner: Owner, peer: str, opened_at: float) -> None:
        self._owner = owner
        self.peer = peer
        self.opened_at = opened_at
        self.idle_since = opened_at
        self.uses = 0
        self.transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._method = ""
        self._buffer = b""
        self._keep_alive = False
        self._body: BodyReader | None = None
        self._upload_done = True
        self._may_switch = False
        self.answered = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, method: str, receiver: Receiver, beside: bytes = b"", complete: bool = True) -> None:
        """Send a request's bytes, and those `beside` it; more of its body follows by `upload` unless `complete`."""
        transport, outbox = self.transport, self._owner.outbox
        assert transport is not None
        self._receiver = receiver
        self._method = method
        self._body = None
        self._upload_done = complete
        self.answered = False
        self.uses += 1
        outbox.post(transport, request)
        if beside:
            outbox.post(transport, beside)

    def ask_upgrade(self, request: bytes, receiver: Receiver) -> None:
        """Send a GET that offers another protocol; if it is taken, `upload` sends its bytes."""
        self._may_switch = True  # for good: a request whose upload does not end leaves no connection to reuse
        self.send(request, "GET", receiver, complete=False)

    def upload(self, data: bytes, *, last: bool) -> None:
        """Send more of the request's body."""
        self._upload_done = last
        if self.transport is not None and data:
            self._owner.outbox.post(self.transport, data)

    def pause_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    @property
    def usable(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def abort(self) -> None:
        """Close at once: the receiver hears nothing more, and the upstream sees that nobody listens."""
        self._receiver = None
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        receiver = self._receiver
        if receiver is None:  # an idle connection has nothing to say that we could still use
            self.abort()
            return
        self.answered = True
        body = self._body
        try:
            if body is None:
                self._begin_answer(data, receiver)
                return
            data = body.feed(data)
            if body.done:
                self._finish(receiver, data, self._keep_alive and not body.rest)
            else:
                receiver.on_data(data, False)
        except FramingError as error:
            self._fail(UpstreamBroke(f"{self.peer} sent an answer that is not HTTP/1.1: {error}"))
        except Exception:  # the boundary of a connection: whoever waits for the answer must hear of it
            logger.exception("an answer of %s failed inside the gateway", self.peer)
            self._own_up(receiver)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.forget(self)
        self.transport = None
        receiver = self._receiver
        if receiver is None:
            return
        try:
            if isinstance(self._body, CloseBody) and exc is None:
                self._receiver = None
                receiver.on_data(b"", True)
            elif not self.answered:
                self._fail(UpstreamUnreachable(f"{self.peer} closed the connection without an answer"))
            else:
                self._fail(UpstreamBroke(f"{self.peer} closed the connection inside its answer"))
        except Exception:  # the boundary of a connection: whoever waits for the answer must hear of it
            logger.exception("an answer of %s failed inside the gateway", self.peer)
            self._own_up(receiver)

    def pause_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.on_upload_full()

    def resume_writing(self) -> None:
        if self._receiver is not None:
            self._receiver.on_upload_drained()

    def _begin_answer(self, data: bytes, receiver: Receiver) -> None:
        head = None if self._buffer else self._owner.heads.find(data)
        if head is None or head.status < _OK:
            head = self._read_head(data)
            if head is None:
                return
            data = head.data
        receiver.on_head(head)
        if self._receiver is not receiver:
            return
        data = data[head.size :]
        if len(data) == head.content_length and head.has_body(self._method):
            self._finish(receiver, data, head.keep_alive)  # whole, as most answers come
            return
        self._keep_alive = head.keep_alive
        switched = head.status == _SWITCHING_PROTOCOLS
        body = self._body = CloseBody() if switched else head.body_reader(self._method)
        data = body.feed(data)
        if body.done:
            self._finish(receiver, data, head.keep_alive and not body.rest)
        else:
            receiver.on_data(data, False)

    def _read_head(self, data: bytes) -> ResponseHead | None:
        """Return the final response's head with what follows it; interim ones (1xx) are passed over (RFC 9110 §15.2).

        None when it is not whole yet; what is here is kept.
        """
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4 or end > MAX_HEAD_BYTES:
                if len(data) > MAX_HEAD_BYTES:
                    raise FramingError(f"its headers are longer than {MAX_HEAD_BYTES} bytes")
                self._buffer = data
                return None
            head = self._owner.heads.read(data[:end])
            if head.status >= _OK or head.status == _SWITCHING_PROTOCOLS:
                if head.status < _OK and not self._may_switch:
                    raise FramingError("it switched protocols unasked")
                head.data = data
                return head
            data = data[end:]

    def _finish(self, receiver: Receiver, data: bytes, reusable: bool) -> None:
        self._receiver = None
        self._body = None
        receiver.on_data(data, True)
        transport = self.transport
        if reusable and self._upload_done and transport is not None and not transport.is_closing():
            self._owner.keep(self)
        else:
            self.abort()

    def _own_up(self, receiver: Receiver) -> None:
        """Say that the fault was ours."""
        if self._receiver is None or self._receiver is receiver:  # else the next call has the connection already
            self.abort()
        receiver.refuse(InternalError("a fault inside the gateway; its log has the details"))

    def _fail(self, fault: UpstreamFault) -> None:
        receiver = self._receiver
        self.abort()
        if receiver is not None:
            receiver.on_failure(fault)

"""A client's connection: request framing, pipelining in order, bounds, and the writes of one response after another.

Law: one exchange at a time. While it lasts, later requests wait in a bounded buffer with reading paused; its response
is complete before the next head is parsed. After a request that was not read to its end the connection lingers,
discarding, so that the client gets to read why before it sees a reset (RFC 9112 §9.6).

An exchange may switch protocols: from then on all bytes are its own, until it ends the connection.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import Enum, auto
from typing import cast

from gantry.board.board import Word
from gantry.core.errors import GatewayError, InternalError, InvalidRequest, RequestTimeout
from gantry.gateway.exchange import Exchange
from gantry.gateway.respond import Responder
from gantry.gateway.state import WorkerState
from gantry.wire.body import BodyReader, CloseBody, FramingError
from gantry.wire.head import RequestHead, find_head_end, parse_request_head
from gantry.wire.recognise import HeadTemplate

logger = logging.getLogger(__name__)

_MAX_PIPELINED_BYTES = 256 * 1024
_LINGER_SECONDS = 5.0
_NEW_SECONDS = 2.0  # in which who has just connected may send a first request though the worker drains
_WRITE_HIGH_WATER = 256 * 1024


class Phase(Enum):
    IDLE = auto()  # between requests
    HEAD = auto()  # some bytes of a head are here
    BODY = auto()
    ANSWERING = auto()  # the request is complete, its response is not
    LINGERING = auto()  # answered; what still comes is discarded
    CLOSED = auto()


# Python 3.11 reads an enum's member through a descriptor, which costs a tenth of a microsecond each time.
IDLE, HEAD, BODY, ANSWERING, LINGERING, CLOSED = Phase
_CONNECTIONS = int(Word.CONNECTIONS)


class ClientConnection(asyncio.Protocol):
    __slots__ = (
        "_body",
        "_buffer",
        "_choose",
        "_exchange",
        "_full",
        "_head",
        "_outbox",
        "_paused",
        "_reject",
        "_responder",
        "_since",
        "_state",
        "_template",
        "phase",
        "transport",
    )

    def __init__(
        self,
        state: WorkerState,
        choose: Callable[["ClientConnection", RequestHead, Responder], Exchange],
        reject: Callable[[GatewayError, Responder], None],
    ) -> None:
        self._state = state
        self._choose = choose
        self._reject = reject
        self._buffer = b""
        self._outbox = state.dialler.outbox
        self._head: RequestHead | None = None
        self._template: HeadTemplate | None = None
        self._body: BodyReader | None = None
        self._exchange: Exchange | None = None
        self._responder: Responder | None = None
        self._since = state.now
        self._paused = False
        self._full = False  # more is written than the client has read
        self.phase = IDLE
        self.transport: asyncio.Transport | None = None

    def may_keep_alive(self) -> bool:
        head = self._head
        return head is not None and self.phase is ANSWERING and head.keep_alive and not self._state.draining

    @property
    def peer(self) -> str:
        """The address at the other end of the connection; empty when there is none."""
        name = None if self.transport is None else self.transport.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_WRITE_HIGH_WATER)
        self._state.clients.add(self)
        self._state.slot.add(_CONNECTIONS)

    def connection_lost(self, exc: Exception | None) -> None:
        self.phase = CLOSED
        self.transport = None
        self._state.clients.discard(self)
        self._state.slot.add(_CONNECTIONS, -1)
        exchange, responder = self._exchange, self._responder
        self._exchange = self._responder = None
        if responder is not None:
            self._state.bytes_out += responder.sent
        if exchange is not None:
            exchange.on_client_gone()
        if self._template is not None:
            self._template.forget()

    def eof_received(self) -> bool:
        """Take the end of the client's side as its leaving: what waits for nothing else would run on unheard."""
        return False

    def data_received(self, data: bytes) -> None:
        phase = self.phase
        try:
            if phase is IDLE or phase is HEAD:
                self._read_head(self._buffer + data if self._buffer else data)
            elif phase is BODY:
                self._read_body(data)
            elif phase is ANSWERING:
                self._hold(data)
        except GatewayError as error:
            self._refuse(error)
        except FramingError as error:
            self._refuse(InvalidRequest(f"malformed request body: {error}"))
        except Exception:  # the boundary of a connection: one call's fault must not be another's
            logger.exception("a call failed inside the gateway")
            self._refuse(InternalError("a fault inside the gateway; its log has the details"))

    def write(self, data: bytes) -> None:
        transport = self.transport
        if transport is not None:
            self._outbox.post(transport, data)
            self._state.bytes_out += len(data)

    def abort(self) -> None:
        if self.transport is not None:
            self._outbox.flush()
            self.transport.abort()

    def pause_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._full = True
        if self._exchange is not None:
            self._exchange.on_client_full()

    def resume_writing(self) -> None:
        self._full = False
        if self._exchange is not None:
            self._exchange.on_client_drained()
        else:
            self._continue()

    def finish_exchange(self) -> None:
        """The response is written: go on to the next request, or close."""
        responder, transport = self._responder, self.transport
        unread = self.phase is BODY
        if responder is not None:
            self._state.bytes_out += responder.sent
        self._exchange = self._responder = self._head = self._body = None
        self._since = self._state.now
        if transport is None or transport.is_closing():
            return
        if unread:
            self.phase = LINGERING
            self._buffer = b""
            self.resume_reading()
        elif responder is None or responder.will_close or self._state.draining:
            self._close()
        elif self._full:
            self.phase = IDLE
            self.pause_reading()  # a client that asks without reading would fill our memory with answers
        else:
            self.phase = IDLE
            if self._paused:
                self.resume_reading()  # an upload that ended early may have left it so
            if self._buffer:
                # Not from here: the stack may be deep in the exchange that just ended, and pipelines can be long.
                asyncio.get_running_loop().call_soon(self._continue)

    def hand_over(self, exchange: Exchange) -> None:
        """Let another exchange answer the request, which is complete."""
        self._exchange = exchange
        exchange.begin(None)

    def switch(self) -> None:
        """Hand every byte from here on to the exchange, which has answered with another protocol."""
        self.phase = BODY
        self._body = CloseBody()
        early = self._buffer
        self._buffer = b""
        self.resume_reading()
        if early:
            self._read_body(early)

    def finish_switched(self, *, linger: bool) -> None:
        """End after `switch`: at once, or when the client had time to read the end of what it still talks into."""
        self._exchange = None
        self._since = self._state.now
        if self.transport is None or self.transport.is_closing():
            return
        if not linger or not self.transport.can_write_eof():  # TLS reads on until the client has closed, too
            self._close()
            return
        self.phase = LINGERING
        self.resume_reading()
        self._outbox.flush()
        self.transport.write_eof()

    def tick(self, now: float) -> None:
        """Close what is slow or idle for too long (slow-header and keep-alive timeouts)."""
        limits = self._state.limits
        waited = now - self._since
        if self.phase is IDLE:
            is_new = self._template is None and waited < _NEW_SECONDS
            if waited > limits.keepalive_timeout or (self._state.draining and not is_new):
                self._close()
        elif self.phase is HEAD:
            if waited > limits.header_timeout:
                self._refuse(RequestTimeout("the request's headers did not arrive in time"))
        elif self.phase is BODY:
            if isinstance(self._body, CloseBody):
                return  # another protocol, whose exchange has deadlines of its own
            if waited > limits.body_timeout and (self.transport is None or self.transport.is_reading()):
                self._refuse(RequestTimeout("the request's body stopped arriving"))
        elif self.phase is LINGERING:
            unread = self.transport is not None and self.transport.get_write_buffer_size() > 0
            if waited > (limits.idle_timeout if unread else _LINGER_SECONDS):
                self.abort()
        elif self.phase is CLOSED and waited > limits.idle_timeout:
            self.abort()  # it does not read the end of its answer

    def _close(self) -> None:
        """Close once everything that was written has left."""
        self.phase = CLOSED
        if self.transport is not None:
            self._outbox.flush()
            self.transport.close()

    def _continue(self) -> None:
        if self.phase is IDLE and not self._full:
            self.resume_reading()
            self.data_received(b"")

    def _hold(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > _MAX_PIPELINED_BYTES:
            self.pause_reading()

    def _read_head(self, buffer: bytes) -> None:
        template = self._template
        head = template.match(buffer) if template is not None else None
        if head is None:
            head = self._parse_head(buffer)
            if head is None:
                return
            buffer = self._buffer
        self._begin(head, buffer[head.size :])

    def _parse_head(self, buffer: bytes) -> RequestHead | None:
        """Return the head that begins these bytes, and keep them until it is whole. Raises GatewayError."""
        if buffer[:1] == b"\r":
            buffer = buffer.lstrip(b"\r\n")  # an empty line before a request is ignored (RFC 9112 §2.2)
        self._buffer = buffer
        if not buffer:
            return None
        end = find_head_end(buffer, self._state.limits.max_header_bytes)
        if end < 0:
            if self.phase is IDLE:
                self.phase = HEAD
                self._since = self._state.now  # a head has its time from its first byte on, however it trickles
            return None
        head = parse_request_head(buffer[:end])
        if self._template is not None:
            self._template.forget()
        self._template = HeadTemplate(buffer[:end], head)
        return head

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        self._head = head
        self._buffer = b""
        transport = self.transport
        assert transport is not None
        responder = self._responder = Responder(self, self._outbox, transport, head.method, head.version)
        self._since = self._state.now
        size = head.content_length or 0
        body: bytes | None = None
        if head.chunked or len(rest) < size:
            self.phase = BODY
            self._body = head.body_reader()
        else:
            self.phase = ANSWERING
            self._body = None
            body = rest
            if len(rest) > size:
                body = rest[:size]
                self._buffer = rest[size:]  # before `begin`, which may answer at once and go on to it
        exchange = self._exchange = self._choose(self, head, responder)
        exchange.begin(body)
        if body is not None or self._exchange is not exchange:
            return
        if rest:
            self._read_body(rest)
        elif head.expects_continue:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self, data: bytes) -> None:
        self._since = self._state.now
        body = self._body
        exchange = self._exchange
        assert body is not None
        assert exchange is not None
        data = body.feed(data)
        if data:
            exchange.on_request_body(data)
        if body.done and self._exchange is exchange:
            self.phase = ANSWERING
            self._buffer = body.rest
            exchange.on_request_end()

    def _refuse(self, error: GatewayError) -> None:
        """Answer what cannot be understood, and close: nobody knows where the next request would begin."""
        self._head = None  # so that the connection is not kept alive
        if self._exchange is not None:
            self._exchange.refuse(error)
            return
        if self.transport is None:
            return
        self._responder = Responder(self, self._outbox, self.transport, "GET", "1.1")
        self._reject(error, self._responder)
        self.phase = BODY  # whatever follows is not read
        self.finish_exchange()

"""A question of our own to a deployment: one GET, or the POST of a form, its whole answer collected.

Law: it ends in exactly one call to `on_done`, perhaps before `start` returns; after `cancel` in none. The answer is
bounded in bytes and in time, and decoded. A pooled connection that the upstream closed is replaced once: to ask again
changes nothing there.
"""

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gantry.core.errors import Fault, GatewayError, UpstreamBroke, UpstreamFault, UpstreamTimeout, UpstreamUnreachable
from gantry.core.vocabulary import Outcome
from gantry.dial.connection import UpstreamConnection
from gantry.dialects.content_coding import decode_content
from gantry.gateway.headers import read_kind
from gantry.gateway.state import Departure, WorkerState
from gantry.wire.head import ResponseHead

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_HEADERS: Final = b"accept: application/json\r\naccept-encoding: identity\r\nuser-agent: gantry\r\n\r\n"


class Fetched(Struct, frozen=True):
    """What came of it: an answer of whatever status, or the error why there is none."""

    status: int | None
    body: bytes
    error: GatewayError | None
    connect_time: float | None  # in seconds; None when a pooled connection served


class Fetch:
    """One question, from where `departure` says, for `patience` seconds."""

    __slots__ = (
        "_body",
        "_connect_time",
        "_connection",
        "_deadline",
        "_departure",
        "_encoding",
        "_framing",
        "_held",
        "_on_done",
        "_over",
        "_patience",
        "_pieces",
        "_replayed",
        "_state",
        "_status",
        "started_at",
    )

    def __init__(
        self,
        state: WorkerState,
        departure: Departure,
        patience: float,
        on_done: Callable[[Fetched], None],
        body: bytes = b"",
        content_type: str = "",
    ) -> None:
        """A body with its type is sent along; the method is the departure's."""
        self._state = state
        self._departure = departure
        self._body = body
        self._framing = b""
        if content_type:
            self._framing = f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n".encode()
        self._patience = patience
        self._on_done = on_done
        self._deadline = state.now + patience
        self._connection: UpstreamConnection | None = None
        self._connect_time: float | None = None
        self._status: int | None = None
        self._encoding = ""
        self._pieces: list[bytes] = []
        self._held = 0
        self._replayed = False
        self._over = False
        self.started_at = time.perf_counter_ns()

    def start(self) -> None:
        self._state.calls.add(self)
        self._departure.pool.lease(self)

    def cancel(self) -> None:
        """Free the upstream; nothing is heard of this any more."""
        if not self._over:
            self._leave()

    def check(self, now: float) -> None:
        if now > self._deadline:
            authority = self._departure.pool.origin.authority
            self._finish(UpstreamTimeout(f"{authority} did not answer within {self._patience:g} s"))

    def refuse(self, error: GatewayError) -> None:
        self._finish(error)

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        self._connection = connection
        self._connect_time = connect_time
        departure = self._departure
        method = departure.target.partition(b" ")[0].decode()
        beginning = b"%b HTTP/1.1\r\n%b" % (departure.target, departure.lines)
        connection.send(b"%b%b%b%b" % (beginning, self._framing, _HEADERS, self._body), method, self)

    def on_connect_failed(self, fault: UpstreamFault) -> None:
        self._finish(fault)

    def on_head(self, head: ResponseHead) -> None:
        self._status = head.status
        self._encoding = read_kind(head).encoding

    def on_data(self, data: bytes, last: bool) -> None:
        self._pieces.append(data)
        self._held += len(data)
        if self._held > MAX_ANSWER_BYTES:
            self._finish(self._broke(f"is longer than {MAX_ANSWER_BYTES} bytes"))
        elif last:
            self._connection = None
            decoded = decode_content(b"".join(self._pieces), self._encoding, MAX_ANSWER_BYTES)
            self._finish(None if decoded.problem is None else self._broke(decoded.problem), decoded.body)

    def on_failure(self, fault: UpstreamFault) -> None:
        connection = self._connection
        self._connection = None
        unread = connection is not None and not connection.answered
        if unread and self._connect_time is None and not self._replayed:
            self._replayed = True
            self._departure.pool.lease(self, fresh=True)
        else:
            self._finish(fault)

    def on_upload_full(self) -> None:
        """The body is small, and sent at once."""

    def on_upload_drained(self) -> None:
        """The body is small, and sent at once."""

    def _broke(self, why: str) -> UpstreamBroke:
        return UpstreamBroke(f"the answer of {self._departure.pool.origin.authority}: {why}")

    def _finish(self, error: GatewayError | None, body: bytes = b"") -> None:
        if self._over:
            return
        self._leave()
        self._on_done(Fetched(self._status, b"" if error is not None else body, error, self._connect_time))

    def _leave(self) -> None:
        self._over = True
        self._state.calls.discard(self)
        self._pieces.clear()
        connection = self._connection
        self._connection = None
        if connection is None:
            self._departure.pool.cancel(self)
        else:
            connection.abort()


def outcome_of(error: GatewayError) -> Outcome:
    """Return the outcome of what ended with an error."""
    if isinstance(error, UpstreamTimeout):
        return Outcome.TIMEOUT
    if isinstance(error, UpstreamBroke):
        return Outcome.UPSTREAM_BROKE
    if isinstance(error, UpstreamUnreachable):
        return Outcome.UPSTREAM_UNREACHABLE
    return _OUTCOME_OF[error.fault]


def outcome_before_answer(error: GatewayError) -> Outcome:
    """Return the outcome of a call that had no answer yet: whatever its provider did, it could not be reached."""
    if error.fault is Fault.UPSTREAM and not isinstance(error, UpstreamTimeout):
        return Outcome.UPSTREAM_UNREACHABLE
    return outcome_of(error)


_OUTCOME_OF: Final = {
    Fault.CALLER: Outcome.REFUSED,
    Fault.UPSTREAM: Outcome.UPSTREAM_ERROR,
    Fault.GATEWAY: Outcome.GATEWAY_ERROR,
}

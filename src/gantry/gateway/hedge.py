"""Hedging: a second attempt beside one that keeps the caller waiting. Whichever comes to its content first, answers.

Law: nothing of either has left before one has won, and the other is cut off at once; both are on record. Hedges may be
a share of the calls and no more, so that a provider that slows down is not asked twice by everybody.
"""

import time
from typing import Protocol

from gantry.core.errors import GatewayError, UpstreamFault
from gantry.core.vocabulary import Outcome
from gantry.dial.connection import UpstreamConnection
from gantry.gateway.opening import Opened, Opening
from gantry.gateway.prepare import Voyage
from gantry.gateway.surfaces import Surface
from gantry.wire.head import ResponseHead


class Judge(Protocol):
    """Who decides between a call's own attempt and its rival."""

    def adopt(self, rival: "Rival") -> None: ...
    def drop(
        self, rival: "Rival", outcome: Outcome, error: str | None, answer: ResponseHead | None, body: bytes = b""
    ) -> None: ...


class Hedged(Opened, Protocol):
    """The call that has a rival beside its own attempt."""

    def set_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        """Note that the attempt that is the call's own now has its connection."""

    def on_connect_failed(self, fault: UpstreamFault) -> None: ...


class Rival:
    """The second attempt: it leases its connection and hears its answer itself, until it is the call's own."""

    __slots__ = (
        "_call",
        "_is_calls",
        "_judge",
        "_method",
        "_surface",
        "connect_time",
        "connection",
        "started",
        "voyage",
    )

    def __init__(self, call: Hedged, judge: Judge, voyage: Voyage, method: str, surface: Surface) -> None:
        self._call = call
        self._judge = judge
        self._method = method
        self._surface = surface
        self._is_calls = False
        self.voyage = voyage
        self.started = time.perf_counter_ns()
        self.connection: UpstreamConnection | None = None
        self.connect_time: float | None = None

    def set_out(self) -> None:
        self.voyage.pool.lease(self)

    def become_the_calls(self) -> None:
        """What happens from now on happens to the call."""
        self._is_calls = True

    def stop(self) -> None:
        """Free the upstream."""
        if self.connection is None:
            self.voyage.pool.cancel(self)
        else:
            self.connection.abort()

    # The lease

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        self.connection, self.connect_time = connection, connect_time
        if self._is_calls:
            self._call.set_connection(connection, connect_time)
        connection.send(self.voyage.request, self._method, Opening(self, self._surface), self.voyage.beside)

    def on_connect_failed(self, fault: UpstreamFault) -> None:
        if self._is_calls:
            self._call.on_connect_failed(fault)
        else:
            self._judge.drop(self, Outcome.UPSTREAM_UNREACHABLE, fault.message, None)

    # What its opening sees

    def go_elsewhere(
        self, outcome: Outcome, error: str | None, answer: ResponseHead | None = None, body: bytes = b"", *, whole: bool
    ) -> bool:
        if self._is_calls:
            return self._call.go_elsewhere(outcome, error, answer, body, whole=whole)
        if whole:
            self.connection = None
        self._judge.drop(self, outcome, error, answer, body)
        return True

    def on_head(self, head: ResponseHead) -> None:
        if not self._is_calls:
            self._judge.adopt(self)
        self._call.on_head(head)

    def on_data(self, data: bytes, last: bool) -> None:
        self._call.on_data(data, last)

    def on_failure(self, fault: UpstreamFault) -> None:
        if self._is_calls:
            self._call.on_failure(fault)
        else:
            self._judge.drop(self, Outcome.UPSTREAM_UNREACHABLE, fault.message, None)

    def on_upload_full(self) -> None:
        """The whole request was here before it was sent: there is nothing to pause."""

    def on_upload_drained(self) -> None:
        """As above."""

    def refuse(self, error: GatewayError) -> None:
        self._call.refuse(error)

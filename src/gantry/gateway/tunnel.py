"""A tunnel: one admitted WebSocket, from its offer to the last byte of either side. Steps 3 to 9 of a request's path.

Law: as for a call, exactly one record (law 5), opened before any byte goes upstream and closed before the write that
carries the upstream's close frame. Bytes pass as they come, each side held back while the other is full. What is read
of them is for the record alone, and for knowing where a close frame of ours may stand; where none may, the connection
is cut. An upstream that refuses is relayed as the HTTP answer that it gave.
"""

import math
import time
from enum import Enum, auto
from typing import Final

from gantry.board.board import Word
from gantry.core.errors import (
    Draining,
    Fault,
    GatewayError,
    InvalidRequest,
    Unauthenticated,
    UpstreamBroke,
    UpstreamFault,
    UpstreamTimeout,
)
from gantry.core.vocabulary import Outcome
from gantry.dial.connection import UpstreamConnection
from gantry.gateway.authority import shows_itself
from gantry.gateway.client import ClientConnection
from gantry.gateway.headers import AnswerKind, encode_client_headers, read_kind, request_id_in
from gantry.gateway.intake import Intake
from gantry.gateway.recording import Recording
from gantry.gateway.respond import Responder, answer_error
from gantry.gateway.state import WorkerState
from gantry.gateway.transcript import Transcript
from gantry.gateway.upgrade import Offer, ask, check_acceptance, make_offer
from gantry.gateway.waits import Awaited
from gantry.routing.snapshot import KeyRecord
from gantry.wire.head import RequestHead, ResponseHead
from gantry.wire.websocket import CloseCode, encode_close

_SWITCHING: Final = 101
_OPENING: Final = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
_FAREWELL_SECONDS: Final = 10.0  # from one side's close frame to the end of the connection
_OUTCOME_OF: Final = {
    Fault.CALLER: Outcome.REFUSED,
    Fault.UPSTREAM: Outcome.UPSTREAM_UNREACHABLE,
    Fault.GATEWAY: Outcome.GATEWAY_ERROR,
}


class Stage(Enum):
    CONNECTING = auto()
    WAITING = auto()  # asked; no answer yet
    REFUSED = auto()  # the upstream answers with HTTP
    OPEN = auto()
    OVER = auto()


class Tunnel:
    __slots__ = (
        "_asked",
        "_attempt_started",
        "_client",
        "_closing_since",
        "_connect_time",
        "_connection",
        "_deadline",
        "_head",
        "_intake",
        "_kind",
        "_last_byte",
        "_offer",
        "_paused",
        "_recording",
        "_request",
        "_responder",
        "_said",
        "_stage",
        "_state",
        "_status",
    )

    def __init__(
        self, state: WorkerState, client: ClientConnection, head: RequestHead, responder: Responder, intake: Intake
    ) -> None:
        self._state = state
        self._client = client
        self._request = head
        self._responder = responder
        self._intake = intake
        self._stage = Stage.CONNECTING
        self._recording: Recording | None = None
        self._offer: Offer | None = None
        self._attempt_started = 0
        self._connection: UpstreamConnection | None = None
        self._connect_time: float | None = None
        self._head: ResponseHead | None = None
        self._kind: AnswerKind | None = None
        self._status = 0
        self._asked: Transcript | None = None  # what the client says
        self._said: Transcript | None = None  # what the upstream says
        self._paused = False
        self._last_byte = state.now
        self._deadline = state.now + (state.limits.total_timeout or math.inf)
        self._closing_since = math.inf

    # The offer

    def begin(self, body: bytes | None) -> None:
        state = self._state
        now_ns = time.time_ns()
        try:
            key = self._intake.admit(now_ns)
        except GatewayError as error:
            if isinstance(error, Unauthenticated):
                state.slot.add(Word.STRANGERS)
            self._answer(error)
            return
        self._recording = recording = Recording(state, key, self._intake, now_ns)
        state.calls.add(self)
        try:
            self._intake.check_rights(key)
            self._set_out(key, recording)
        except GatewayError as error:
            self._fail(error)

    def _set_out(self, key: KeyRecord, recording: Recording) -> None:
        """Plan the tunnel, write its open frame and connect. Raises GatewayError."""
        question = ask(self._intake, self._request)
        try:
            offer = make_offer(self._state, self._intake, key, self._request, question)
            hold = recording.begin_hold(question)
            if hold is not None:
                hold.take(offer.attempt, offer.pool.origin.host)
            if not shows_itself(offer.attempt):
                raise InvalidRequest(f"{offer.attempt.route.provider.name} cannot be reached by WebSocket yet")
        except Awaited as needed:
            needed.wait(self._go_on)
            return
        except GatewayError:
            recording.open(self._request, question, even_when_full=True)
            raise
        recording.open(self._request, question)
        self._offer = offer
        self._attempt_started = time.perf_counter_ns()
        # A new connection: it ends with the tunnel, and one that was pooled may be gone without our knowing.
        offer.pool.lease(self, fresh=True)

    def _go_on(self, error: GatewayError | None) -> None:
        """Set out now that what was waited for is here."""
        key, recording = self._intake.key, self._recording
        if self._stage is Stage.OVER or key is None or recording is None:
            return
        try:
            if error is not None:
                raise error
            self._set_out(key, recording)
        except GatewayError as failure:
            self._fail(failure)

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        assert self._recording is not None
        assert self._offer is not None
        self._connection = connection
        self._connect_time = connect_time
        self._stage = Stage.WAITING
        self._last_byte = self._state.now
        self._recording.sent_at = time.perf_counter_ns()
        connection.ask_upgrade(self._offer.request, self)

    def on_connect_failed(self, fault: UpstreamFault) -> None:
        self._fail(fault)

    # The upstream's side

    def on_head(self, head: ResponseHead) -> None:
        assert self._offer is not None
        self._head = head
        self._kind = kind = read_kind(head)
        self._last_byte = self._state.now
        if head.status == _SWITCHING:
            try:
                check_acceptance(self._offer, head)
            except UpstreamFault as fault:
                self._fail(fault, Outcome.UPSTREAM_BROKE)
                return
            self._open(head)
            return
        self._stage = Stage.REFUSED
        self._status = head.status
        headers = encode_client_headers(head, self._log_id, stream=kind.is_stream, rewritten=False)
        self._responder.start(head.status, headers, head.content_length)

    def _open(self, head: ResponseHead) -> None:
        """Switch protocols: from here on, all is bytes."""
        recording = self._recording
        assert recording is not None
        assert recording.answer is not None
        self._stage = Stage.OPEN
        self._status = _SWITCHING
        self._said = Transcript(recording.answer)
        self._asked = Transcript(recording.capture_request())
        headers = encode_client_headers(head, self._log_id, stream=True, rewritten=False)
        self._responder.started = True
        self._client.write(b"%b%b\r\n" % (_OPENING, headers))
        self._client.switch()

    def on_data(self, data: bytes, last: bool) -> None:
        recording = self._recording
        assert recording is not None
        self._last_byte = self._state.now
        if data and not recording.first_byte_at:
            recording.first_byte_at = time.perf_counter_ns()
        if self._stage is Stage.REFUSED:
            self._relay_refusal(recording, data, last)
            return
        said = self._said
        assert said is not None
        if data:
            closing = said.farewell is not None
            said.feed(data)
            if said.farewell is not None and not closing:
                self._settle()
            self._client.write(data)
        if last:
            self._connection = None
            self._on_upstream_gone(UpstreamBroke("the provider closed the connection without a close frame"))

    def _relay_refusal(self, recording: Recording, data: bytes, last: bool) -> None:
        assert recording.answer is not None
        recording.answer.feed(data)
        if not last:
            self._responder.pass_on(data)
            return
        self._connection = None
        outcome = Outcome.SUCCESS if self._status < 400 else Outcome.UPSTREAM_ERROR
        self._close_record(outcome, self._status, None)
        self._responder.finish(data)
        self._leave()
        self._client.finish_exchange()

    def on_failure(self, fault: UpstreamFault) -> None:
        self._connection = None
        if self._stage is Stage.OPEN:
            self._on_upstream_gone(fault)
        else:
            self._fail(fault, Outcome.UPSTREAM_BROKE if self._head is not None else None)

    def _on_upstream_gone(self, fault: UpstreamFault) -> None:
        """End what the upstream has ended: in order after a close frame of either side, else as a fault."""
        assert self._said is not None
        assert self._asked is not None
        if self._said.farewell is None and self._asked.farewell is None:
            self._fail(fault, Outcome.UPSTREAM_BROKE)
            return
        self._settle()
        self._hang_up()

    def on_upload_full(self) -> None:
        self._client.pause_reading()

    def on_upload_drained(self) -> None:
        self._client.resume_reading()

    # The client's side

    def on_request_body(self, data: bytes) -> None:
        self._last_byte = self._state.now
        if self._stage is not Stage.OPEN or self._asked is None or self._connection is None:
            return
        self._asked.feed(data)
        if self._asked.farewell is not None:
            self._closing_since = min(self._closing_since, self._state.now)
        self._connection.upload(data, last=False)

    def on_request_end(self) -> None:
        """Nothing: what an offer carries is complete with its head, and a tunnel's bytes end with the connection."""

    def on_client_gone(self) -> None:
        self._abandon("the client closed the connection")

    def on_client_full(self) -> None:
        self._paused = True
        if self._connection is not None:
            self._connection.pause_reading()

    def on_client_drained(self) -> None:
        self._paused = False
        self._last_byte = self._state.now
        if self._connection is not None:
            self._connection.resume_reading()

    def refuse(self, error: GatewayError) -> None:
        self._fail(error)

    # Deadlines

    def check(self, now: float) -> None:
        limits = self._state.limits
        waited = now - self._last_byte
        if self._stage is Stage.CONNECTING and waited > limits.connect_timeout:
            self._time_out(f"no connection to the provider within {limits.connect_timeout:g} s")
        elif self._stage is Stage.WAITING and waited > limits.first_byte_timeout:
            self._time_out(f"the provider did not answer within {limits.first_byte_timeout:g} s")
        elif now - self._closing_since > _FAREWELL_SECONDS:
            self._settle()
            self._hang_up()
        elif waited > limits.idle_timeout:
            if self._paused:
                self._abandon(f"the client read nothing for {limits.idle_timeout:g} s")
                self._client.abort()
            else:
                self._time_out(f"neither side said anything for {limits.idle_timeout:g} s")
        elif now > self._deadline:
            self._time_out(f"the connection was open for longer than {limits.total_timeout} s")

    def _time_out(self, message: str) -> None:
        self._fail(UpstreamTimeout(message), Outcome.TIMEOUT)

    # Endings

    def _settle(self) -> None:
        """Record an end in order: both sides took leave, or one of them did and the other went."""
        self._closing_since = min(self._closing_since, self._state.now)
        said = self._said.farewell if self._said is not None else None
        if said is None or not said.is_fault:
            self._close_record(Outcome.SUCCESS, _SWITCHING, None)
            return
        reason = f": {said.reason}" if said.reason else ""
        self._close_record(Outcome.UPSTREAM_ERROR, _SWITCHING, f"the provider closed with the code {said.code}{reason}")

    def _hang_up(self) -> None:
        """End both connections. A client that has not taken leave may be talking, and gets time to hear us."""
        self._stop_upstream()
        self._leave()
        self._client.finish_switched(linger=self._asked is None or self._asked.farewell is None)

    def _abandon(self, why: str) -> None:
        """End a tunnel whose client is gone."""
        if self._stage is Stage.OVER:
            return
        if self._asked is not None and self._asked.farewell is not None:
            self._settle()
        self._stop_upstream()
        self._close_record(Outcome.CLIENT_GONE, self._status, why)
        self._leave()

    def _fail(self, error: GatewayError, outcome: Outcome | None = None) -> None:
        """End with an error: as an answer, as a close frame where one may stand, else by cutting the connection."""
        if self._stage is Stage.OVER:
            return
        self._stop_upstream()
        started = self._responder.started
        status = self._status if started else error.status
        self._close_record(outcome or _OUTCOME_OF[error.fault], status, error.message)
        if not started:
            self._answer(error)
            return
        said = self._said
        if said is not None and said.at_boundary:
            code = CloseCode.GOING_AWAY if isinstance(error, Draining) else CloseCode.INTERNAL_ERROR
            self._client.write(encode_close(code, error.message))
            self._hang_up()
            return
        self._leave()
        self._responder.cut()

    def _answer(self, error: GatewayError) -> None:
        log_id = self._recording.log_id if self._recording is not None else None
        answer_error(self._responder, self._intake.surface.dialect, error, log_id)
        self._leave()
        self._client.finish_exchange()

    def _leave(self) -> None:
        self._stage = Stage.OVER
        self._state.calls.discard(self)

    def _stop_upstream(self) -> None:
        """Free the upstream at once: a cancelled call must not go on costing money."""
        if self._offer is not None and self._stage is Stage.CONNECTING:
            self._offer.pool.cancel(self)
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.abort()

    @property
    def _log_id(self) -> str:
        assert self._recording is not None
        return self._recording.log_id

    def _close_record(self, outcome: Outcome, status: int, error: str | None) -> None:
        recording, head, offer, kind = self._recording, self._head, self._offer, self._kind
        if recording is None or recording.closed:
            return
        if not recording.opened:  # it ended before it was understood: the record says as much as its head did
            recording.open(self._request, None, even_when_full=True)
        if offer is not None:
            answered = head.status if head is not None else None
            host = offer.pool.origin.host
            recording.add_attempt(
                offer.attempt, host, self._attempt_started, self._connect_time, answered, outcome, error
            )
        if self._asked is not None and self._said is not None:
            recording.request_bytes, recording.response_bytes = self._asked.passed, self._said.passed
        recording.close(
            outcome,
            status,
            error,
            content_type=kind.content_type if kind is not None else "",
            content_encoding=kind.encoding if kind is not None else "",
            upstream_request_id=None
            if offer is None or head is None
            else request_id_in(head, offer.attempt.route.request_id_headers),
        )

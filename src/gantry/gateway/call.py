"""A call: one admitted request, from its head to the last byte of its answer. Steps 3 to 9 of a request's path.

Law: each call ends in exactly one record (law 5): opened before any byte goes upstream, closed before the write that
carries the last byte of the answer or the stream's `[DONE]`. Nothing is tried again once a byte of the answer reached
the client. Everything here is a callback; nothing waits.
"""

import logging
import math
import time
from enum import Enum, auto
from typing import Final, Protocol

import msgspec

from gantry.board.board import Word
from gantry.core.errors import (
    Fault,
    GatewayError,
    InternalError,
    InvalidRequest,
    Overloaded,
    PayloadTooLarge,
    Unauthenticated,
    UpstreamFault,
    UpstreamTimeout,
)
from gantry.core.vocabulary import Operation, Outcome, Tier
from gantry.dial.connection import UpstreamConnection
from gantry.dial.pool import Pool
from gantry.dialects.adapt import Adaptation, adapt_request
from gantry.dialects.errors import encode_error
from gantry.gateway.admit import authenticate, check_model, check_rights
from gantry.gateway.headers import encode_client_headers, encode_upstream_headers
from gantry.gateway.params import NO_PARAMETERS, Parameters, lift_parameters
from gantry.gateway.pump import AdaptPump, Pump, RelayPump
from gantry.gateway.recording import Recording
from gantry.gateway.respond import Responder, answer_whole
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Surface
from gantry.routing.plan import Attempt, Wish
from gantry.routing.planner import draw_attempt, plan
from gantry.routing.snapshot import KeyRecord, Snapshot
from gantry.wire.envelope import Envelope, peek
from gantry.wire.http1 import LAST_CHUNK, RequestHead, ResponseHead, encode_chunk

logger = logging.getLogger(__name__)

_MAX_REPLAYS: Final = 1
_STALE_NS: Final = 1_000_000_000  # who closed later than this may have read the request, and must not get it twice
_BODY_EXPECTED: Final = frozenset(("POST", "PUT", "PATCH"))
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_IDENTITY: Final = b"accept-encoding: identity\r\n"
_SANDBOX: Final = b"content-security-policy: sandbox\r\n"
_JSON: Final = b"content-type: application/json\r\n"
_EVENT_STREAM: Final = b"content-type: text/event-stream\r\n"


class Client(Protocol):
    """The connection the call came on, as far as the call acts on it."""

    def write(self, data: bytes) -> None: ...
    def abort(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def finish_exchange(self) -> None: ...


class Stage(Enum):
    READING = auto()  # the request's body is arriving
    CONNECTING = auto()
    WAITING = auto()  # sent; no answer yet
    ANSWERING = auto()
    OVER = auto()


# Python 3.11 reads an enum's member through a descriptor, which costs a tenth of a microsecond each time.
READING, CONNECTING, WAITING, ANSWERING, OVER = Stage
OPAQUE = Operation.OPAQUE


class Call:
    __slots__ = (
        "_adaptation",
        "_attempt",
        "_attempt_started",
        "_body",
        "_connect_time",
        "_connection",
        "_content_type",
        "_deadline",
        "_head",
        "_held",
        "_last_byte",
        "_late_headers",
        "_paused",
        "_pinged",
        "_pool",
        "_pump",
        "_recording",
        "_replays",
        "_request",
        "_stage",
        "_started",
        "_status",
        "_upload_complete",
        "_uploads",
        "client",
        "head",
        "key",
        "responder",
        "state",
        "surface",
    )

    def __init__(
        self, state: WorkerState, client: Client, head: RequestHead, responder: Responder, surface: Surface
    ) -> None:
        self.state = state
        self.client = client
        self.head = head
        self.responder = responder
        self.surface = surface
        self.key: KeyRecord | None = None
        self._recording: Recording | None = None
        self._stage = READING
        self._body: list[bytes] = []
        self._held = 0
        self._uploads = False
        self._upload_complete = False
        self._started = state.now
        self._last_byte = state.now
        self._deadline = state.now + (state.limits.total_timeout or math.inf)
        self._attempt: Attempt | None = None
        self._attempt_started = 0
        self._adaptation: Adaptation | None = None
        self._request = b""
        self._replays = 0
        self._pool: Pool | None = None
        self._connection: UpstreamConnection | None = None
        self._connect_time: float | None = None
        self._head: ResponseHead | None = None
        self._content_type = ""
        self._pump: Pump | None = None
        self._late_headers: bytes | None = None
        self._paused = False
        self._pinged = state.now
        self._status = 0

    # The client's side

    def begin(self) -> None:
        """Admit the request by its head, before its body is read: strangers do not fill our memory."""
        state = self.state
        now_ns = time.time_ns()
        slot = state.slot
        try:
            self.key = authenticate(state, self.head.fields, now_ns)
        except GatewayError as error:
            if isinstance(error, Unauthenticated):
                slot.add(Word.STRANGERS)
            self._answer(error)
            return
        slot.add(Word.REQUESTS)
        self._recording = Recording(state, self.key, now_ns, time.perf_counter_ns())
        state.calls.add(self)
        try:
            check_rights(self.key, self.surface.operation)
            self._uploads = self._streams_upload()
            if self._uploads:
                self._dispatch(None, b"")
            elif (self.head.content_length or 0) > state.limits.max_body_bytes:
                raise PayloadTooLarge(
                    f"the body has {self.head.content_length} bytes; at most {state.limits.max_body_bytes} are accepted"
                )
            elif state.bytes_held + (self.head.content_length or 0) > state.limits.max_bytes_held:
                raise Overloaded("too many request bodies are held in memory; try again", retry_after=1)
        except GatewayError as error:
            self._fail(error)

    def on_request_body(self, data: bytes) -> None:
        self._last_byte = self.state.now
        recording = self._recording
        if self._stage is OVER or recording is None:
            return
        recording.request_bytes += len(data)
        if self._uploads:
            self._upload(data)
            return
        self._body.append(data)
        self._hold(len(data))
        limits = self.state.limits
        if self._held > limits.max_body_bytes:
            self._fail(PayloadTooLarge(f"the body is longer than the {limits.max_body_bytes} bytes accepted"))
        elif self.state.bytes_held > limits.max_bytes_held:
            self._fail(Overloaded("too many request bodies are held in memory; try again", retry_after=1))

    def on_request_end(self) -> None:
        if self._stage is OVER:
            return
        if self._uploads:
            self._upload_complete = True
            if self._connection is not None:
                self._connection.upload(LAST_CHUNK if self.head.chunked else b"", last=True)
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body.clear()
        try:
            self._dispatch(self._envelope(body), body)
        except GatewayError as error:
            self._fail(error)

    def on_client_gone(self) -> None:
        self._abandon("the client closed the connection")

    def on_client_full(self) -> None:
        self._paused = True
        if self._connection is not None:
            self._connection.pause_reading()

    def on_client_drained(self) -> None:
        self._paused = False
        self._last_byte = self.state.now
        if self._connection is not None:
            self._connection.resume_reading()

    def refuse(self, error: GatewayError) -> None:
        self._fail(error)

    # Steps 4 to 6: envelope, plan, attempt

    def _streams_upload(self) -> bool:
        """Say whether the body passes through as it comes: opaque, and not JSON whose fields may be ours."""
        if self.surface.operation is not OPAQUE or not self.head.has_body:
            return False
        is_json = self.head.fields.get(b"content-type", b"").lower().startswith(b"application/json")
        return not is_json or (self.head.content_length or 0) > self.state.limits.max_body_bytes

    def _envelope(self, body: bytes) -> Envelope | None:
        if self.surface.operation is not OPAQUE:
            return peek(body) if self.head.method == "POST" else None
        try:
            return peek(body) if body else None
        except InvalidRequest:
            return None  # not an object we understand: relayed as it is, and the provider's to judge

    def _dispatch(self, envelope: Envelope | None, body: bytes) -> None:
        """Plan the call, write its open frame and set out. Raises GatewayError."""
        state = self.state
        key, recording, snapshot, surface = self.key, self._recording, state.snapshot, self.surface
        if key is None or recording is None or snapshot is None:
            raise InternalError("this worker has no configuration yet")
        parameters = lift_parameters(envelope, self.head.fields, surface.operation)
        model = envelope.text("model") if envelope is not None else None
        if model is None and envelope is not None and surface.operation is not OPAQUE:
            raise InvalidRequest("`model` is missing", param="model")
        stream = envelope.flag("stream") if envelope is not None and surface.operation is not OPAQUE else False
        opaque = surface.operation is OPAQUE
        wish = Wish(
            key.organization_id,
            key.environment,
            surface.dialects,
            surface.operation,
            surface.path if opaque else "",
            model,
        )
        try:
            attempt = self._choose_attempt(snapshot, wish, parameters)
            if key.models:
                check_model(key, attempt.route.names)
            body = self._prepare_body(attempt, envelope, parameters, model, body)
        except GatewayError:
            recording.open(self.head, surface, model=model, stream=stream, parameters=parameters, even_when_full=True)
            raise
        metadata = parameters.replace.get("metadata") or (envelope.get("metadata") if envelope is not None else None)
        recording.open(
            self.head,
            surface,
            model=model,
            stream=stream,
            parameters=parameters,
            metadata=metadata or b"",
            body=body,
        )
        if self._adaptation is not None:
            recording.warnings.extend(self._adaptation.changes)
        self._request = self._build_request(attempt, body)
        self._attempt = attempt
        self._connect(fresh=False)

    def _choose_attempt(self, snapshot: Snapshot, wish: Wish, parameters: Parameters) -> Attempt:
        override = parameters.credentials("credential_override")
        customer = parameters.credentials("customer_credentials")
        if override or customer:
            return plan(snapshot, wish, self.state.draw, override=override, customer=customer).attempts[0]
        return draw_attempt(self.state.find_route(wish), self.state.draw)

    def _prepare_body(
        self, attempt: Attempt, envelope: Envelope | None, parameters: Parameters, model: str | None, body: bytes
    ) -> bytes:
        """Return the body that goes upstream: the caller's bytes but for the fields that are ours or must change."""
        if envelope is None:
            return body
        replace = dict(parameters.replace)
        if model is not None and attempt.route.upstream_model != model:
            replace["model"] = msgspec.json.encode(attempt.route.upstream_model)
        if replace or parameters is not NO_PARAMETERS:
            body = envelope.splice(replace, parameters.remove)
        if attempt.route.tier is Tier.ADAPT:
            self._adaptation = adapt_request(body)
            body = self._adaptation.body
        return body

    def _build_request(self, attempt: Attempt, body: bytes) -> bytes:
        head = self.head
        departure = self.state.departure(head.method, attempt)
        self._pool = departure.pool
        query = b""
        encoding = _IDENTITY
        if self.surface.operation is OPAQUE:
            _, mark, rest = head.target.partition(b"?")
            query = mark + rest
            accepted = head.fields.get(b"accept-encoding")
            encoding = b"accept-encoding: %b\r\n" % accepted if accepted is not None else b""
        if self._uploads:
            framing = _CHUNKED if head.chunked else b"content-length: %d\r\n" % (head.content_length or 0)
        elif body or head.method in _BODY_EXPECTED:
            framing = b"content-length: %d\r\n" % len(body)
        else:
            framing = b""
        forwarded = head.forwarded
        if forwarded is None:
            forwarded = head.forwarded = encode_upstream_headers(head)
        return b"%b%b HTTP/1.1\r\n%b%b%b%b\r\n%b" % (
            departure.target,
            query,
            departure.lines,
            encoding,
            forwarded,
            framing,
            body,
        )

    def _connect(self, *, fresh: bool) -> None:
        assert self._pool is not None
        self._stage = CONNECTING
        self._attempt_started = time.perf_counter_ns()
        self._last_byte = self.state.now
        if self._uploads:
            self.client.pause_reading()
        self._pool.lease(self, fresh=fresh)

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        self._connection = connection
        self._connect_time = connect_time
        self._stage = WAITING
        self._last_byte = self.state.now
        recording = self._recording
        if recording is not None and not recording.sent_at:
            recording.sent_at = time.perf_counter_ns()
        connection.send(self._request, self.head.method, self, complete=not self._uploads)
        if self._uploads:
            self.client.resume_reading()  # first: what is sent next may fill the upstream, and pause it again
            for data in self._body:
                self._upload(data)
            self._body.clear()
            if self._upload_complete:
                connection.upload(LAST_CHUNK if self.head.chunked else b"", last=True)

    def on_connect_failed(self, fault: UpstreamFault) -> None:
        self._fail(fault)

    def _upload(self, data: bytes) -> None:
        if self._connection is None:
            self._body.append(data)
        else:
            self._connection.upload(encode_chunk(data) if self.head.chunked else data, last=False)

    def on_upload_full(self) -> None:
        self.client.pause_reading()

    def on_upload_drained(self) -> None:
        self.client.resume_reading()

    # Step 7: the answer

    def on_head(self, head: ResponseHead) -> None:
        recording, attempt = self._recording, self._attempt
        assert recording is not None
        assert attempt is not None
        self._stage = ANSWERING
        self._head = head
        self._status = head.status
        self._last_byte = self.state.now
        self._content_type = head.fields.get(b"content-type", b"").decode("latin-1")
        media_type = self._content_type.partition(";")[0].strip().lower()
        stream = media_type == "text/event-stream"
        adapts = self._adaptation is not None
        headers = [encode_client_headers(head, stream=stream, rewritten=adapts), self._own_headers()]
        if self._adaptation is not None:
            encoding = head.fields.get(b"content-encoding", b"").decode("latin-1")
            self._pump = AdaptPump(self._adaptation, self.surface.dialect, head.status, encoding, stream=stream)
            headers.append(_EVENT_STREAM if stream else _JSON)
        else:
            self._pump = RelayPump(attempt.route.dialect, stream=stream and b"content-encoding" not in head.fields)
            if not stream and media_type != "application/json":
                headers.append(_SANDBOX)
        if adapts and not stream:
            self._late_headers = b"".join(headers)  # the body is adapted as a whole, and may turn out unreadable
            return
        # A stream has no length: a comment or an error of ours may come into it.
        self.responder.start(head.status, b"".join(headers), None if stream else head.content_length)

    def on_body(self, data: bytes) -> None:
        recording = self._recording
        assert recording is not None
        assert recording.answer is not None
        assert self._pump is not None
        if not recording.first_byte_at:
            recording.first_byte_at = time.perf_counter_ns()
        self._last_byte = self.state.now
        if not recording.closed:
            recording.answer.feed(data)
        try:
            piece = self._pump.feed(data)
        except UpstreamFault as fault:
            self._fail(fault, Outcome.UPSTREAM_BROKE)
            return
        if piece:
            self.responder.send(piece)
        if self._pump.stream_ended and not recording.closed:
            self._settle()

    def on_end(self) -> None:
        assert self._pump is not None
        self._connection = None
        try:
            rest = self._pump.end()
        except UpstreamFault as fault:
            self._fail(fault, Outcome.UPSTREAM_BROKE)
            return
        if self._late_headers is not None:
            self.responder.start(self._status, self._late_headers, len(rest))
        self.responder.send(rest)
        self._settle()
        self.responder.end()

    def flush(self) -> None:
        self.responder.flush()
        if self.responder.ended and self._stage is not OVER:
            self._leave()
            self.client.finish_exchange()

    def on_failure(self, fault: UpstreamFault) -> None:
        connection = self._connection
        self._connection = None
        if self._head is not None:
            self._fail(fault, Outcome.UPSTREAM_BROKE)
            return
        pooled = connection is not None and not connection.answered and self._connect_time is None
        at_once = time.perf_counter_ns() - self._attempt_started < _STALE_NS
        if pooled and at_once and not self._uploads and self._replays < _MAX_REPLAYS:
            self._replays += 1  # a pooled connection that the upstream closed while we wrote; it read nothing
            self._connect(fresh=True)
            return
        self._fail(fault)

    # Deadlines

    def check(self, now: float) -> None:
        limits = self.state.limits
        waited = now - self._last_byte
        if self._stage is CONNECTING and waited > limits.connect_timeout:
            self._time_out(f"no connection to the provider within {limits.connect_timeout:g} s")
        elif self._stage is WAITING and waited > limits.first_byte_timeout:
            self._time_out(f"the provider did not answer within {limits.first_byte_timeout:g} s")
        elif self._stage is ANSWERING and waited > limits.idle_timeout:
            if self._paused:
                self._abandon(f"the client did not read its answer for {limits.idle_timeout:g} s")
                self.client.abort()
            else:
                self._time_out(f"the provider's answer stalled for {limits.idle_timeout:g} s")
        elif now > self._deadline and self._stage is not READING:
            self._time_out(f"the call took longer than {limits.total_timeout} s")
        elif self._stage is ANSWERING and now - max(self._pinged, self._last_byte) >= limits.ping_interval:
            self._ping(now)

    def _ping(self, now: float) -> None:
        if self._pump is not None and not self._paused:
            self._pinged = now
            self.responder.send(self._pump.ping())
            self.responder.flush()

    def _time_out(self, message: str) -> None:
        self._fail(UpstreamTimeout(message), Outcome.TIMEOUT)

    # Endings

    def _settle(self) -> None:
        """The answer is complete: record it before its last byte leaves."""
        outcome = Outcome.SUCCESS if self._status < 400 else Outcome.UPSTREAM_ERROR
        self._close_record(outcome, self._status, None)

    def _abandon(self, why: str) -> None:
        """End a call whose answer nobody takes."""
        if self._stage is OVER:
            return
        self._stop_upstream()
        self._close_record(Outcome.CLIENT_GONE, self._status, why)
        self._leave()

    def _fail(self, error: GatewayError, outcome: Outcome | None = None) -> None:
        """End with an error: in the caller's dialect, or if its answer has begun, so that its SDK notices."""
        if self._stage is OVER:
            return
        self._stop_upstream()
        started = self.responder.started
        self._close_record(
            outcome or _OUTCOME_OF[error.fault], self._status if started else error.status, error.message
        )
        if not started:
            self._answer(error)
            return
        last_words = self._pump.fail(error) if self._pump is not None else None
        if last_words is None:
            self._leave()
            self.responder.cut()
            return
        self.responder.send(last_words)
        self.responder.end()
        self.flush()

    def _answer(self, error: GatewayError) -> None:
        log_id = self._recording.log_id if self._recording is not None else None
        wire = encode_error(self.surface.dialect, error, log_id)
        self._status = wire.status
        answer_whole(self.responder, wire.status, wire.headers, wire.body)
        self._leave()
        self.client.finish_exchange()

    def _leave(self) -> None:
        self._stage = OVER
        self.state.calls.discard(self)
        self._hold(-self._held)
        self._body.clear()

    def _stop_upstream(self) -> None:
        """Free the upstream at once: a cancelled call must not go on costing money."""
        if self._pool is not None and self._stage is CONNECTING:
            self._pool.cancel(self)
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.abort()

    def _hold(self, size: int) -> None:
        self._held += size
        self.state.bytes_held += size

    def _own_headers(self) -> bytes:
        assert self._recording is not None
        log_id = self._recording.log_id.encode()
        return b"x-respan-log-id: %b\r\nx-gantry-log-id: %b\r\nx-content-type-options: nosniff\r\n" % (log_id, log_id)

    def _close_record(self, outcome: Outcome, status: int, error: str | None) -> None:
        recording, head = self._recording, self._head
        if recording is None or recording.closed:
            return
        if not recording.opened:  # it ended before it was understood: the record says as much as its head did
            recording.open(self.head, self.surface, even_when_full=True)
        if self._attempt is not None:
            status_heard = head.status if head is not None else None
            recording.add_attempt(
                self._attempt, self._attempt_started, self._connect_time, status_heard, outcome, error
            )
        if head is None:
            recording.close(outcome, status, error)
            return
        request_id = None
        if self._attempt is not None:
            for name in self._attempt.route.request_id_headers:
                request_id = head.fields.get(name)
                if request_id is not None:
                    break
        recording.close(
            outcome,
            status,
            error,
            content_type=self._content_type,
            content_encoding=head.fields.get(b"content-encoding", b"").decode("latin-1"),
            upstream_request_id=request_id.decode("latin-1") if request_id is not None else None,
        )


_OUTCOME_OF: Final = {
    Fault.CALLER: Outcome.REFUSED,
    Fault.UPSTREAM: Outcome.UPSTREAM_UNREACHABLE,
    Fault.GATEWAY: Outcome.GATEWAY_ERROR,
}

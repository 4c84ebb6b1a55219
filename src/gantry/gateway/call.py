"""A call: one admitted request, from its head to the last byte of its answer. Steps 3 to 9 of a request's path.

Law: each call ends in exactly one record (law 5): opened before any byte goes upstream, closed before the write that
carries the last byte of the answer or the stream's `[DONE]`. Nothing is tried again once a byte of the answer reached
the client. Everything here is a callback; nothing waits.
"""

import logging
import math
import time
from typing import Final

from gantry.board.board import Word
from gantry.core.errors import GatewayError, NotSpoken, Unauthenticated, UpstreamFault, UpstreamTimeout
from gantry.core.vocabulary import Operation, Outcome
from gantry.dial.connection import Receiver, UpstreamConnection
from gantry.gateway.attempts import Attempts, begin_attempts, note_attempt
from gantry.gateway.beginning import begin_relay, begin_rewriting
from gantry.gateway.breakdown import Asked, ask_breakdown
from gantry.gateway.cached_answer import CachedAnswer
from gantry.gateway.capture import Capture
from gantry.gateway.exchange import Client
from gantry.gateway.fetch import outcome_before_answer
from gantry.gateway.forms import FormUpload
from gantry.gateway.headers import AnswerKind, read_kind, request_id_in
from gantry.gateway.hedge import Rival
from gantry.gateway.intake import Intake
from gantry.gateway.journey import Journey, pay, set_out
from gantry.gateway.opening import Opening
from gantry.gateway.params import NO_PARAMETERS
from gantry.gateway.prepare import (
    Question,
    Voyage,
    asked_body,
    make_form_voyage,
    make_upload,
    streams_upload,
    understand,
    understand_form,
)
from gantry.gateway.pump import PLAIN, Pump, last_words
from gantry.gateway.recording import Recording
from gantry.gateway.respond import Responder, answer_error
from gantry.gateway.response_cache import Keeper, look_up
from gantry.gateway.stage import ANSWERING, CONNECTING, OVER, PAUSING, READING, WAITING, overdue
from gantry.gateway.state import WorkerState
from gantry.gateway.token_counts import answer_count
from gantry.gateway.waits import Awaited
from gantry.routing.snapshot import KeyRecord
from gantry.wire.body import LAST_CHUNK, encode_chunk
from gantry.wire.head import RequestHead, ResponseHead

logger = logging.getLogger(__name__)

_MAX_REPLAYS: Final = 1
_FAILED: Final = 400
_STALE_NS: Final = 1_000_000_000  # who closed later than this may have read the request, and must not get it twice
_SUCCESS: Final = Outcome.SUCCESS
_STRANGERS: Final = int(Word.STRANGERS)


class Call:
    __slots__ = (
        "_attempts",
        "_body",
        "_capture",
        "_form",
        "_head",
        "_held",
        "_keeper",
        "_kind",
        "_late_headers",
        "_paused",
        "_pinged",
        "_pump",
        "_question",
        "_upload_complete",
        "_uploads",
        "asked",
        "attempt_started",
        "client",
        "connect_time",
        "connection",
        "deadline",
        "deadlines",
        "head",
        "intake",
        "key",
        "last_byte",
        "recording",
        "replays",
        "responder",
        "rival",
        "stage",
        "state",
        "status",
        "voyage",
    )

    def __init__(
        self, state: WorkerState, client: Client, head: RequestHead, responder: Responder, intake: Intake
    ) -> None:
        now = state.now
        self.state = state
        self.client = client
        self.head = head
        self.responder = responder
        self.intake = intake
        self.key: KeyRecord | None = None
        self.recording: Recording | None = None
        self.stage = READING
        self._body: list[bytes] = []
        self._uploads = self._upload_complete = self._paused = False
        self._form: FormUpload | None = None
        self.last_byte = self._pinged = now
        self.deadlines = state.deadlines
        self.deadline = now + (self.deadlines.total or math.inf)
        self._question: Question | None = None  # while the call waits for a token, or for counters
        self.voyage: Voyage | None = None
        self._attempts: Attempts | None = None  # of a call that may go elsewhere
        self.rival: Rival | None = None  # that has become its own attempt
        self.asked: Asked | None = None
        self._keeper: Keeper | None = None
        self._held = self.attempt_started = self.replays = self.status = 0
        self.connection: UpstreamConnection | None = None
        self.connect_time: float | None = None
        self._head: ResponseHead | None = None
        self._kind: AnswerKind | None = None
        self._pump: Pump = PLAIN
        self._capture: Capture | None = None  # while there is an answer whose end is not recorded
        self._late_headers: bytes | None = None

    # The client's side

    def begin(self, body: bytes | None) -> None:
        """Admit the request by its head, before its body is read: strangers do not fill our memory."""
        state = self.state
        now_ns = time.time_ns()
        try:
            self.key = key = self.intake.admit(now_ns)
        except GatewayError as error:
            if isinstance(error, Unauthenticated):
                state.slot.add(_STRANGERS)
            self._answer(error)
            return
        self.recording = Recording(state, key, self.intake, now_ns)
        state.calls.add(self)
        try:
            self.intake.check_rights(key)
            if body is not None and not self.intake.is_form:
                size = self.recording.request_bytes = len(body)
                self._held = self.state.hold(size, self._held)
                self._dispatch(body)
                return
            self._begin_body(body)
        except GatewayError as error:
            self._fail(error)

    def _begin_body(self, body: bytes | None) -> None:
        """Prepare for a body that is not simply here. Raises GatewayError."""
        intake, head = self.intake, self.head
        if intake.is_form:
            self._form = FormUpload(intake.content_type)
            if body is not None:
                self.on_request_body(body)
                self.on_request_end()
        elif streams_upload(intake, head, self.state.limits.max_body_bytes):
            self._uploads = True
            self._dispatch(b"")
        else:
            self.state.expect(head.content_length or 0, self._held)

    def on_request_body(self, data: bytes) -> None:
        self.last_byte = self.state.now
        recording = self.recording
        if self.stage is OVER or recording is None:
            return
        recording.request_bytes += len(data)
        try:
            if self._uploads:
                if self._form is not None:
                    data = self._form.pass_on(data)
                elif self._question is None:
                    recording.note_upload(data)
                self._upload(data)
                return
            self._held = self.state.hold(len(data), self._held)
            if self._form is None:
                self._body.append(data)
                return
            self._form.feed(data)
            if self._form.ready and self._question is None:
                self._dispatch_form(self._form)
        except GatewayError as error:
            self._fail(error)

    def on_request_end(self) -> None:
        if self.stage is OVER:
            return
        form = self._form
        try:
            if self._uploads:
                self._end_upload(b"" if form is None else form.finish())
            elif form is not None:
                form.close()
                if self._question is None:
                    self._dispatch_form(form)
            else:
                body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
                self._body.clear()
                self._dispatch(body)
        except GatewayError as error:
            self._fail(error)

    def on_client_gone(self) -> None:
        self._abandon("the client closed the connection")

    def on_client_full(self) -> None:
        self._paused = True
        if self.connection is not None:
            self.connection.pause_reading()

    def on_client_drained(self) -> None:
        self._paused = False
        self.last_byte = self.state.now
        if self.connection is not None:
            self.connection.resume_reading()

    def refuse(self, error: GatewayError) -> None:
        self._fail(error)

    # Steps 4 to 6: envelope, plan, attempt

    def _dispatch(self, body: bytes) -> None:
        """Plan the call, write its open frame and set out. Raises GatewayError."""
        intake, head, key, recording = self.intake, self.head, self.key, self.recording
        assert key is not None
        assert recording is not None
        question, journey = understand(intake, head, body), None
        plain = question.parameters is NO_PARAMETERS
        hold = None if plain and not intake.is_limited else recording.begin_hold(question)
        try:
            if (not plain or self.state.cached_by_rule) and self._keeper is None:
                keeper = self._keeper = look_up(self.state, intake, key, head, question, recording)
                if keeper is not None and keeper.found is not None:
                    self._leave()
                    self.client.hand_over(CachedAnswer(self, question, recording, keeper, keeper.found))
                    return
            if self._uploads:
                voyage = make_upload(self.state, intake, key, head, question)
                if hold is not None:
                    pay(voyage, hold)
            else:
                voyage, journey = set_out(self.state, intake, key, head, question, body, hold)
        except Awaited as needed:
            self._body.append(body)
            self._wait(needed, question)
            return
        except NotSpoken:
            recording.open(head, question, asked_body(question), even_when_full=True)
            if intake.surface.operation is not Operation.COUNT_TOKENS:
                raise
            self._answer_count(question, asked_body(question))
            return
        except GatewayError:
            recording.open(head, question, asked_body(question), even_when_full=True)
            raise
        self._set_out(question, voyage, journey)

    def _wait(self, needed: Awaited, question: Question) -> None:
        """Go on once it is here. What waits is held by the call alone: it may leave before."""
        self.stage = CONNECTING
        self.last_byte = self.state.now
        self._question = question
        if self._uploads or self._form is not None:
            self.client.pause_reading()
        needed.wait(self._go_on)

    def _go_on(self, error: GatewayError | None) -> None:
        """Dispatch now that what was waited for is here, or fail where it does not come."""
        question, recording = self._question, self.recording
        if question is None or recording is None:
            return  # it has ended
        self._question, body = None, b""
        if not self._uploads:
            body = b"".join(self._body)
            self._body.clear()
        try:
            if error is not None:
                recording.open(self.head, question, asked_body(question), even_when_full=True)
                self._fail(error)
            elif self._form is not None:
                self.client.resume_reading()
                self._dispatch_form(self._form)
            else:
                self._dispatch(body)
        except GatewayError as failure:
            self._fail(failure)

    def _answer_count(self, question: Question, body: bytes) -> None:
        """Answer how many tokens a request is, for a provider that does not count. Raises InvalidRequest."""
        assert self.recording is not None
        answer_count(self.responder, self.recording, self.intake.surface.dialect, body, question.model)
        self.status = 200
        self._leave()
        self.client.finish_exchange()

    def _dispatch_form(self, form: FormUpload) -> None:
        """As `_dispatch`, for a form of which enough is here. Raises GatewayError."""
        key, recording = self.key, self.recording
        assert key is not None
        assert recording is not None
        question = understand_form(self.intake, self.head, form)
        try:
            payer = recording.begin_hold(question)
            voyage = make_form_voyage(self.state, self.intake, key, self.head, question, form, payer)
        except Awaited as needed:
            self._wait(needed, question)
            return
        except GatewayError:
            recording.open(self.head, question, form.outline(), even_when_full=True)
            raise
        self._uploads = not form.complete
        self._set_out(question, voyage)

    def _set_out(self, question: Question, voyage: Voyage, journey: Journey | None = None) -> None:
        recording = self.recording
        assert recording is not None
        recording.open(self.head, question, voyage.body, voyage.attempt.route)
        for data in self._body if self._form is None else ():  # came while the call waited
            recording.note_upload(data)
        if question.parameters is not NO_PARAMETERS:
            self.asked = ask_breakdown(self.state.kept_rates, self.intake, question, voyage, recording)
        if voyage.step is not None:
            self._attempts = begin_attempts(self, question, voyage, journey)
        self.voyage = voyage  # from here on, an attempt
        self.connect()

    def go_elsewhere(
        self, outcome: Outcome, error: str | None, answer: ResponseHead | None = None, body: bytes = b"", *, whole: bool
    ) -> bool:
        """Note an attempt that failed, and make another one if there is anywhere to go and nothing was answered yet.

        `body` is what came of its answer; a `whole` one leaves its connection for others to use.
        """
        attempts = self._attempts
        if attempts is None or self.responder.started or self.stage is OVER:
            return False
        return attempts.go_elsewhere(outcome, error, answer, body, whole=whole)

    def connect(self, *, fresh: bool = False) -> None:
        if self.stage is OVER or self.voyage is None:
            return  # it ended during a pause
        self.stage = CONNECTING
        self.attempt_started = time.perf_counter_ns()
        self.last_byte = self.clock()
        if self._uploads:
            self.client.pause_reading()
        self.rival = None
        self.voyage.pool.lease(self, fresh)

    def clock(self) -> float:
        """Return the time as exactly as the deadlines want it."""
        return self.state.now if self.deadlines is self.state.deadlines else time.monotonic()

    def set_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        self.connection, self.connect_time = connection, connect_time
        self.stage = WAITING
        self.last_byte = self.clock()

    def on_connection(self, connection: UpstreamConnection, connect_time: float | None) -> None:
        self.set_connection(connection, connect_time)
        recording, voyage = self.recording, self.voyage
        assert recording is not None
        assert voyage is not None
        if not recording.sent_at:
            recording.sent_at = self.attempt_started if connect_time is None else time.perf_counter_ns()
        receiver: Receiver = self if self._attempts is None else Opening(self, self.intake.surface)
        connection.send(voyage.request, self.head.method, receiver, voyage.beside, not self._uploads)
        if self._uploads:
            self.client.resume_reading()  # first: what is sent next may fill the upstream, and pause it again
            early = self._body
            self._body = []
            for data in early:
                self._upload(data)
            if self._upload_complete:
                self._end_upload(b"")

    def on_connect_failed(self, fault: UpstreamFault) -> None:
        if not self.go_elsewhere(Outcome.UPSTREAM_UNREACHABLE, fault.message, whole=False):
            self._fail(fault)

    def _upload(self, data: bytes) -> None:
        connection, voyage = self.connection, self.voyage
        if not data:
            return
        if connection is None or voyage is None:
            self._body.append(data)
        else:
            connection.upload(encode_chunk(data) if voyage.chunked else data, last=False)

    def _end_upload(self, rest: bytes) -> None:
        self._upload(rest)
        self._upload_complete = True
        if self.connection is not None and self.voyage is not None:
            self.connection.upload(LAST_CHUNK if self.voyage.chunked else b"", last=True)

    def on_upload_full(self) -> None:
        self.client.pause_reading()

    def on_upload_drained(self) -> None:
        self.client.resume_reading()

    # Step 7: the answer

    def on_head(self, head: ResponseHead) -> None:
        voyage, recording = self.voyage, self.recording
        assert voyage is not None
        assert recording is not None
        if self._attempts is not None:
            self._attempts.commit(head)
        self.stage = ANSWERING
        self._head = head
        self.status = head.status
        self._capture = recording.answer
        kind = self._kind = read_kind(head)
        surface, asked, keeper = self.intake.surface, self.asked, self._keeper
        plain = voyage.guard is None and asked is None and keeper is None and recording.stream_hold is None
        if plain and voyage.adaptation is None and not voyage.changes:
            self._pump, headers, length, waits = begin_relay(head, kind, surface, voyage, recording.log_id)
        else:
            self._pump, headers, length, waits = begin_rewriting(head, kind, surface, voyage, recording, asked, keeper)
        if waits:
            self._late_headers = headers
        else:
            self.responder.start(head.status, headers, length)

    def on_data(self, data: bytes, last: bool) -> None:
        pump, capture = self._pump, self._capture
        self.last_byte = self.state.now
        try:
            if data:
                if capture is not None:
                    if not capture.total and self.recording is not None:
                        self.recording.first_byte_at = time.perf_counter_ns()
                    capture.feed(data)
                data = pump.feed(data)
                if pump.stream_ended and capture is not None:
                    last = self._settle() or last
            if last:
                self._finish(data, pump)
            else:
                self.responder.pass_on(data)
        except UpstreamFault as fault:
            self._fail(fault, Outcome.UPSTREAM_BROKE)

    def _finish(self, data: bytes, pump: Pump) -> None:
        """Write the end of the answer, recorded before it leaves. Raises UpstreamFault."""
        responder = self.responder
        self.connection = None
        rest = pump.end()
        late = self._late_headers
        if late is not None:
            if pump.content_type is not None:
                late += b"content-type: %b\r\n" % pump.content_type.encode("latin-1")
            responder.start(self.status, late, len(rest))
        if self._capture is not None:
            self._settle()
        responder.finish(data + rest if rest else data)
        if self.stage is not OVER:
            self._leave()
            self.client.finish_exchange()

    def on_failure(self, fault: UpstreamFault) -> None:
        connection = self.connection
        self.connection = None
        if self._head is not None:
            self._fail(fault, Outcome.UPSTREAM_BROKE)
            return
        pooled = connection is not None and not connection.answered and self.connect_time is None
        at_once = time.perf_counter_ns() - self.attempt_started < _STALE_NS
        if pooled and at_once and not self._uploads and self.replays < _MAX_REPLAYS:
            self.replays += 1  # a pooled connection that the upstream closed while we wrote; it read nothing
            self.connect(fresh=True)
        elif not self.go_elsewhere(Outcome.UPSTREAM_UNREACHABLE, fault.message, whole=False):
            self._fail(fault)

    # Deadlines

    def check(self, now: float) -> None:
        stage, limits = self.stage, self.state.limits
        late = overdue(stage, now - self.last_byte, self.deadlines)
        if late is not None and stage is ANSWERING and self._paused:
            self._abandon(f"the client did not read its answer for {self.deadlines.idle:g} s")
            self.client.abort()
        elif late is not None:
            self._time_out(late)
        elif now > self.deadline and stage is not READING:
            self._time_out(f"the call took longer than {self.deadlines.total:g} s")
        elif stage is ANSWERING and now - max(self._pinged, self.last_byte) >= limits.ping_interval:
            self._ping(now)

    def _ping(self, now: float) -> None:
        if not self._paused:
            self._pinged = now
            self.responder.send(self._pump.ping())
            self.responder.flush()

    def _time_out(self, message: str) -> None:
        on_time = self.state.now <= self.deadline
        if not (on_time and self._head is None and self.go_elsewhere(Outcome.TIMEOUT, message, whole=False)):
            self._fail(UpstreamTimeout(message), Outcome.TIMEOUT)

    # Endings

    def _settle(self) -> bool:
        """The answer is complete, or told of its failure: record it before its last byte leaves. True: by our hand."""
        failure, status = self._pump.failure, self.status
        outcome = _SUCCESS if status < _FAILED else Outcome.UPSTREAM_ERROR
        self._close_record(outcome if failure is None else Outcome.UPSTREAM_BROKE, status, failure)
        if ended := self.recording is not None and self.recording.stopped is not None:
            self.stop_upstream()
        return ended

    def _abandon(self, why: str) -> None:
        """End a call whose answer nobody takes."""
        if self.stage is OVER:
            return
        self.stop_upstream()
        self._close_record(Outcome.CLIENT_GONE, self.status, why)
        self._leave()

    def _fail(self, error: GatewayError, outcome: Outcome | None = None) -> None:
        """End with an error: in the caller's dialect, or if its answer has begun, so that its SDK notices."""
        if self.stage is OVER:
            return
        self.stop_upstream()
        started = self.responder.started
        self._close_record(
            outcome or outcome_before_answer(error), self.status if started else error.status, error.message
        )
        if not started:
            self._answer(error)
            return
        words = last_words(self._pump, error)
        if words is None:
            self._leave()
            self.responder.cut()
            return
        self.responder.finish(words)
        self._leave()
        self.client.finish_exchange()

    def _answer(self, error: GatewayError) -> None:
        log_id = self.recording.log_id if self.recording is not None else None
        self.status = answer_error(self.responder, self.intake.surface.dialect, error, log_id)
        self._leave()
        self.client.finish_exchange()

    def _leave(self) -> None:
        self.stage = OVER
        self.state.calls.discard(self)
        self.state.bytes_held -= self._held
        self._held = 0
        self._question = self._attempts = self.rival = None  # they know the call, too
        self._body.clear()

    def stop_upstream(self) -> None:
        """Free the upstream at once: a cancelled call must not go on costing money."""
        if self.voyage is not None and self.stage is CONNECTING:
            self.voyage.pool.cancel(self.rival or self)
        connection = self.connection
        self.connection = None
        if connection is not None:
            connection.abort()

    def _close_record(self, outcome: Outcome, status: int, error: str | None) -> None:
        recording, head, voyage, kind = self.recording, self._head, self.voyage, self._kind
        if recording is None or recording.closed:
            return
        self._capture = None
        if self._attempts is not None:
            self._attempts.settle("the call was over")
        if not recording.opened:  # it ended before it was understood: the record says as much as its head did
            recording.open(self.head, None, even_when_full=True)
        if voyage is None:
            recording.close(outcome, status, error)
            return
        if voyage.changes:
            recording.changes = [str(change) for change in voyage.changes]
        if self.stage is not PAUSING:
            said = recording.answer.remembered() if recording.answer is not None and status >= _FAILED else b""
            note_attempt(self, voyage, outcome, error, head, said)
        if head is None or kind is None:
            recording.close(outcome, status, error)
            return
        request_id = request_id_in(head, voyage.attempt.route.request_id_headers)
        recording.close(outcome, status, error, kind.content_type, kind.encoding, request_id)

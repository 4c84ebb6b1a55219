"""The recording of one call: its open frame, its parts, its close frame, and its place in the board's counters.

Law: a call that was opened is closed exactly once (law 5). What the key's content policy or the journal's ladder
withholds does not reach the journal; usage does, for the money must be right when the content is gone.
"""

import logging
import time
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from gantry.board.board import Word
from gantry.core.errors import Overloaded
from gantry.core.vocabulary import ContentPolicy, Outcome, Tier
from gantry.dialects.content_coding import decode_content
from gantry.dialects.passed_usage import (
    NOTHING_PASSED,
    STREAM_TYPES,
    Passed,
    PassedUsage,
    passed_usage,
    usage_withheld,
)
from gantry.dialects.question import request_units
from gantry.dialects.redact import redact_body, redact_json
from gantry.gateway.bounded_stream import StreamHold
from gantry.gateway.capture import HEAD_BYTES, TAIL_BYTES, Capture
from gantry.gateway.expense import Came
from gantry.gateway.hold import Hold, begin_hold
from gantry.gateway.intake import Intake
from gantry.gateway.params import NO_PARAMETERS
from gantry.gateway.prepare import LARGE_BODY, OUTLINE_BYTES, Question
from gantry.gateway.state import WorkerState
from gantry.journal.frames import (
    AttemptRecord,
    CacheNote,
    CallClosed,
    CallOpened,
    Direction,
    FrameKind,
    HoldNote,
    StopNote,
    encode_opened,
    encode_payload,
)
from gantry.journal.writer import JournalFull, JournalLevel
from gantry.routing.itinerary import Step
from gantry.routing.plan import Attempt, Route
from gantry.routing.snapshot import KeyRecord
from gantry.wire.head import RequestHead

logger = logging.getLogger(__name__)

_FAILED: Final = 400
_HIDDEN: Final = b"[secret]"
_LONGEST_ERROR: Final = 2048
_TRACE_PARENT_LENGTH: Final = 64  # as much as says whether it is one
_SHORTEST_SECRET: Final = 8  # what is shorter is part of words
_MAX_REDACTED: Final = 256 * 1024  # what is larger is not kept at all: redacting it would hold the event loop
_PART_OF_BODY: Final = 4 * 1024 * 1024  # a body beyond it is written in parts, so that no frame is enormous
# Python 3.11 reads an enum's member through a descriptor, which costs a tenth of a microsecond each time.
_FULL, _REDACTED, _METADATA, _NOTHING = ContentPolicy
_NORMAL, _NO_BODIES, _MONEY_ONLY, _NO_ROOM = JournalLevel
_RESPONSE: Final = Direction.RESPONSE
_SUCCESS, _SUCCEEDED = Outcome.SUCCESS, int(Word.SUCCEEDED)
_OWN_FAULTS: Final = int(Word.OWN_FAULTS)
_EVENT_STREAM: Final = "text/event-stream"
_TRANSLATE: Final = Tier.TRANSLATE
_OPENED, _CLOSED = FrameKind.CALL_OPENED, FrameKind.CALL_CLOSED
_COUNTER_OF: Final = {
    Outcome.REFUSED: int(Word.REFUSED),
    Outcome.UPSTREAM_ERROR: int(Word.UPSTREAM_FAULTS),
    Outcome.UPSTREAM_UNREACHABLE: int(Word.UPSTREAM_FAULTS),
    Outcome.UPSTREAM_BROKE: int(Word.UPSTREAM_FAULTS),
    Outcome.TIMEOUT: int(Word.UPSTREAM_FAULTS),
    Outcome.CLIENT_GONE: int(Word.CLIENTS_GONE),
}


class _Kept(Struct, frozen=True, gc=False):
    """What of a request may be kept, and whether of its answer anything may be."""

    policy: ContentPolicy
    content: bool
    body: bytes
    metadata: bytes
    units: bytes
    in_parts: bool = False


_NO_QUESTION: Final = Question(None, NO_PARAMETERS, None, False, b"")


class Recording:
    """What the journal learns of one call."""

    __slots__ = (
        "_dialect",
        "_intake",
        "_key",
        "_operation",
        "_redacts",
        "_request",
        "_secrets",
        "_state",
        "_truncated",
        "_turned",
        "_unrecorded",
        "answer",
        "asked",
        "attempts",
        "cache",
        "changes",
        "closed",
        "first_byte_at",
        "hold",
        "log_id",
        "opened",
        "request_bytes",
        "response_bytes",
        "sent_at",
        "started_at",
        "started_clock",
        "stopped",
        "stream_hold",
        "warnings",
    )

    def __init__(self, state: WorkerState, key: KeyRecord, intake: Intake, started_at: int) -> None:
        self._state = state
        self._key = key
        self._intake = intake
        self._dialect = intake.surface.dialects[0]  # of the bodies, which are the provider's
        self._request = b""  # where it is not kept, for want of the provider's count of it
        self._operation = intake.surface.operation
        self.opened = False
        self._unrecorded = False
        self._truncated = False
        self._redacts = False
        self._secrets: Sequence[bytes] = ()  # of the last attempt, where it failed
        self._turned: tuple[str, str, str] = ("", "", "")  # dialect and operation of another attempt, and its model
        self.answer: Capture | None = None
        self.asked: Capture | None = None  # what a tunnel's client goes on to say
        self.response_bytes: int | None = None  # that passed, where that is not what was captured
        self.closed = False
        self.log_id = state.new_log_id(started_at)
        self.started_at = started_at
        self.started_clock = time.perf_counter_ns()
        self.sent_at = 0
        self.first_byte_at = 0
        self.request_bytes = 0
        self.attempts: list[AttemptRecord] = []
        self.warnings: list[str] = []
        self.changes: list[str] = []
        self.cache: CacheNote | None = None
        self.hold: Hold | None = None  # of what the call may spend, where anything limits that
        self.stream_hold: StreamHold | None = None  # with which the answer's stream ends, where it is to
        self.stopped: StopNote | None = None
        state.slot.open_call()

    @property
    def turned_to(self) -> str:
        """The model that another attempt asked instead, as the caller named it."""
        return self._turned[2]

    def open(
        self,
        head: RequestHead,
        question: Question | None,
        body: bytes = b"",
        route: Route | None = None,
        even_when_full: bool = False,
    ) -> None:
        """Write the open frame. Raises Overloaded when the journal has no room and the setting says to refuse then.

        A call that is refused anyway is opened `even_when_full`: its frame is small, and if it cannot be written, the
        board counts it. One that ended before it was understood has no question.
        """
        state, intake, key = self._state, self._intake, self._key
        journal, limits, surface = state.journal, state.limits, intake.surface
        level = journal.level
        refuse = limits.refuse_when_journal_full and not even_when_full
        if level is _NO_ROOM and refuse:
            raise Overloaded("the journal is full, so this call could not be recorded; try again later", retry_after=5)
        asked = question or _NO_QUESTION
        spoken_dialect, spoken_operation = "", ""
        if route is not None and route.tier is _TRANSLATE:
            if route.dialect is not surface.dialects[0]:
                self._dialect = spoken_dialect = route.dialect
            if route.operation is not None and route.operation is not surface.operation:
                self._operation = spoken_operation = route.operation
        kept = self._keep_what(asked, body, level)
        if not kept.body:
            self._request = body
        is_large = len(kept.body) > LARGE_BODY
        money_only = level >= _MONEY_ONLY
        silent = money_only or kept.policy is _NOTHING
        traced = head.fields.get(b"traceparent")
        frame = CallOpened(
            self.log_id,
            key.organization_id,
            key.key_id,
            key.environment,
            self.started_at,
            head.method,
            surface.path,
            surface.dialects[0],
            surface.operation,
            asked.model,
            asked.stream,
            kept.policy,
            state.snapshot.version if state.snapshot is not None else 0,
            "" if money_only else intake.user_agent,
            intake.content_type,
            b"" if silent else asked.parameters.journal,
            b"" if silent else kept.metadata,
            b"" if is_large else kept.body,
            kept.units,
            spoken_dialect,
            spoken_operation,
            None if self.hold is None else self.hold.note(),
            "" if traced is None or silent else traced[:_TRACE_PARENT_LENGTH].decode("latin-1"),
        )
        try:
            if level is _NO_ROOM and not even_when_full:
                raise JournalFull  # to pass uncounted is to write nothing: a budget that grows with the calls is none
            if is_large and not kept.in_parts:
                journal.append(_OPENED, *encode_opened(frame, kept.body))
            else:
                journal.append(_OPENED, encode_payload(frame))
        except JournalFull:
            self._pass_unrecorded(refuse=refuse)
        self.opened = True
        if kept.in_parts and not self._unrecorded:
            self._write_parts(kept.body)
        # What is redacted is not written in parts: an address may lie across two of them.
        limit = _MAX_REDACTED if self._redacts else limits.max_capture_bytes
        keeps = kept.content and not self._unrecorded
        self.answer = Capture(journal, self.log_id, _RESPONSE, keeps, limit, not self._redacts)

    def begin_hold(self, question: Question) -> Hold | None:
        """Return what is held for this call, which is nothing yet; None where nothing limits it."""
        intake = self._intake
        if self.hold is None and (intake.is_limited or question.parameters is not NO_PARAMETERS):
            state, operation, now = self._state, intake.surface.operation, time.time_ns()
            self.hold = begin_hold(
                state.purses, state.kept_rates, self._key, question, operation, now, is_limited=intake.is_limited
            )
            if intake.stops_streams:
                self.stream_hold = self.hold
        return self.hold

    def _pass_unrecorded(self, *, refuse: bool) -> None:
        """Count the call instead: an end without its beginning would be a row that is nobody's. Raises Overloaded."""
        if refuse:
            words = "the journal cannot be written, so this call could not be recorded; try again later"
            raise Overloaded(words, retry_after=5) from None
        self._state.slot.add(Word.CALLS_UNRECORDED)
        self._unrecorded = True

    def _keep_what(self, question: Question, body: bytes, level: JournalLevel) -> _Kept:
        """Apply the key's policy, the caller's wish and the journal's ladder to what was asked."""
        policy, parameters = self._key.content_policy, question.parameters
        if parameters is not NO_PARAMETERS:
            if parameters.unlogged and policy in (_FULL, _REDACTED):
                policy = _METADATA
            self.warnings.extend(f"{name} is not acted on yet" for name in parameters.ignored)
            if self._intake.is_form and parameters.values.get("cache_enabled") in (True, "true"):
                self.warnings.append(f"cache_enabled is not acted on: answers to {self._operation} are not cached")
        if policy is _FULL and level < _NO_BODIES:
            if len(body) <= _PART_OF_BODY:
                return _Kept(policy, True, body, question.metadata, b"")
            units = request_units(self._operation, body)  # now, for the body may be cut
            return _Kept(policy, True, body, question.metadata, units, True)
        operation = self._operation
        units = request_units(operation, body)
        metadata = (
            question.metadata if self._key.content_policy is not _REDACTED else redact_json(question.metadata) or b""
        )
        if policy is not _FULL and policy is not _REDACTED:
            return _Kept(policy, False, b"", metadata, units)
        if level >= _NO_BODIES:
            self._state.slot.add(Word.BODIES_DROPPED)
            self._truncated = True
            return _Kept(policy, False, b"", metadata, units)
        self._redacts = True
        self._truncated = len(body) > _MAX_REDACTED
        redacted = b"" if self._truncated else self._redact(body, self._intake.content_type)
        return _Kept(policy, True, redacted, metadata, units)

    def _redact(self, body: bytes, content_type: str) -> bytes:
        return redact_body(body, content_type, self._operation, self._dialect)

    def _write_parts(self, body: bytes) -> None:
        state = self._state
        limit = state.limits.max_capture_bytes
        sent = Capture(state.journal, self.log_id, Direction.REQUEST, keeps=True, limit=limit)
        size = min(len(body), limit)
        for start in range(0, size, _PART_OF_BODY):
            sent.feed(body[start : min(start + _PART_OF_BODY, size)])
        self._truncated = sent.truncated or size < len(body)

    def note_upload(self, data: bytes) -> None:
        """Keep the beginning of what is uploaded, to say what it was."""
        asked = self.asked or self.capture_request()
        if asked.total < OUTLINE_BYTES:
            asked.feed(data[: OUTLINE_BYTES - asked.total])

    def capture_request(self) -> Capture:
        """Return the capture of what the caller goes on to say once the call is open; `close` ends it."""
        assert self.answer is not None
        limit = self._state.limits.max_capture_bytes
        keeps = self.answer.keeps and not self._redacts
        self.asked = Capture(self._state.journal, self.log_id, Direction.REQUEST, keeps=keeps, limit=limit)
        return self.asked

    def _without_secrets(self, words: bytes) -> bytes:
        """Return what a provider said without the key: what it has to say of a wrong one may begin with it."""
        for secret in self._secrets:
            words = words.replace(secret, _HIDDEN)
        return words

    def _as_kept(self, error: str | None) -> str | None:
        """Return an error's words, some of which may be the provider's, as far as they are kept."""
        if error is None:
            return None
        return self._without_secrets(error.encode("utf-8", "replace")).decode()[:_LONGEST_ERROR]

    def turn_to(self, route: Route, model: str | None) -> None:
        """Note that another model is asked than the one that the caller named first, perhaps in another dialect."""
        surface = self._intake.surface
        self._dialect, self._operation = surface.dialects[0], surface.operation
        if route.tier is _TRANSLATE:
            self._dialect, self._operation = route.dialect, route.operation or surface.operation
        self._turned = (self._dialect, self._operation, model or "")

    def add_attempt(
        self,
        attempt: Attempt,
        host: str,
        started: int,
        connect_time: float | None,
        status: int | None,
        outcome: Outcome,
        error: str | None,
        step: Step | None = None,
        *,
        unsent: bool = False,
    ) -> None:
        """Note who was tried, why, and what became of it; before `close`."""
        drawn = None if step is None else step.drawn
        if error is not None or (status is not None and status >= _FAILED):
            self._secrets = _secrets_of(attempt)
        error = self._as_kept(error)
        self.attempts.append(
            AttemptRecord(
                attempt.route.provider.id,
                attempt.credential.credential_id,
                attempt.credential.name,
                attempt.route.upstream_model,
                attempt.route.tier,
                status,
                outcome,
                error,
                None if connect_time is None else int(connect_time * 1e9),
                self.first_byte_at - started if self.first_byte_at else None,
                time.perf_counter_ns() - started,
                host,
                started - self.started_clock,
                "" if step is None else step.kind,
                "" if drawn is None else drawn.reason,
                None if drawn is None else drawn.share,
                "" if drawn is None else drawn.condition,
                unsent,
            )
        )

    def close(
        self,
        outcome: Outcome,
        status: int,
        error: str | None = None,
        content_type: str = "",
        content_encoding: str = "",
        upstream_request_id: str | None = None,
    ) -> None:
        """Write the close frame, once; later calls change nothing."""
        if self.closed:
            return
        self.closed = True
        state = self._state
        elapsed = time.perf_counter_ns() - self.started_clock
        state.slot.close_call(
            _SUCCEEDED if outcome is _SUCCESS else _COUNTER_OF.get(outcome, _OWN_FAULTS), elapsed // 1000
        )
        answer = self.answer
        settled = None
        if self.hold is not None:
            settled = self._settle(self.hold, outcome, status, content_type, content_encoding)
        if self._unrecorded:
            return
        body, passed, total = b"", NOTHING_PASSED, 0
        truncated = self._truncated
        if answer is not None:
            total = answer.total
            truncated = truncated or answer.truncated
            if answer.keeps:
                body = answer.take()
                body = self._without_secrets(body)
                if self._redacts:
                    decoded = decode_content(body, content_encoding, _MAX_REDACTED)
                    if content_type.startswith(STREAM_TYPES) or decoded.body.startswith(b"["):
                        # It is kept as the one document that it came to, which does not tell all.
                        passed = usage_withheld(self._operation, self._dialect, content_type, decoded.body)
                    body, content_encoding = self._redact(decoded.body, content_type), ""
            else:
                passed = self._passed(answer, content_type, content_encoding)
        if self.asked is not None:
            truncated = truncated or self.asked.truncated
            self.asked.end()
        frame = CallClosed(
            self.log_id,
            self.started_at + elapsed,
            outcome,
            status,
            self._as_kept(error),
            self.attempts,
            self.first_byte_at - self.started_clock if self.first_byte_at else None,
            self.sent_at - self.started_clock if self.sent_at else None,
            content_type,
            content_encoding,
            upstream_request_id,
            self.request_bytes,
            total if self.response_bytes is None else self.response_bytes,
            truncated,
            body,
            self.warnings,
            passed.usage,
            passed.model,
            self.changes,
            *self._turned,
            self.cache,
            settled,
            b"",
            self.stopped,
            None if passed is NOTHING_PASSED else passed.counted,  # most have none, and all its units are written
            None if self.hold is None else self.hold.limits,
        )
        payload = encode_payload(frame)
        try:
            state.journal.append(_CLOSED, payload)
        except JournalFull:
            # The open frame is safe, so the call is on record; its end waits in memory until there is room.
            state.unwritten.append(payload)
            logger.error("the journal refused the end of call %s; it is kept in memory", self.log_id)

    def _passed(self, answer: Capture, content_type: str, content_encoding: str) -> PassedUsage:
        """Return what an answer used whose body is not kept."""
        whole = answer.withheld
        passed = Passed(answer.head, answer.tail, answer.total, content_type, whole)
        if content_encoding and whole:
            whole = decode_content(whole, content_encoding, _MAX_REDACTED).body
            passed = Passed(whole[:HEAD_BYTES], whole[-TAIL_BYTES:], len(whole), content_type, whole)
        asked = self._request if len(self._request) <= _MAX_REDACTED else b""
        return passed_usage(self._operation, self._dialect, passed, self._intake.content_type, asked)

    def _settle(
        self, hold: Hold, outcome: Outcome, status: int, content_type: str, content_encoding: str
    ) -> HoldNote | None:
        """Settle what the call has taken of its limits. No fault in that costs the record."""
        settled = None
        try:
            settled = hold.settle(self._came(outcome, status, content_type, content_encoding))
        except Exception:  # the boundary of all that settles
            logger.exception("what call %s has taken of its limits is not settled; its estimate stays", self.log_id)
        self.warnings += hold.warnings
        return settled

    def _came(self, outcome: Outcome, status: int, content_type: str, content_encoding: str) -> Came:
        """Return what came of the answer, as far as it is at hand."""
        answer = self.answer
        body = b"" if answer is None else answer.remembered()
        total = 0 if answer is None else answer.total
        if content_encoding and body and total == len(body):
            body = decode_content(body, content_encoding, _MAX_REDACTED).body
        streamed = content_type.startswith(_EVENT_STREAM)
        told = None if self.stopped is None else self.stopped.usage
        return Came(outcome, status, bool(self.sent_at), body, total, streamed, self._dialect, told)


def _secrets_of(attempt: Attempt) -> list[bytes]:
    secrets = attempt.credential.secrets
    names = (item.name for item in attempt.route.provider.fields if item.secret and item.name in secrets)
    revealed = (secrets[name].reveal().encode() for name in names)
    return [secret for secret in revealed if len(secret) >= _SHORTEST_SECRET]

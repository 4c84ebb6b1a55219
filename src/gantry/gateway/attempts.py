"""The attempts of a call that has a choice: the next after one failed, and the one beside one that is slow.

Law: every attempt is on record with why it was made and what became of it; when the call is over, so are its timers and
its attempts. A plain call, which has nowhere else to go, has none of this.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from msgspec.structs import replace

from gantry.core.errors import GatewayError, LimitReached
from gantry.core.routing_rules import Hedge
from gantry.core.vocabulary import Outcome
from gantry.dial.connection import UpstreamConnection
from gantry.gateway.breakdown import Asked, ask_breakdown
from gantry.gateway.counting import HoldAwaited
from gantry.gateway.health import Health
from gantry.gateway.hedge import Hedged, Rival
from gantry.gateway.intake import Intake
from gantry.gateway.journey import Journey, deadlines_for, describe_failure, judge_failure, learn
from gantry.gateway.prepare import Question, Voyage
from gantry.gateway.recording import Recording
from gantry.gateway.stage import CONNECTING, PAUSING, WAITING, Deadlines, Stage
from gantry.gateway.state import WorkerState
from gantry.gateway.tally import count_failure, count_step
from gantry.routing.cooldown import Condition
from gantry.routing.itinerary import StepKind
from gantry.routing.plan import Attempt
from gantry.wire.head import RequestHead, ResponseHead

_SUCCESS: Final = Outcome.SUCCESS
_FAILED: Final = 400
_UNPAID: Final = "no attempt that is left can be paid; the record of this call says which limit is reached"
_FASTER: Final = "another attempt was faster"


class Traveller(Hedged, Protocol):
    """The call, as far as its attempts go. What it holds of one is that of the attempt that is its own now."""

    state: WorkerState
    intake: Intake
    head: RequestHead
    recording: Recording | None
    stage: Stage
    asked: Asked | None
    voyage: Voyage | None
    rival: Rival | None
    connection: UpstreamConnection | None
    connect_time: float | None
    attempt_started: int
    replays: int
    deadlines: Deadlines
    deadline: float  # of the whole call
    last_byte: float

    def connect(self) -> None:
        """Set out on the voyage that is the call's own."""

    def stop_upstream(self) -> None:
        """Free the upstream of the call's own attempt."""

    def clock(self) -> float:
        """Return the time as exactly as the deadlines want it."""


class Attempts:
    """What may follow the first attempt of one call, and what runs beside it."""

    __slots__ = ("_call", "_journey", "_rival", "_timer")

    def __init__(self, call: Traveller, journey: Journey) -> None:
        self._call = call
        self._journey = journey
        self._rival: Rival | None = None
        self._timer: asyncio.TimerHandle | None = None  # of a pause, or until the hedge

    def hedge_later(self, hedge: Hedge) -> None:
        """Give the first attempt a rival if it keeps the caller waiting."""
        self._call.state.hedges.earn(hedge.share)
        self._set_timer(hedge.after, self._hedge)

    def go_elsewhere(
        self, outcome: Outcome, error: str | None, answer: ResponseHead | None, body: bytes, *, whole: bool
    ) -> bool:
        """As the call's own, of an answer of which nothing has left."""
        call, rival = self._call, self._rival
        recording, failed = call.recording, call.voyage
        assert recording is not None
        assert failed is not None
        attempt, further, awaited = failed.attempt, None, None
        if rival is None:
            try:
                further = self._journey.go_on(attempt, *judge_failure(attempt, answer, body))
            except HoldAwaited as needed:
                awaited = needed
            if further is None and awaited is None:
                return False
        if whole:
            call.connection = None
        call.stop_upstream()
        note_attempt(call, failed, outcome, error, answer, body)
        recording.warnings.append(describe_failure(attempt, answer))
        if rival is not None:
            if recording.hold is not None:  # the failed one has cost nothing
                recording.hold.adopt_beside(rival.voyage.attempt, unsent=True)
            self._take_over(rival)
        elif awaited is not None:
            call.stage = PAUSING
            awaited.wait(self._resume)
        elif further is not None:
            self._go_further(*further)
        return True

    def _go_further(self, voyage: Voyage, pause: float) -> None:
        self._turn_to(voyage)
        if pause:
            self._call.stage = PAUSING
            self._set_timer(pause, self._set_out)
        else:
            self._set_out()

    def _resume(self, error: GatewayError | None) -> None:
        """Go on now that the shared counters have answered whether the next attempt can be paid."""
        call = self._call
        if call.stage is not PAUSING:
            return  # it has ended
        try:
            further = self._journey.resume() if error is None else None
        except HoldAwaited as needed:
            needed.wait(self._resume)
            return
        if further is None:
            call.refuse(error or LimitReached(_UNPAID))
        else:
            self._go_further(*further)

    def adopt(self, rival: Rival) -> None:
        """The rival came to its content first: it is the call's own attempt now."""
        call = self._call
        assert call.voyage is not None
        unsent = call.connection is None
        call.stop_upstream()
        note_attempt(call, call.voyage, Outcome.CANCELLED, _FASTER, None, unsent=unsent)
        hold = None if call.recording is None else call.recording.hold
        if hold is not None:
            hold.adopt_beside(rival.voyage.attempt, unsent=unsent)
        self._take_over(rival)

    def drop(
        self, rival: Rival, outcome: Outcome, error: str | None, answer: ResponseHead | None, body: bytes = b""
    ) -> None:
        """Go on without a rival that failed, or was too slow."""
        if self._rival is not rival:
            return
        self._rival = None
        rival.stop()
        call = self._call
        own = call.attempt_started, call.connect_time
        call.attempt_started, call.connect_time = rival.started, rival.connect_time
        unsent = outcome is Outcome.CANCELLED and rival.connection is None
        note_attempt(call, rival.voyage, outcome, error, answer, body, unsent=unsent)
        hold = None if call.recording is None else call.recording.hold
        if hold is not None:
            hold.drop_beside(rival.voyage.attempt, in_vain=outcome is Outcome.CANCELLED and not unsent)
        call.attempt_started, call.connect_time = own

    def commit(self, head: ResponseHead) -> None:
        """The call's own attempt came to its content; of a deployment that was ill, that is news before its end."""
        self.settle()
        call = self._call
        assert call.voyage is not None
        step = call.voyage.step
        if step is not None and step.drawn.condition is not Condition.WELL and head.status < _FAILED:
            call.state.health.note_success(step.drawn.attempt, call.attempt_started // 1_000_000)

    def settle(self, why: str = _FASTER) -> None:
        """Nothing else is going to be this call's answer, which is why a rival ends."""
        if self._timer is not None:
            self._timer.cancel()
        if self._rival is not None:
            self.drop(self._rival, Outcome.CANCELLED, why, None)

    def _set_timer(self, seconds: float, action: Callable[[], None]) -> None:
        """Have something done later, and nothing else: a hedge beside a pause has nothing to be faster than."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, action)

    def _set_out(self) -> None:
        count_attempt(self._call.state.health, self._call.voyage)
        self._call.connect()

    def _hedge(self) -> None:
        call = self._call
        waits = call.stage is WAITING or call.stage is CONNECTING
        if not waits or call.voyage is None or not call.state.hedges.spend():
            return
        self._set_beside(partial(self._journey.beside, call.voyage.attempt))

    def _set_beside(self, find: Callable[[], Voyage | None]) -> None:
        call = self._call
        try:
            beside = find()
        except HoldAwaited as needed:
            needed.wait(self._resume_beside)
            return
        if beside is not None:
            self._rival = Rival(call, self, beside, call.head.method, call.intake.surface)
            count_attempt(call.state.health, beside)
            self._rival.set_out()

    def _resume_beside(self, error: GatewayError | None) -> None:
        if error is None and self._rival is None and self._call.stage in (WAITING, CONNECTING):
            self._set_beside(self._journey.resume_beside)

    def _take_over(self, rival: Rival) -> None:
        call = self._call
        self._rival = None
        rival.become_the_calls()
        self._turn_to(rival.voyage)
        call.rival, call.attempt_started = rival, rival.started
        call.connection, call.connect_time = rival.connection, rival.connect_time
        call.stage = CONNECTING if rival.connection is None else WAITING
        call.last_byte = call.clock()

    def _turn_to(self, voyage: Voyage) -> None:
        """Make a voyage the call's own."""
        call, question = self._call, self._journey.question
        recording, state = call.recording, call.state
        assert recording is not None
        call.voyage = voyage
        call.connect_time, call.replays = None, 0
        total = call.deadlines.total  # the whole call's, which began with the first attempt
        call.deadlines = replace(deadlines_for(state, voyage, question), total=total)
        recording.turn_to(voyage.attempt.route, voyage.attempt.asked)
        if call.asked is not None:
            call.asked = ask_breakdown(state.kept_rates, call.intake, question, voyage, recording)


def begin_attempts(call: Traveller, question: Question, voyage: Voyage, journey: Journey | None) -> Attempts | None:
    """Note what was chosen first, and by when it has to answer; return what may follow. Raises InvalidRequest."""
    recording, attempt = call.recording, voyage.attempt
    assert recording is not None
    deadlines = call.deadlines = deadlines_for(call.state, voyage, question)
    if deadlines.total is not None:
        call.deadline = recording.started_clock / 1e9 + deadlines.total
    if attempt.asked != question.model:
        recording.turn_to(attempt.route, attempt.asked)
    count_attempt(call.state.health, voyage)
    if journey is None:
        return None
    recording.warnings += (*journey.plan.passed_over, *journey.refused)
    if deadlines is call.state.deadlines and not journey.has_a_choice:
        return None  # a deadline of its own is for its content, and only who looks at an opening sees that
    attempts = Attempts(call, journey)
    if journey.hedge is not None:
        attempts.hedge_later(journey.hedge)
    return attempts


def count_attempt(health: Health, voyage: Voyage | None) -> None:
    """Count an attempt that sets out now; `note_attempt` counts its end."""
    if voyage is not None and voyage.step is not None:
        health.begin(voyage.attempt, retry=voyage.step.kind is StepKind.RETRY)


def note_attempt(
    call: Traveller,
    voyage: Voyage,
    outcome: Outcome,
    error: str | None,
    answer: ResponseHead | None,
    body: bytes = b"",
    *,
    unsent: bool = False,
) -> None:
    """Put on record what became of an attempt, and let routing learn from it."""
    recording, health, started = call.recording, call.state.health, call.attempt_started
    assert recording is not None
    attempt, step = voyage.attempt, voyage.step
    status = None if answer is None else answer.status
    host = voyage.pool.origin.host
    recording.add_attempt(attempt, host, started, call.connect_time, status, outcome, error, step, unsent=unsent)
    if outcome is not _SUCCESS or health.troubled:
        hurried = outcome is Outcome.TIMEOUT and _is_hurried(call, attempt)
        cools = not hurried and learn(health, attempt, outcome, answer, body, started)
        count_failure(call.state.slot, outcome, cools=cools)
    if step is not None:
        count_step(call.state.slot, step.kind, outcome)
        first_byte = recording.first_byte_at
        if first_byte:
            health.end(attempt, (first_byte - started) / 1e9)
        else:
            in_vain = outcome is Outcome.TIMEOUT or outcome is Outcome.CANCELLED
            health.end(attempt, None, (time.perf_counter_ns() - started) / 1e9 if in_vain else 0.0)


def _is_hurried(call: Traveller, attempt: Attempt) -> bool:
    """Say whether what is late is so for this caller alone, or for an organization with a credential that it shares."""
    deadlines = call.deadlines
    return deadlines.is_callers or (attempt.credential.organization_id is None and deadlines != call.state.deadlines)

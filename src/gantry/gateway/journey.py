"""The attempts of one call: who is asked first, who was asked last, and where it may still go. Step 6 of its path.

Law: an answer of which nothing has left may come from somebody else; what follows is another voyage with the same
question. What cannot be asked of the next model is passed over. A call for which nothing is to plan has no journey.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from msgspec import structs

from gantry.core.errors import CreditsExhausted, GatewayError, LimitReached, NoCredential
from gantry.core.routing_rules import Affinity
from gantry.core.vocabulary import Operation, Outcome
from gantry.dialects.conversation import conversation_key
from gantry.gateway.authority import TokenNeeded
from gantry.gateway.counting import HoldAwaited
from gantry.gateway.health import Health
from gantry.gateway.hold import Hold
from gantry.gateway.intake import Intake
from gantry.gateway.prepare import Question, Voyage, make_voyage
from gantry.gateway.stage import Deadlines, deadlines_by
from gantry.gateway.state import WorkerState
from gantry.gateway.terms import has_terms, read_terms, timeouts
from gantry.providers.failures import FailureKind
from gantry.routing.balance import NO_TIES, Ties, hedge_of
from gantry.routing.itinerary import Itinerary, Step, StepKind
from gantry.routing.plan import NO_RETRIES, Attempt, Choice, Plan, shown
from gantry.routing.snapshot import KeyRecord
from gantry.routing.verdict import judge
from gantry.wire.envelope import Envelope
from gantry.wire.head import RequestHead, ResponseHead
from gantry.wire.http_date import read_http_date

_FAILED: Final = 400
_LONGEST_ASKED: Final = 1e9  # seconds
_NO_ANSWER: Final = "no answer"
_BAD_STREAM: Final = "an answer that broke, or told of an error, before its content"
_UNPAID: Final = (LimitReached, CreditsExhausted)
_FIRST, _HEDGE = StepKind.FIRST, StepKind.HEDGE
# What ends an attempt and says nothing of its deployment is not here.
_TELLING: Final = (Outcome.UPSTREAM_ERROR, Outcome.UPSTREAM_UNREACHABLE, Outcome.UPSTREAM_BROKE, Outcome.TIMEOUT)


class Journey:
    """One call's plan, and how far it has come."""

    __slots__ = (
        "_body",
        "_head",
        "_hold",
        "_intake",
        "_itinerary",
        "_key",
        "_state",
        "hedge",
        "plan",
        "question",
        "refused",
        "resume",
        "resume_beside",
    )

    def __init__(
        self,
        state: WorkerState,
        intake: Intake,
        key: KeyRecord,
        head: RequestHead,
        question: Question,
        body: bytes,
        hold: Hold | None = None,
    ) -> None:
        """Plan the call. Raises GatewayError."""
        self._state = state
        self._intake = intake
        self._key = key
        self._head = head
        self._body = body
        self._hold = hold
        self.question = question
        terms = read_terms(question.parameters, question.model)
        self.plan = intake.plan(key, question.model, terms, stream=question.stream)
        ties = ties_of(self.plan, question, key, intake.surface.operation)
        self.hedge = hedge_of(self.plan, ties)
        self.refused: list[str] = []  # members of a group that could not be asked
        self.resume: Callable[[], tuple[Voyage, float] | None] = _nowhere
        self.resume_beside: Callable[[], Voyage | None] = _nowhere
        self._itinerary = Itinerary(self.plan, state.health, state.draw, ties=ties, may_retry=state.health.may_retry)

    @property
    def has_a_choice(self) -> bool:
        """Whether anything can follow the first attempt."""
        plan = self.plan
        return (
            len(plan.choices) > 1
            or len(plan.choices[0].attempts) > 1
            or plan.retries is not NO_RETRIES
            or self.hedge is not None
        )

    def begin(self) -> Voyage:
        """Return the first voyage. Raises GatewayError, Awaited."""
        step = self._itinerary.begin()
        failed: GatewayError | TokenNeeded | None = None
        while step is not None:
            try:
                return self._set_out(step)
            except (GatewayError, TokenNeeded) as error:
                alone = isinstance(error, TokenNeeded) or len(models_of(self.plan.choices[0])) < 2
                if step.kind is _FIRST and alone and not isinstance(error, _UNPAID):
                    raise
                if isinstance(error, GatewayError):
                    self.refused.append(f"{shown(step.drawn.attempt.asked)} cannot be asked: {error.message}")
                failed = failed or error
                self._hear_of(error)
                step = self._itinerary.pass_over(step)
        raise failed or NoCredential("every deployment that could serve this has weight 0; raise one to use it again")

    def go_on(self, attempt: Attempt, kind: FailureKind, retry_after: float | None) -> tuple[Voyage, float] | None:
        """Return the next voyage and the seconds to wait before it, after an attempt failed.

        Raises HoldAwaited; then `resume` does the same once the answer is here.
        """
        return self._go_by(self._itinerary.after(attempt, kind, retry_after))

    def _go_by(self, step: Step | None) -> tuple[Voyage, float] | None:
        while step is not None:
            try:
                return self._set_out(step), step.pause
            except HoldAwaited:
                self.resume = partial(self._go_by, step)
                raise
            except (GatewayError, TokenNeeded) as error:  # this one cannot be asked
                self._hear_of(error)
                step = self._itinerary.pass_over(step)
        return None

    def beside(self, attempt: Attempt) -> Voyage | None:
        """Return a second voyage beside an attempt that keeps the caller waiting.

        Raises HoldAwaited; then `resume_beside` does the same once the answer is here.
        """
        return self._go_beside(self._itinerary.beside(attempt))

    def _go_beside(self, step: Step | None) -> Voyage | None:
        try:
            return None if step is None else self._set_out(step)
        except HoldAwaited:
            self.resume_beside = partial(self._go_beside, step)
            raise
        except (GatewayError, TokenNeeded) as error:
            self._hear_of(error)
            return None

    def _set_out(self, step: Step) -> Voyage:
        attempt, question, intake = step.drawn.attempt, self.question, self._intake
        if attempt.asked != question.model:
            question = structs.replace(question, model=attempt.asked, renamed=True)
        bearing = intake.bearing(attempt, stream=question.stream)
        voyage = make_voyage(self._state, intake, self._key, self._head, question, self._body, bearing, step)
        if self._hold is not None:
            take = self._hold.take_beside if step.kind is _HEDGE else self._hold.take
            take(attempt, voyage.pool.origin.host)
        return voyage

    def _hear_of(self, error: GatewayError | TokenNeeded) -> None:
        """Have a token bought that a voyage lacked: not for this call, but the next will find it."""
        if isinstance(error, TokenNeeded):
            self._state.desk.wait(error.account, _take_note)


def models_of(choice: Choice) -> dict[str | None, Attempt]:
    """Return the models of a choice, each with an attempt at it: of a group, one may be asked what another may not."""
    return {attempt.asked: attempt for attempt in reversed(choice.attempts)}


def set_out(
    state: WorkerState,
    intake: Intake,
    key: KeyRecord,
    head: RequestHead,
    question: Question,
    body: bytes,
    hold: Hold | None = None,
) -> tuple[Voyage, Journey | None]:
    """Return the first voyage of a call, paid for, and its journey if it was planned.

    Raises GatewayError, Awaited.
    """
    if intake.native or question.envelope is None:
        voyage = make_voyage(state, intake, key, head, question, body)
        return voyage if hold is None else pay(voyage, hold), None
    if not has_terms(question.parameters):
        bearing = intake.only_bearing(key, question.model, stream=question.stream)
        if bearing is not None:
            voyage = make_voyage(state, intake, key, head, question, body, bearing)
            return voyage if hold is None else pay(voyage, hold), None
    journey = Journey(state, intake, key, head, question, body, hold)
    return journey.begin(), journey


def pay(voyage: Voyage, hold: Hold) -> Voyage:
    """Return a voyage for which is held what it may cost. Raises GatewayError, HoldAwaited."""
    hold.take(voyage.attempt, voyage.pool.origin.host)
    return voyage


def deadlines_for(state: WorkerState, voyage: Voyage, question: Question) -> Deadlines:
    """Return how long an attempt may take, by its model's rule and the caller's wish. Raises InvalidRequest."""
    first_token, total = timeouts(question.parameters)
    return deadlines_by(voyage.attempt.route.rule, first_token, total, state.deadlines)


def judge_failure(attempt: Attempt, answer: ResponseHead | None, body: bytes) -> tuple[FailureKind, float | None]:
    """Return what a failed attempt says, and the seconds that its provider asks to wait.

    A good status before a bad stream is as good as no answer; its body is then the event that told of the error.
    """
    rules = attempt.route.provider.failures
    if answer is None or answer.status < _FAILED:
        return judge(rules, None, {}, body), None
    kind = judge(rules, answer.status, answer.fields, body)
    return kind, retry_after(answer.fields, time.time())


def learn(
    health: Health, attempt: Attempt, outcome: Outcome, answer: ResponseHead | None, body: bytes, started: int
) -> bool:
    """Tell the health of deployments what became of an attempt that began at `started`, in ns.

    Return whether its deployment cools from now on.
    """
    if outcome is Outcome.SUCCESS:
        health.note_success(attempt, started // 1_000_000)
    elif outcome is Outcome.TIMEOUT and answer is None:
        return health.note_lateness(attempt, started // 1_000_000)
    elif outcome in _TELLING:
        kind, seconds = judge_failure(attempt, answer, body)
        status = None if answer is None else answer.status
        return health.note_failure(attempt, kind, started // 1_000_000, status, seconds)
    return False


def describe_failure(attempt: Attempt, answer: ResponseHead | None) -> str:
    """Return what the record says of an attempt after which the call went on."""
    said = _NO_ANSWER if answer is None else f"status {answer.status}"
    if answer is not None and answer.status < _FAILED:
        said = _BAD_STREAM
    route = attempt.route
    return f"{route.provider.id}/{route.upstream_model} ({attempt.credential.name}): {said}; went on"


def retry_after(fields: Mapping[bytes, bytes], now: float) -> float | None:
    """Return the seconds that an answer asks to wait; None where it names none that can be read (RFC 9110 §10.2.3)."""
    value = fields.get(b"retry-after", b"").strip().decode("latin-1")
    if not value:
        return None
    if value.replace(".", "", 1).isdecimal():
        return min(float(value), _LONGEST_ASKED)  # digits enough make infinity
    until = read_http_date(value)
    return None if until is None else max(until - now, 0.0)


def ties_of(plan: Plan, question: Question, key: KeyRecord, operation: Operation) -> Ties:
    """Return what ties a call to a deployment: its conversation, where that may decide, and what it leaves behind."""
    sticky = [one for one in plan.choices if len(one.attempts) > 1 and one.affinity is not Affinity.NEVER]
    envelope, conversation = question.envelope, None
    if envelope is None:
        return NO_TIES
    if sticky:
        always = any(one.affinity is Affinity.ALWAYS for one in sticky)
        size, owner = len(envelope.body), key.organization_id
        conversation = conversation_key(envelope.members, size, owner, always=always)
    if operation is not Operation.RESPONSES:
        return Ties(conversation)
    goes_on = _goes_on(envelope)
    return Ties(conversation, goes_on or envelope.get("store") != b"false", goes_on)


def _goes_on(envelope: Envelope) -> bool:
    """Say whether a call goes on from what is stored at its provider."""
    return any(envelope.get(name) not in (None, b"null") for name in ("previous_response_id", "conversation"))


def _nowhere() -> None:
    """Return where a journey goes on that waits for nothing."""


def _take_note(error: GatewayError | None) -> None:
    """Take note of a token that was bought, or was not, for whoever comes later."""

"""The attempts of one call: what was asked, who was asked last, and where it may still go. Step 6 of a request's path.

Law: an answer of which nothing has left may come from somebody else; what follows is another voyage with the same
question. A caller's own credential is never followed by one of ours, and what cannot be asked of the next model is
passed over. Only calls that have somewhere to go have a journey.
"""

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from msgspec import structs

from gantry.core.errors import GatewayError
from gantry.gateway.authority import TokenNeeded
from gantry.gateway.intake import Intake
from gantry.gateway.params import NO_PARAMETERS
from gantry.gateway.prepare import Question, Voyage, make_voyage
from gantry.gateway.state import WorkerState
from gantry.routing.itinerary import NO_RETRIES, Itinerary
from gantry.routing.snapshot import KeyRecord
from gantry.routing.verdict import judge
from gantry.wire.head import RequestHead, ResponseHead

_FAILED: Final = 400
_NO_ANSWER: Final = "no answer"
_BAD_STREAM: Final = "an answer that broke, or told of an error, before its content"


class Journey:
    """One call's attempts after the first."""

    __slots__ = ("_head", "_intake", "_itinerary", "_key", "_state", "model", "question", "voyage")

    def __init__(
        self,
        state: WorkerState,
        intake: Intake,
        key: KeyRecord,
        head: RequestHead,
        question: Question,
        voyage: Voyage,
        itinerary: Itinerary,
    ) -> None:
        self._state = state
        self._intake = intake
        self._key = key
        self._head = head
        self.question = question
        self._itinerary = itinerary
        self.voyage = voyage
        self.model = question.model  # as the caller named the one that is asked

    def go_on(self, answer: ResponseHead | None) -> tuple[Voyage, float] | None:
        """Return the next voyage and the seconds to wait before it, after an attempt failed with an answer or none.

        A good status before a bad stream is as good as no answer.
        """
        attempt = self.voyage.attempt
        if answer is not None and answer.status < _FAILED:
            answer = None
        step = self._itinerary.after(
            judge(attempt.route.provider.failures, None if answer is None else answer.status),
            attempt.credential.credential_id,
            [candidate.credential_id for candidate in attempt.route.candidates],
            None if answer is None else retry_after(answer.fields, time.time()),
        )
        while step is not None:
            question = self.question
            if step.model != question.model:
                question = structs.replace(question, model=step.model)
            assert question.envelope is not None
            try:
                body = question.envelope.body
                voyage = make_voyage(self._state, self._intake, self._key, self._head, question, body, step.avoid)
            except TokenNeeded as needed:  # not at once; the next call will find it bought
                self._state.desk.wait(needed.account, _hear)
                step = self._itinerary.pass_over()
            except GatewayError:  # this one cannot be asked
                step = self._itinerary.pass_over()
            else:
                self.voyage, self.model = voyage, step.model
                return voyage, step.pause
        return None


def begin_journey(
    state: WorkerState, intake: Intake, key: KeyRecord, head: RequestHead, question: Question, voyage: Voyage
) -> Journey | None:
    """Return the journey of a call whose first voyage this is; None for one that has nowhere else to go.

    Raises InvalidRequest for parameters of the caller's that cannot be acted on.
    """
    fallbacks: tuple[str, ...] = ()
    retries = NO_RETRIES
    parameters = question.parameters
    if parameters is not NO_PARAMETERS:
        fallbacks, retries = parameters.fallbacks(), parameters.retries()
    attempt = voyage.attempt
    if question.envelope is None or intake.native or attempt.callers_credential:
        return None
    if not fallbacks and retries is NO_RETRIES and len(attempt.route.candidates) < 2:
        return None
    itinerary = Itinerary(question.model, fallbacks, retries, state.draw)
    return Journey(state, intake, key, head, question, voyage, itinerary)


def describe_failure(voyage: Voyage, answer: ResponseHead | None) -> str:
    """Return what the record says of an attempt after which the call went on."""
    said = _NO_ANSWER if answer is None else f"status {answer.status}"
    if answer is not None and answer.status < _FAILED:
        said = _BAD_STREAM
    route = voyage.attempt.route
    return f"{route.provider.id}/{route.upstream_model} ({voyage.attempt.credential.name}): {said}; went on"


def retry_after(fields: Mapping[bytes, bytes], now: float) -> float | None:
    """Return the seconds that an answer asks to wait; None where it names none that can be read (RFC 9110 §10.2.3)."""
    value = fields.get(b"retry-after", b"").strip().decode("latin-1")
    if not value:
        return None
    try:
        if value.replace(".", "", 1).isdecimal():
            return float(value)
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except (ValueError, OverflowError):
        return None


def _hear(error: GatewayError | None) -> None:
    """Take note of a token that was bought, or was not, for whoever comes later."""

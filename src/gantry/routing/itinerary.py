"""Where a call goes first, and when an attempt failed: to another deployment, to the next choice, again, or nowhere.

Law: pure, and it comes to an end, for a call makes `MOST_ATTEMPTS` at most. What is the caller's fault, or the fault of
a credential that the caller brought, is told to the caller and tried nowhere else.

In this order: a deployment of the same choice that was not tried yet, at once; then the choices that follow, at once,
each with all of its deployments; then the last that failed again, after a pause that doubles. Whoever is cooling is
passed over, but by a call that has nowhere else to begin, and by one that was asked to try again.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, NamedTuple

from gantry.core.routing_rules import MOST_RETRIES
from gantry.providers.failures import FailureKind
from gantry.routing.balance import NO_TIES, Drawn, Reason, Ties, View, draw, draw_regardless
from gantry.routing.plan import Attempt, Plan

MOST_ATTEMPTS: Final = MOST_RETRIES
LONGEST_PAUSE: Final = 10.0  # seconds; who is asked to wait for longer is no help to a caller who waits
_JITTER: Final = 0.2  # of a pause, both ways: callers that failed together must not come back together
# By another deployment of the same choice.
_MOVABLE: Final = (FailureKind.CREDENTIAL, FailureKind.LIMIT, FailureKind.CAPACITY, FailureKind.TRANSIENT)
_PASSING: Final = (FailureKind.LIMIT, FailureKind.CAPACITY, FailureKind.TRANSIENT)


class StepKind(StrEnum):
    FIRST = "first"
    ROTATION = "rotation"  # another deployment of the same choice
    FALLBACK = "fallback"  # the next choice
    RETRY = "retry"  # the same choice again
    HEDGE = "hedge"  # beside an attempt that has not answered yet


class Step(NamedTuple):
    """The next attempt, and the seconds to wait before it."""

    drawn: Drawn
    kind: StepKind
    pause: float = 0.0


class Itinerary:
    """The steps that one call has left."""

    __slots__ = (
        "_attempts",
        "_chance",
        "_failed",
        "_may_retry",
        "_next",
        "_passed",
        "_place",
        "_plan",
        "_retried",
        "_ties",
        "_tried",
        "_view",
    )

    def __init__(
        self,
        plan: Plan,
        view: View,
        chance: Callable[[], float],
        *,
        ties: Ties = NO_TIES,
        may_retry: Callable[[Attempt], bool] = lambda attempt: True,
    ) -> None:
        """`chance` gives numbers in [0, 1); `may_retry` says whether a deployment bears one more retry."""
        self._plan = plan
        self._view = view
        self._chance = chance
        self._ties = ties
        self._may_retry = may_retry
        self._place = 0  # of the choice that was asked last
        self._next = 0  # of the choice to fall back on
        self._attempts = 1
        self._retried = 0
        self._tried: set[str] = set()
        self._passed: set[int] = set()  # choices that were drawn from before anything was asked
        self._failed: tuple[int, FailureKind, float | None] | None = None  # of the last

    def begin(self) -> Step | None:
        """Return the first step; None when everything is drained."""
        return self._first_well() or self._first_of_all()

    def after(self, attempt: Attempt, kind: FailureKind, retry_after: float | None = None) -> Step | None:
        """Return the step after an attempt failed; None to give up. `retry_after`: seconds the provider asks for."""
        self._tried.add(attempt.deployment_id)
        stop = kind is FailureKind.CALLER or (kind is FailureKind.CREDENTIAL and attempt.callers_credential)
        if stop or self._attempts >= MOST_ATTEMPTS:
            return None
        self._attempts += 1
        self._failed = self._place, kind, retry_after
        if kind in _MOVABLE:
            drawn = self._draw(self._place)
            if drawn is not None:
                return Step(drawn, StepKind.ROTATION)
        return self.pass_over()

    def pass_over(self, refused: Step | None = None) -> Step | None:
        """Return the step to the next choice, also from one that cannot be asked; else to the last again, or None.

        In place of a deployment that cannot be asked, the next of its choice comes first: of a group, it is another
        model. Before anything was asked, one that is cooling comes before nothing.
        """
        failed = self._failed
        if refused is not None and refused.kind in (StepKind.FIRST, StepKind.ROTATION):
            self._tried.add(refused.drawn.attempt.deployment_id)
            drawn = self._draw(self._place)
            if drawn is not None:
                return Step(drawn, refused.kind)
        return self._first_well() or (self._first_of_all() if failed is None else self._again(*failed))

    def beside(self, attempt: Attempt) -> Step | None:
        """Return a second attempt beside one that is under way: at another deployment of its choice, or at the same."""
        if self._attempts >= MOST_ATTEMPTS:
            return None
        self._attempts += 1
        self._tried.add(attempt.deployment_id)
        choice = self._plan.choices[self._place]
        drawn = draw(choice, self._view, self._chance, avoid=self._tried, may_probe=False)
        if drawn is None:
            drawn = Drawn(attempt, Reason.ONLY, 1.0, self._view.condition(attempt))
        self._tried.add(drawn.attempt.deployment_id)  # whichever fails first, nobody goes back to it at once
        return Step(drawn, StepKind.HEDGE)

    def _first_well(self) -> Step | None:
        for place in range(self._next, len(self._plan.choices)):
            drawn = self._draw(place)
            if drawn is not None:
                self._place, self._next = place, place + 1
                self._passed.add(place)
                return Step(drawn, _kind_at(place))
        return None

    def _first_of_all(self) -> Step | None:
        """Return the step to the first choice that was not drawn from yet, however it stands."""
        for place, choice in enumerate(self._plan.choices):
            drawn = None
            if place not in self._passed:
                drawn = draw_regardless(choice, self._view, self._chance, ties=self._ties)
            if drawn is not None:
                self._passed.add(place)
                self._place, self._next = place, max(self._next, place + 1)
                return Step(drawn, _kind_at(place))
        return None

    def _draw(self, place: int) -> Drawn | None:
        choice = self._plan.choices[place]
        return draw(choice, self._view, self._chance, ties=self._ties, avoid=self._tried)

    def _again(self, place: int, kind: FailureKind, retry_after: float | None) -> Step | None:
        retries = self._plan.retries
        if kind not in _PASSING or self._retried >= retries.count:
            return None
        if retry_after is not None and retry_after > LONGEST_PAUSE:
            return None
        self._tried.clear()
        choice, self._place = self._plan.choices[place], place
        drawn = draw(choice, self._view, self._chance, ties=self._ties, may_probe=False)
        drawn = drawn or draw_regardless(choice, self._view, self._chance, ties=self._ties)
        if drawn is None or not self._may_retry(drawn.attempt):
            return None
        pause = retries.pause * 2**self._retried * (1 - _JITTER + 2 * _JITTER * self._chance())
        self._retried += 1
        return Step(drawn, StepKind.RETRY, min(max(pause, retry_after or 0.0), LONGEST_PAUSE))


def _kind_at(place: int) -> StepKind:
    return StepKind.FIRST if place == 0 else StepKind.FALLBACK

"""What would happen to a call, and why, without making it: the same plan, walked as if every attempt failed.

Law: pure, and nothing of its own: what it tells comes from the planner and the itinerary that calls go by, so that it
agrees with what then happens. It looks and does not touch: a deployment that is due is not probed by it.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from gantry.core.routing_rules import Hedge
from gantry.providers.failures import FailureKind
from gantry.routing.balance import NO_TIES, Load, Ties, View, hedge_of
from gantry.routing.cooldown import Condition
from gantry.routing.credentials import excludes, lists
from gantry.routing.itinerary import Itinerary, Step
from gantry.routing.plan import Attempt, Choice, Plan
from gantry.routing.snapshot import Snapshot

CALLERS: Final = "the caller's own"


class SeenDeployment(Struct, frozen=True, omit_defaults=True):
    """A deployment that could serve. `latency` is in seconds, `price` in nano-dollars per million tokens."""

    provider_id: str
    credential: str
    model: str | None
    tier: str
    weight: float
    share: float  # of the weights of those that are well; 0 for one that is not
    condition: str
    latency: float = 0.0
    busy: int = 0
    price: int | None = None


class LeftOut(Struct, frozen=True):
    """A stored credential of the same provider that does not serve, and why."""

    provider_id: str
    credential: str
    reason: str


class SeenChoice(Struct, frozen=True):
    asked: str | None
    strategy: str
    affinity: str
    deployments: tuple[SeenDeployment, ...]
    left_out: tuple[LeftOut, ...]


class SeenStep(Struct, frozen=True):
    """One attempt that would be made; `pause` is in seconds before it."""

    step: str
    reason: str
    share: float
    condition: str
    provider_id: str
    credential: str
    model: str | None
    tier: str
    pause: float


class Explanation(Struct, frozen=True):
    """`attempts` is what would happen if each failed for a passing reason; the first is what happens if none does."""

    choices: tuple[SeenChoice, ...]
    passed_over: tuple[str, ...]
    num_retries: int
    retry_after: float
    hedge: Hedge | None
    is_sticky: bool  # the conversation decides who takes it
    attempts: tuple[SeenStep, ...]


class Peek:
    """A view that tells what another tells, and takes no probe from anybody."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._probed: set[str] = set()

    def condition(self, attempt: Attempt) -> Condition:
        return Condition.COOLING if attempt.deployment_id in self._probed else self._view.condition(attempt)

    def claim(self, attempt: Attempt) -> bool:
        self._probed.add(attempt.deployment_id)
        return True

    def load(self, attempt: Attempt) -> Load:
        return self._view.load(attempt)

    def price(self, attempt: Attempt) -> int | None:
        return self._view.price(attempt)


def explain(
    snapshot: Snapshot,
    organization_id: str,
    environment: str,
    plan: Plan,
    view: View,
    chance: Callable[[], float],
    ties: Ties = NO_TIES,
) -> Explanation:
    """Return what a plan means now. `chance` gives numbers in [0, 1)."""
    itinerary = Itinerary(plan, Peek(view), chance, ties=ties)
    step = itinerary.begin()
    steps: list[Step] = []
    while step is not None:
        steps.append(step)
        step = itinerary.after(step.drawn.attempt, FailureKind.TRANSIENT)
    return Explanation(
        tuple(_see_choice(snapshot, organization_id, environment, choice, view) for choice in plan.choices),
        plan.passed_over,
        plan.retries.count,
        plan.retries.pause,
        hedge_of(plan, ties),
        ties.conversation is not None and len(plan.choices[0].attempts) > 1,
        tuple(_see_step(one) for one in steps),
    )


def _see_choice(snapshot: Snapshot, organization_id: str, environment: str, choice: Choice, view: View) -> SeenChoice:
    conditions = [view.condition(one) for one in choice.attempts]
    whole = sum(one.weight for one, how in zip(choice.attempts, conditions, strict=True) if how is Condition.WELL)
    seen = []
    for one, how in zip(choice.attempts, conditions, strict=True):
        load = view.load(one)
        share = one.weight / whole if how is Condition.WELL and whole else 0.0
        route = one.route
        seen.append(
            SeenDeployment(
                route.provider.id,
                _name_of(one),
                route.upstream_model,
                route.tier,
                one.weight,
                share,
                how,
                load.latency,
                load.busy,
                view.price(one),
            )
        )
    left_out = _left_out(snapshot, organization_id, environment, choice)
    return SeenChoice(choice.asked, choice.strategy, choice.affinity, tuple(seen), left_out)


def _left_out(snapshot: Snapshot, organization_id: str, environment: str, choice: Choice) -> tuple[LeftOut, ...]:
    """Return the stored credentials of the choice's providers that cannot be drawn, each with the first reason."""
    routes = {one.route.provider.id: one.route for one in choice.attempts}
    taken = {one.credential.credential_id for one in choice.attempts}
    own = {one.provider_id for one in snapshot.by_organization.get(organization_id, ())}
    found = []
    for one in snapshot.credentials_of(organization_id):
        route = routes.get(one.provider_id)
        if route is None or one.credential_id in taken:
            continue
        model = route.upstream_model or ""
        if any(attempt.callers_credential for attempt in choice.attempts):
            reason = "the request brings a credential of its own"
        elif one.environment not in (None, environment):
            reason = f"it is for the environment {one.environment}"
        elif excludes(one, model):
            reason = f"it excludes {model}"
        elif one.models and not lists(one, model):
            reason = f"its models do not have {model}"
        elif one.weight <= 0:
            reason = "its weight is 0"
        elif one.organization_id is None and one.provider_id in own:
            reason = "it is the platform's, and there are some of your own"
        else:
            reason = "the group names another"
        found.append(LeftOut(one.provider_id, one.name, reason))
    return tuple(found)


def _see_step(step: Step) -> SeenStep:
    drawn = step.drawn
    route = drawn.attempt.route
    return SeenStep(
        step.kind,
        drawn.reason,
        drawn.share,
        drawn.condition,
        route.provider.id,
        _name_of(drawn.attempt),
        route.upstream_model,
        route.tier,
        step.pause,
    )


def _name_of(attempt: Attempt) -> str:
    return CALLERS if attempt.callers_credential else attempt.credential.name

"""Which of several deployments takes a call: by weight, latency, load or price, by conversation, and by health first.

Law: pure; chance and what is known of the deployments are arguments. One that is cooling is taken only when every one
is: health chooses among what could serve, and never refuses. Weight 0 drains.

A conversation stays where its provider's prompt cache is: at the deployment with the best score of a hash of both,
weighted so that conversations spread as the weights say, and so that one more deployment moves only the share that it
takes (weighted rendezvous hashing).
"""

import math
from collections.abc import Callable, Collection, Sequence
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple, Protocol

from gantry.core.routing_rules import Affinity, Hedge, Strategy
from gantry.core.vocabulary import Operation
from gantry.routing.cooldown import Condition
from gantry.routing.plan import Attempt, Choice, Plan

_NOBODY: Final[frozenset[str]] = frozenset()
_HASHES: Final = float(1 << 64)
_UNHEARD: Final = 60.0  # seconds, for each call to a deployment that was never heard of


class Reason(StrEnum):
    """Why this deployment and no other."""

    ONLY = "only"
    WEIGHT = "weight"
    AFFINITY = "affinity"
    LATENCY = "latency"
    LOAD = "load"
    PRICE = "price"
    PROBE = "probe"
    HOME = "home"  # where what it makes or goes on from lives


class Load(NamedTuple):
    """What this worker knows of the calls to a deployment."""

    latency: float = 0.0  # seconds to the first byte: an average that a slow call raises at once; 0 for not known
    busy: int = 0  # calls under way


class Ties(NamedTuple):
    """What ties a call to a deployment, beside its health.

    `conversation` is what its conversation is known by. A call `at_home` leaves or continues something at the provider,
    which lives with one account; one that `goes_on` can do so nowhere else.
    """

    conversation: bytes | None = None
    at_home: bool = False
    goes_on: bool = False


NO_TIES: Final = Ties()


class View(Protocol):
    """What is known of deployments now."""

    def condition(self, attempt: Attempt) -> Condition: ...
    def claim(self, attempt: Attempt) -> bool: ...  # to probe one that is due; False when another call does
    def load(self, attempt: Attempt) -> Load: ...
    def price(self, attempt: Attempt) -> int | None: ...


class Drawn(NamedTuple):
    """A deployment with the reason for it, its share of the weights of those that were well, and how it stood."""

    attempt: Attempt
    reason: Reason
    share: float
    condition: Condition


def draw(
    choice: Choice,
    view: View,
    chance: Callable[[], float],
    *,
    ties: Ties = NO_TIES,
    avoid: Collection[str] = _NOBODY,
    may_probe: bool = True,
) -> Drawn | None:
    """Return one of a choice's deployments, none of those to avoid (by id); None when there is none that is well.

    `chance` gives numbers in [0, 1).
    """
    left = [one for one in _able(choice, ties) if one.deployment_id not in avoid]
    conditions = [view.condition(one) for one in left]
    well = [one for one, how in zip(left, conditions, strict=True) if how is Condition.WELL]
    home = next(filter(_keeps_responses, well), None) if ties.at_home else None
    if home is not None:
        return Drawn(home, Reason.HOME, _share(home, well), Condition.WELL)
    if may_probe:
        for one, how in zip(left, conditions, strict=True):
            if how is Condition.DUE and view.claim(one):
                return Drawn(one, Reason.PROBE, _share(one, left), how)
    return pick(choice, well, Condition.WELL, view, chance, ties.conversation) if well else None


def draw_regardless(
    choice: Choice,
    view: View,
    chance: Callable[[], float],
    *,
    ties: Ties = NO_TIES,
) -> Drawn | None:
    """Return one of a choice's deployments however they stand; None when all are drained."""
    left = _able(choice, ties)
    if not left:
        return None
    home = next(filter(_keeps_responses, left), None) if ties.at_home else None
    if home is not None:
        return Drawn(home, Reason.HOME, _share(home, left), view.condition(home))
    drawn = pick(choice, left, Condition.COOLING, view, chance, ties.conversation)
    return drawn._replace(condition=view.condition(drawn.attempt))


def pick(
    choice: Choice,
    among: Sequence[Attempt],
    condition: Condition,
    view: View,
    chance: Callable[[], float],
    conversation: bytes | None,
) -> Drawn:
    """Return one of these by the choice's strategy, or by the conversation where that decides."""
    if len(among) == 1:
        return Drawn(among[0], Reason.ONLY, 1.0, condition)
    if conversation is not None and choice.affinity is not Affinity.NEVER:
        at_home = min(among, key=lambda one: _distance(conversation, one))
        return Drawn(at_home, Reason.AFFINITY, _share(at_home, among), condition)
    if choice.strategy is Strategy.CHEAPEST:
        among, reason = _cheapest(among, view), Reason.PRICE
        taken = draw_by_weight(among, chance)
    elif choice.strategy is Strategy.WEIGHTED:
        taken, reason = draw_by_weight(among, chance), Reason.WEIGHT
    else:
        one = draw_by_weight(among, chance)
        other = draw_by_weight([rival for rival in among if rival is not one], chance)
        latency = choice.strategy is Strategy.LEAST_LATENCY
        taken = min(one, other, key=lambda rival: _burden(view.load(rival), latency=latency))
        reason = Reason.LATENCY if latency else Reason.LOAD
    return Drawn(taken, reason, _share(taken, among), condition)


def hedge_of(plan: Plan, ties: Ties) -> Hedge | None:
    """Return how a call may be hedged: not where it leaves something at the provider, for it would be left twice."""
    return None if ties.at_home else plan.hedge


def draw_by_weight(among: Sequence[Attempt], chance: Callable[[], float]) -> Attempt:
    """Return one of these (there is one), each as often as its weight says."""
    point = chance() * sum(one.weight for one in among)
    for one in among:
        point -= one.weight
        if point < 0:
            return one
    return among[-1]


def _able(choice: Choice, ties: Ties) -> list[Attempt]:
    """Return those of a choice that are not drained, and know what the call goes on from where one of them does."""
    left = [one for one in choice.attempts if one.weight > 0]
    if ties.goes_on and any(map(_keeps_responses, left)):
        left = [one for one in left if one.credential.home or not _stores_responses(one)]
    return left


def _keeps_responses(one: Attempt) -> bool:
    return one.credential.home and _stores_responses(one)


def _stores_responses(one: Attempt) -> bool:
    route = one.route
    return Operation.RESPONSE in route.provider.paths.get(route.dialect, {})


def _share(one: Attempt, among: Sequence[Attempt]) -> float:
    return one.weight / sum(other.weight for other in among)


def _burden(load: Load, *, latency: bool) -> float:
    """Return how much a deployment has to bear; who answers slowly and is busy has the most of both.

    One that was asked and has not answered yet counts as slow: it may be one that never will.
    """
    if not latency:
        return load.busy
    return load.latency * (load.busy + 1) if load.latency else _UNHEARD * load.busy


def _cheapest(among: Sequence[Attempt], view: View) -> Sequence[Attempt]:
    """Return those with the lowest price; a price that is not known is above all others."""
    prices = [view.price(one) for one in among]
    known = [price for price in prices if price is not None]
    lowest = min(known) if known else None
    return [one for one, price in zip(among, prices, strict=True) if price == lowest]


def _distance(conversation: bytes, one: Attempt) -> float:
    digest = blake2b(one.deployment_id.encode("utf-8", "surrogatepass"), key=conversation[:64], digest_size=8).digest()
    point = (int.from_bytes(digest, "big") + 1) / (_HASHES + 1)  # in (0, 1]
    return -math.log(point) / one.weight

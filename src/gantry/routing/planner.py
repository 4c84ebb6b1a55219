"""The planner: what a request asks, its terms and the organization's rules in, a plan out.

Law: pure, and the only one: `explain` answers with this same plan without calling. Chance is only asked which of
several credentials that the request brings is taken; which deployment takes the call is the itinerary's to draw.

What a request says wins over the rule of its model, and that over the organization's rules. A group, or a list of
models without a model, wins over `model`: it was asked for. A first choice that nobody could ever serve is told at
once; one that only lacks a credential, and a fallback that cannot be asked, are passed over, and the plan says so.
"""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Final

from gantry.core.errors import GatewayError, InvalidRequest, NoCredential
from gantry.core.routing_rules import Affinity, LoadBalanceGroup, ModelRule, RoutingRules, Strategy
from gantry.routing.credentials import callers_credential, drawn_weight, read_credential
from gantry.routing.plan import (
    NO_RETRIES,
    NO_TERMS,
    Attempt,
    Choice,
    Plan,
    Retries,
    Route,
    Terms,
    WeightedModel,
    Wish,
    shown,
)
from gantry.routing.resolve import find_route
from gantry.routing.snapshot import Snapshot

FindRoute = Callable[[Wish, frozenset[str]], Route]
_MOST_NAMED: Final = 5
_NO_RULE: Final = ModelRule(match="*")


def plan(
    snapshot: Snapshot,
    wish: Wish,
    chance: Callable[[], float],
    terms: Terms = NO_TERMS,
    find: FindRoute | None = None,
) -> Plan:
    """Return where a wish may go. `chance` gives numbers in [0, 1); `find` is how routes are found, to remember them.

    Raises NotFound, NoCredential, InvalidRequest, and what `find` raises.
    """
    rules = snapshot.routing_rules_of(wish.organization_id)
    planner = _Planner(wish, chance, terms, find or partial(find_route, snapshot), rules)
    passed_over: list[str] = []
    first = planner.first(passed_over)
    rule = _rule_of(first[0].attempts[0].route) if first else _NO_RULE
    choices, taken = list(first), {choice.asked for choice in first}
    for model in planner.fallbacks(rule):
        if model in taken:
            continue
        taken.add(model)
        try:
            choices.append(planner.choose_model(model))
        except GatewayError as error:
            passed_over.append(f"{shown(model)} cannot be asked: {error.message}")
    if not choices:
        assert planner.failed is not None
        raise planner.failed
    return Plan(tuple(choices), planner.retries(rule), rule.hedge, tuple(passed_over))


class _Planner:
    """One plan in the making."""

    def __init__(
        self, wish: Wish, chance: Callable[[], float], terms: Terms, find: FindRoute, rules: RoutingRules
    ) -> None:
        self._wish = wish
        self._chance = chance
        self._terms = terms
        self._find = find
        self._rules = rules
        self._brought = frozenset((*terms.override, *terms.keys, *terms.customer))
        self.failed: GatewayError | None = None  # the first that kept a choice from being one

    def retries(self, rule: ModelRule) -> Retries:
        if self._terms.retries is not None:
            return self._terms.retries
        ruled = rule.retries or self._rules.retries
        return NO_RETRIES if ruled is None else Retries(ruled.num_retries, ruled.retry_after)

    def fallbacks(self, rule: ModelRule) -> Sequence[str]:
        if not self._terms.follows:
            return ()
        if self._terms.fallbacks is not None:
            return self._terms.fallbacks
        return rule.fallback_models or self._rules.fallback_models

    def first(self, passed_over: list[str]) -> list[Choice]:
        """Return what the request asks for: a group, one model, or models in their order. Raises GatewayError."""
        terms = self._terms
        if terms.group_id is not None or terms.members:
            return [self._choose_group(passed_over)]
        if self._wish.model is None and terms.models:
            return self._choose_among(passed_over)
        try:
            return [self.choose_model(self._wish.model)]
        except NoCredential as error:
            self.failed = error
            passed_over.append(f"{shown(self._wish.model)} cannot be asked: {error.message}")
            return []

    def choose_model(self, model: str | None) -> Choice:
        """Return the deployments of one model. Raises GatewayError."""
        attempts = self._attempts(model)
        rule = _rule_of(attempts[0].route)
        return Choice(model, attempts, rule.strategy or Strategy.WEIGHTED, rule.affinity or Affinity.AUTO)

    def _choose_among(self, passed_over: list[str]) -> list[Choice]:
        """Return a choice for each model that a request lists without naming one, but for those it excludes."""
        left = [model for model in self._terms.models if not _excluded(model, self._terms.excluded_models)]
        choices = []
        for model in left:
            try:
                choice = self.choose_model(model)
            except GatewayError as error:
                self.failed = self.failed or error
                passed_over.append(f"{shown(model)} cannot be asked: {error.message}")
            else:
                if not self._is_excluded(choice.attempts[0].route):
                    choices.append(choice)
        if not choices:
            raise self.failed or InvalidRequest("every one of `models` is excluded", param="models")
        return choices

    def _choose_group(self, passed_over: list[str]) -> Choice:
        group_id, members = self._terms.group_id, self._terms.members
        group = None if group_id is None else self._rules.group(group_id)
        if group is None and not members:
            known = _some_of(sorted(group.id for group in self._rules.groups))
            raise InvalidRequest(
                f"`load_balance_group` names {shown(group_id)!r}, which is no group of yours; known: {known}",
                param="load_balance_group",
            )
        if not members:
            assert group is not None
            members = tuple(WeightedModel(one.model, one.weight, one.credential) for one in group.members)
        attempts: list[Attempt] = []
        for member in members:
            if member.weight <= 0 or _excluded(member.model, self._terms.excluded_models):
                continue
            try:
                found = self._attempts(member.model, member)
            except GatewayError as error:
                self.failed = self.failed or error
                passed_over.append(f"{shown(member.model)} cannot be asked: {error.message}")
            else:
                attempts += () if self._is_excluded(found[0].route) else found
        if not attempts:
            words = "the load balance group has no model left: all are excluded or have weight 0"
            raise self.failed or InvalidRequest(words, param="load_balance_group")
        return _as_choice(group, group_id, tuple(attempts))

    def _attempts(self, model: str | None, member: WeightedModel | None = None) -> tuple[Attempt, ...]:
        """Return the attempts that could be made at a model: with the caller's credential, or each of the stored."""
        terms = self._terms
        wish = self._wish if model == self._wish.model else self._wish._replace(model=model)
        own = None if member is None else member.callers
        brought = self._brought if own is None else self._brought | frozenset(own) | _prefix_of(model)
        route = self._find(wish, brought)
        spec, weight = route.provider, 1.0 if member is None else member.weight
        callers = callers_credential(spec, model, route.upstream_model, terms.override, {}, self._chance, terms.keys)
        if callers is None and own is not None:
            fields = next((own[name] for name in (spec.id, *spec.prefixes) if name in own), own)
            callers = read_credential(spec, fields, "load_balance_models.credentials")
        if callers is None:
            callers = callers_credential(spec, model, route.upstream_model, {}, terms.customer, self._chance)
        if callers is not None:
            return (Attempt(route, callers, True, model, weight),)
        candidates = route.candidates
        if member is not None and member.credential is not None:
            name = member.credential.removeprefix(f"{spec.id}/")
            candidates = tuple(one for one in candidates if one.name == name)
            if not candidates:
                raise NoCredential(f"no credential called {shown(name)} for {spec.name} serves {shown(model)}")
        if not candidates:
            raise NoCredential(route.missing)
        whole = weight / sum(map(drawn_weight, candidates)) if member is not None else 1.0
        return tuple(Attempt(route, one, False, model, drawn_weight(one) * whole) for one in candidates)

    def _is_excluded(self, route: Route) -> bool:
        providers, models = self._terms.excluded_providers, self._terms.excluded_models
        if not (providers or models):
            return False
        spec = route.provider
        return any(name in providers for name in (spec.id, *spec.prefixes)) or any(
            _excluded(name, models) for name in route.names
        )


def _as_choice(group: LoadBalanceGroup | None, group_id: str | None, attempts: tuple[Attempt, ...]) -> Choice:
    if group is None:
        return Choice(group_id, attempts)
    return Choice(group.id, attempts, group.strategy, group.affinity)


def _some_of(names: Sequence[str]) -> str:
    """Return names as words, a few of them where there are many: the sentence is on record with each such call."""
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "") or "none"


def _excluded(model: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(model, pattern) for pattern in patterns)


def _prefix_of(model: str | None) -> frozenset[str]:
    """Return the provider that a written model begins with, if it does: the fields that come with it may be bare."""
    prefix, slash, _ = (model or "").partition("/")
    return frozenset((prefix,)) if slash else frozenset()


def rules_matter(rules: RoutingRules, route: Route) -> bool:
    """Say whether an organization's rules say anything of calls that go this way."""
    return bool(rules.fallback_models or rules.retries or route.rule)


def _rule_of(route: Route) -> ModelRule:
    return route.rule or _NO_RULE

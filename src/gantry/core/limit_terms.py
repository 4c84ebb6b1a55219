"""Which counters a limit means: for a call by its keys, customer and model, and for one subject by name. Pure.

A limit that names somebody has one counter. One of `*` has a counter for each subject that it meets; one of a model has
one for all models that its pattern fits, for what it caps is what they cost together.
"""

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from gantry.core.limits import (
    ANY_SUBJECT,
    CounterKind,
    CounterTerms,
    CreditTerms,
    CustomerTerms,
    Limit,
    LimitAction,
    LimitScope,
    LimitUnit,
    counter_key,
)
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment

ORG_CREDITS: Final = "org_credits"
CUSTOMER: Final = "customer"
CUSTOMER_BUDGET: Final = "customer_budget"
CUSTOMER_TOTAL: Final = "customer_total"
CUSTOMER_RATE: Final = "customer_rate"
_RATES: Final = (LimitUnit.REQUESTS, LimitUnit.TOKENS)


class Party(Struct, frozen=True, kw_only=True):
    """Whom a call is by and for, and what it asks: what limits go by."""

    organization_id: str
    environment: Environment
    key_ids: Sequence[str]  # the key's own, then those it is bound by
    customer: str | None = None
    models: Sequence[str] = ()  # the names that the model may be called by


def terms_of(organization_id: str, limit: Limit, subject: str = "") -> CounterTerms:
    """Return a limit's counter; for one of `*`, that of a subject."""
    own = subject if limit.subject == ANY_SUBJECT else limit.subject
    return CounterTerms(
        key=counter_key(organization_id, limit.id, own, limit.environment),
        kind=kind_of(limit),
        unit=limit.unit,
        capacity=limit.amount,
        blocks=limit.action is LimitAction.BLOCK,
        limit_id=limit.id,
        name=limit.name,
        period=limit.period,
        alerts=limit.alerts,
    )


def kind_of(limit: Limit) -> CounterKind:
    if limit.unit is LimitUnit.CONCURRENCY:
        return CounterKind.GAUGE
    return CounterKind.RATE if limit.period is Period.MINUTE and limit.unit in _RATES else CounterKind.WINDOW


def is_each(limit: Limit) -> bool:
    """Say whether a limit has a counter for each subject that it meets."""
    return limit.subject == ANY_SUBJECT and limit.scope in (LimitScope.API_KEY, LimitScope.CUSTOMER)


def subjects_of(limit: Limit, party: Party) -> Iterator[str]:
    """Yield those of a call that a limit counts it for: none where it does not apply."""
    if limit.environment not in (None, party.environment):
        return
    if limit.scope is LimitScope.ORGANIZATION:
        yield ""
    elif limit.scope is LimitScope.MODEL:
        if any(fnmatchcase(name, limit.subject) for name in party.models):
            yield limit.subject
    else:
        there = party.key_ids if limit.scope is LimitScope.API_KEY else (party.customer,)
        for subject in there:
            if subject is not None and limit.subject in (ANY_SUBJECT, subject):
                yield subject


def applying(limits: Iterable[Limit], party: Party) -> Iterator[CounterTerms]:
    """Yield the counters that a call of a party must pass, in the order of the limits."""
    for limit in limits:
        for subject in subjects_of(limit, party):
            yield terms_of(party.organization_id, limit, subject)


def credit_terms(organization_id: str, terms: CreditTerms) -> CounterTerms:
    """Return the counter of what an organization has used up of its credits, ever."""
    return CounterTerms(
        key=counter_key(organization_id, ORG_CREDITS),
        kind=CounterKind.WINDOW,
        unit=LimitUnit.COST,
        capacity=terms.granted - terms.minimum_balance,
        blocks=True,
        limit_id=ORG_CREDITS,
        name=ORG_CREDITS,
        period=Period.LIFETIME,
        markup_ppm=terms.markup_ppm,
        reserve=terms.minimum_balance,
    )


def customer_key(organization_id: str, environment: Environment, customer: str) -> bytes:
    """Return under which key the board has what a customer may spend."""
    return counter_key(organization_id, CUSTOMER, customer, environment)


def customer_counters(
    organization_id: str, environment: Environment, customer: str, terms: CustomerTerms
) -> Iterator[CounterTerms]:
    """Yield the counters of what a customer may spend."""

    def made(name: str, kind: CounterKind, unit: LimitUnit, capacity: int, period: Period) -> CounterTerms:
        anchor = 0 if period is Period.LIFETIME else terms.period_start or 0
        markup = terms.markup_ppm if unit is LimitUnit.COST else 0
        place = counter_key(organization_id, name, customer, environment)
        return CounterTerms(place, kind, unit, capacity, True, name, name, period, anchor, markup)

    if terms.period_budget is not None:
        period = terms.budget_duration or Period.MONTH
        yield made(CUSTOMER_BUDGET, CounterKind.WINDOW, LimitUnit.COST, terms.period_budget, period)
    if terms.total_budget is not None:
        yield made(CUSTOMER_TOTAL, CounterKind.WINDOW, LimitUnit.COST, terms.total_budget, Period.LIFETIME)
    if terms.rate_limit is not None:
        yield made(CUSTOMER_RATE, CounterKind.RATE, LimitUnit.REQUESTS, terms.rate_limit, Period.MINUTE)

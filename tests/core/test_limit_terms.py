"""Which counters a limit means."""

import pytest

from gantry.core.limit_terms import Party, applying, credit_terms, customer_counters, kind_of, subjects_of, terms_of
from gantry.core.limits import (
    CounterKind,
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


def limit(scope: LimitScope, subject: str, environment: Environment | None = None) -> Limit:
    return Limit("l", scope, subject, LimitUnit.COST, Period.DAY, 9, LimitAction.WARN, "n", environment, (80,))


PARTY = Party(
    organization_id="o",
    environment=Environment.PROD,
    key_ids=("k2", "k1"),
    customer="c",
    models=("mistral/small", "small"),
)
NOBODY = Party(organization_id="o", environment=Environment.TEST, key_ids=("k9",))


@pytest.mark.parametrize(
    ("scope", "subject", "environment", "met", "met_by_nobody"),
    [
        (LimitScope.ORGANIZATION, "", None, [""], [""]),
        (LimitScope.ORGANIZATION, "", Environment.PROD, [""], []),
        (LimitScope.ORGANIZATION, "", Environment.TEST, [], [""]),
        (LimitScope.API_KEY, "k2", None, ["k2"], []),
        (LimitScope.API_KEY, "k1", None, ["k1"], []),
        (LimitScope.API_KEY, "*", None, ["k2", "k1"], ["k9"]),
        (LimitScope.CUSTOMER, "c", None, ["c"], []),
        (LimitScope.CUSTOMER, "*", None, ["c"], []),
        (LimitScope.MODEL, "mistral/*", None, ["mistral/*"], []),
        (LimitScope.MODEL, "small", None, ["small"], []),
        (LimitScope.MODEL, "*", None, ["*"], []),
        (LimitScope.MODEL, "large", None, [], []),
    ],
)
def test_a_limit_applies_to_whom_it_names(
    scope: LimitScope, subject: str, environment: Environment | None, met: list[str], met_by_nobody: list[str]
) -> None:
    one = limit(scope, subject, environment)
    assert list(subjects_of(one, PARTY)) == met
    assert list(subjects_of(one, NOBODY)) == met_by_nobody
    assert [terms.key for terms in applying([one], PARTY)] == [counter_key("o", "l", each, environment) for each in met]


def test_each_subject_of_a_star_has_a_counter_and_a_named_one_has_one() -> None:
    each, named = limit(LimitScope.CUSTOMER, "*"), limit(LimitScope.CUSTOMER, "c")
    assert len({terms_of("o", each, subject).key for subject in "abc"}) == 3
    assert terms_of("o", each, "c").key == terms_of("o", named).key == terms_of("o", named, "whoever").key
    assert terms_of("o2", named).key != terms_of("o", named).key


def test_terms_say_what_the_limit_says() -> None:
    terms = terms_of("o", limit(LimitScope.API_KEY, "k", Environment.TEST))
    assert (terms.kind, terms.unit, terms.capacity, terms.blocks) == (CounterKind.WINDOW, LimitUnit.COST, 9, False)
    assert (terms.limit_id, terms.name, terms.period, terms.alerts) == ("l", "n", Period.DAY, (80,))


@pytest.mark.parametrize(
    ("unit", "period", "kind"),
    [
        (LimitUnit.REQUESTS, Period.MINUTE, CounterKind.RATE),
        (LimitUnit.TOKENS, Period.MINUTE, CounterKind.RATE),
        (LimitUnit.COST, Period.MINUTE, CounterKind.WINDOW),
        (LimitUnit.REQUESTS, Period.HOUR, CounterKind.WINDOW),
        (LimitUnit.CONCURRENCY, Period.LIFETIME, CounterKind.GAUGE),
    ],
)
def test_kinds(unit: LimitUnit, period: Period, kind: CounterKind) -> None:
    assert kind_of(Limit("l", LimitScope.ORGANIZATION, "", unit, period, 1)) is kind


def test_credits_are_a_counter_of_all_that_was_ever_charged() -> None:
    terms = credit_terms("o", CreditTerms(granted=100, minimum_balance=30, markup_ppm=5))
    assert (terms.capacity, terms.blocks, terms.markup_ppm, terms.name) == (70, True, 5, "org_credits")
    assert (terms.kind, terms.period) == (CounterKind.WINDOW, Period.LIFETIME)


def test_a_customer_has_a_counter_for_each_thing_it_may() -> None:
    nothing = CustomerTerms(markup_ppm=7)
    assert list(customer_counters("o", Environment.PROD, "c", nothing)) == []
    full = CustomerTerms(10, None, 20, 30, 7, period_start=40)
    counters = list(customer_counters("o", Environment.PROD, "c", full))
    assert [(one.name, one.period, one.capacity, one.anchor, one.markup_ppm) for one in counters] == [
        ("customer_budget", Period.MONTH, 10, 40, 7),
        ("customer_total", Period.LIFETIME, 20, 0, 7),
        ("customer_rate", Period.MINUTE, 30, 40, 0),
    ]
    other = customer_counters("o", Environment.TEST, "c", full)
    assert not {one.key for one in other} & {one.key for one in counters}

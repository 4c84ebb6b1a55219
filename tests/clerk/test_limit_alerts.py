"""Limits and credits against the counters on the board: told at the percentage that is passed, once in a period."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.clerk.limit_alerts import alerts_of_batch, alerts_of_credits, alerts_of_limit, is_watched
from gantry.core.alert import EVENTS, Alert, Event
from gantry.core.limit_terms import credit_terms, terms_of
from gantry.core.limits import ANY_SUBJECT, Books, CreditTerms, Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment
from tests.store.logs_of_tests import make_log

ORGANIZATION = "0" * 32
NOW = 1_795_000_000_000_000_000
MONTH = 31 * 86_400_000_000_000
CENT = 10_000_000


def limit(**fields: Any) -> Limit:
    values: dict[str, Any] = {
        "id": "l1",
        "scope": LimitScope.ORGANIZATION,
        "subject": "",
        "unit": LimitUnit.COST,
        "period": Period.MONTH,
        "amount": 100 * CENT,
        "name": "team",
        "alerts": (50, 80),
    }
    return Limit(**(values | fields))


@pytest.fixture
def counters(tmp_path: Path) -> Counters:
    return Counters(tmp_path / "counters")


def spend(counters: Counters, one: Limit, cost: int = 0, subject: str = "", tokens: int = 0, now: int = NOW) -> None:
    wide = replace(one, amount=2**60)
    held = counters.hold([terms_of(ORGANIZATION, wide, subject)], cost, tokens, now)
    assert isinstance(held, Held)
    counters.settle(held, cost, tokens, now)


def told(counters: Counters, one: Limit, subject: str = "", now: int = NOW) -> list[Alert]:
    return list(alerts_of_limit(ORGANIZATION, one, subject, counters, now))


def test_the_highest_percentage_that_is_passed_is_told(counters: Counters) -> None:
    one = limit()
    spend(counters, one, 50 * CENT - 1)
    assert told(counters, one) == []
    spend(counters, one, 1)
    (half,) = told(counters, one)
    assert half.data["percent"] == 50
    spend(counters, one, 35 * CENT)
    (most,) = told(counters, one)
    assert most.subject != half.subject
    assert most.event is Event.LIMIT_THRESHOLD
    assert most.message == "The limit team is used to 85 %: 0.85 of 1 USD (month)."
    assert most.data == {
        "limit_id": "l1",
        "limit_name": "team",
        "scope": "organization",
        "limit_subject": "",
        "unit": "cost",
        "period": "month",
        "window_start": "2026-11-01T00:00:00Z",
        "current_value": 0.85,
        "limit_value": 1.0,
        "percent": 80,
    }
    assert most.data.keys() == EVENTS[most.event].data.keys()
    spend(counters, one, CENT)
    assert [alert.subject for alert in told(counters, one)] == [most.subject]


def test_a_new_period_and_another_amount_begin_anew(counters: Counters) -> None:
    one = limit()
    spend(counters, one, 90 * CENT)
    (first,) = told(counters, one)
    assert told(counters, one, now=NOW + MONTH) == []
    spend(counters, one, 90 * CENT, now=NOW + MONTH)
    (later,) = told(counters, one, now=NOW + MONTH)
    assert later.subject != first.subject
    raised = replace(one, amount=105 * CENT)
    assert told(counters, raised, now=NOW + MONTH)[0].subject not in (first.subject, later.subject)


def test_a_limit_that_warns_is_told_when_it_is_passed(counters: Counters) -> None:
    one = limit(action=LimitAction.WARN, alerts=(), unit=LimitUnit.TOKENS, amount=1000, environment=Environment.TEST)
    spend(counters, one, tokens=1000)
    assert told(counters, one) == []
    spend(counters, one, tokens=1)
    (alert,) = told(counters, one)
    assert (alert.event, alert.environment) == (Event.LIMIT_EXCEEDED, Environment.TEST)
    assert (alert.data["current_value"], alert.data["limit_value"]) == (1001, 1000)
    assert alert.data.keys() == EVENTS[alert.event].data.keys()


def test_those_of_each_key_and_customer_are_told_of_those_who_called(counters: Counters) -> None:
    keys = limit(id="k", scope=LimitScope.API_KEY, subject=ANY_SUBJECT)
    customers = limit(id="c", scope=LimitScope.CUSTOMER, subject=ANY_SUBJECT)
    named = limit(id="n", scope=LimitScope.CUSTOMER, subject="anna")
    whole = limit(id="all")
    books = Books(limits=(keys, customers, named, whole, limit(id="quiet", alerts=())))
    for one, subject in ((keys, "key1"), (keys, "key2"), (customers, "bob"), (named, "anna")):
        spend(counters, one, 80 * CENT, subject)
    spend(counters, whole, 80 * CENT)
    logs = [make_log("1", key_id="key1"), make_log("2", key_id="key3", customer_identifier="bob")]
    found = list(alerts_of_batch(ORGANIZATION, books, logs, counters, NOW))
    assert [(one.data["limit_id"], one.data["limit_subject"]) for one in found] == [
        ("k", "key1"),
        ("c", "bob"),
        ("all", ""),
    ]
    anna = [make_log("3", key_id="key3", customer_identifier="anna")]
    found_later = [one.data["limit_id"] for one in alerts_of_batch(ORGANIZATION, books, anna, counters, NOW)]
    assert found_later == ["n", "all"]
    assert "for api key key1" in found[0].message


def test_what_fills_up_again_within_a_minute_is_not_watched_so() -> None:
    assert is_watched(limit())
    assert is_watched(limit(period=Period.MINUTE))  # of cost
    assert not is_watched(limit(period=Period.MINUTE, unit=LimitUnit.REQUESTS))
    assert not is_watched(limit(unit=LimitUnit.CONCURRENCY))
    assert not is_watched(limit(alerts=()))
    assert not is_watched(limit(amount=0))


def test_low_credits_are_told_once_for_each_time_they_were_filled_up(counters: Counters) -> None:
    def used_up(terms: CreditTerms, cost: int) -> list[Alert]:
        held = counters.hold([credit_terms(ORGANIZATION, replace(terms, granted=2**60))], cost, 0, NOW)
        assert isinstance(held, Held)
        counters.settle(held, cost, 0, NOW)
        return list(alerts_of_credits(ORGANIZATION, terms, counters, NOW))

    terms = CreditTerms(granted=1000 * CENT, low_balance=500 * CENT)
    assert used_up(terms, 500 * CENT) == []
    (first,) = used_up(terms, CENT)
    assert first.event is Event.LOW_CREDIT_BALANCE
    assert first.data == {"balance": 4.99, "threshold": 5.0}
    assert first.data.keys() == EVENTS[first.event].data.keys()
    (again,) = used_up(terms, CENT)
    assert again.subject == first.subject
    filled = replace(terms, granted=2000 * CENT)
    assert used_up(filled, CENT) == []
    (later,) = used_up(filled, 999 * CENT)
    assert later.subject != first.subject
    assert used_up(replace(filled, low_balance=None), CENT) == []
    assert list(alerts_of_credits(ORGANIZATION, None, counters, NOW)) == []

"""What one request log gives reason to tell: no price, a cost of 0 for tokens that have one, a refusal for limits."""

import json
from typing import Any

import pytest

from gantry.clerk.log_alerts import alerts_of_log
from gantry.core.alert import EVENTS, Alert, Event
from gantry.core.limits import ANY_SUBJECT, Books, Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.request_log import CACHED_MODEL, RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, Outcome
from tests.store.logs_of_tests import HOUR, make_log

BLOCKS = Limit("b", LimitScope.API_KEY, ANY_SUBJECT, LimitUnit.COST, Period.DAY, 1, name="daily")
WARNS = Limit("w", LimitScope.ORGANIZATION, "", LimitUnit.REQUESTS, Period.MINUTE, 1, LimitAction.WARN, name="rpm")
BOOKS = Books(limits=(BLOCKS, WARNS))


def told(log: RequestLog, *, priced: bool = True) -> list[Alert]:
    found = list(alerts_of_log(log, BOOKS, lambda _: priced))
    for alert in found:
        assert alert.data.keys() == EVENTS[alert.event].data.keys()
    return found


def test_a_model_without_a_price_is_told_once_a_day() -> None:
    one = make_log("1", model="m", provider_id="p", price_missing=True, environment=Environment.TEST)
    (alert,) = told(one)
    assert (alert.event, alert.environment) == (Event.UNPRICED_MODEL, Environment.TEST)
    assert alert.data == {"model": "m", "provider_id": "p", "log_id": "1"}
    same = make_log("2", model="m", provider_id="p", price_missing=True, started_at=one.started_at + HOUR)
    assert told(same)[0].subject == alert.subject
    later = make_log("3", model="m", provider_id="p", price_missing=True, started_at=one.started_at + 24 * HOUR)
    assert told(later)[0].subject != alert.subject
    assert told(make_log("4", model="n", provider_id="p", price_missing=True))[0].subject != alert.subject


def priced(**fields: Any) -> RequestLog:
    values: dict[str, Any] = {"model": "m", "provider_id": "p", "cost": 0, "price_source": "genai-prices"}
    return make_log("1", **({"usage": Usage(input_tokens=3, output_tokens=4)} | values | fields))


def test_pain_1_tokens_that_cost_nothing_on_a_priced_model_are_told() -> None:
    (alert,) = told(priced())
    assert alert.event is Event.ZERO_COST
    assert alert.data == {"model": "m", "provider_id": "p", "total_tokens": 7, "log_id": "1"}
    assert "gantry prices explain 1" in alert.message


@pytest.mark.parametrize(
    "fields",
    [
        {"cost": 1},
        {"cost": None},
        {"usage": Usage()},
        {"usage": Usage(input_tokens=0, output_tokens=0)},
        {"price_source": "posted"},
        {"price_source": "custom"},
        {"price_source": None},
        {"model": CACHED_MODEL},
    ],
)
def test_what_costs_nothing_for_good_reason_is_not(fields: dict[str, Any]) -> None:
    assert told(priced(**fields)) == []
    assert told(priced(), priced=False) == []


def info(name: str, *, allowed: bool) -> str:
    """Return a `limit_info` as a worker writes it."""
    entry = {"name": name, "current_value": 1, "new_value": 3, "limit_value": 2, "is_within_limit": False}
    other = {"name": "other", "current_value": 0, "new_value": 1, "limit_value": 2, "is_within_limit": True}
    return json.dumps({"is_allowed": allowed, "limits": [other, entry]}, separators=(",", ":"))


def refused(name: str, **fields: Any) -> RequestLog:
    values: dict[str, Any] = {"outcome": Outcome.REFUSED, "status_code": 429, "limit_info": info(name, allowed=False)}
    return make_log("1", **(values | fields))


def test_a_refusal_is_told_once_a_day_with_the_limit_that_refused() -> None:
    (alert,) = told(refused("daily"))
    assert alert.event is Event.LIMIT_BLOCKED
    assert alert.data == {
        "limit_name": "daily",
        "api_key_id": "key",
        "customer_identifier": None,
        "current_value": 1,
        "new_value": 3,
        "limit_value": 2,
        "log_id": "1",
    }
    assert alert.message == "A call was refused: the limit daily of key is used up."
    assert told(refused("daily", started_at=1001 * HOUR))[0].subject == alert.subject
    assert told(refused("daily", key_id="another"))[0].subject != alert.subject
    assert told(refused("daily", started_at=1024 * HOUR))[0].subject != alert.subject


def test_credits_and_customers_own_budgets_refuse_in_their_own_words() -> None:
    (broke,) = told(refused("org_credits", status_code=402))
    assert broke.message == "A call was refused: its credits are used up."
    (customer,) = told(refused("customer_budget", customer_identifier="anna"))
    assert customer.message == "A call was refused: the limit customer_budget of anna is used up."
    assert told(refused("customer_budget", customer_identifier="bob"))[0].subject != customer.subject


def test_a_limit_of_a_minute_that_only_warns_is_told_once_an_hour() -> None:
    (alert,) = told(make_log("1", limit_info=info("rpm", allowed=True)))
    assert alert.event is Event.LIMIT_EXCEEDED
    assert (alert.data["limit_id"], alert.data["current_value"]) == ("w", 3)
    assert told(make_log("1", limit_info=info("rpm", allowed=True), started_at=1001 * HOUR))[0].subject != alert.subject
    assert told(make_log("1", limit_info=info("nobody's", allowed=True))) == []


@pytest.mark.parametrize("text", ["", "{", '{"limits":3,"is_within_limit":false}', '["is_within_limit":false]'])
def test_what_is_no_limit_info_tells_nothing(text: str) -> None:
    assert told(make_log("1", limit_info=text)) == []

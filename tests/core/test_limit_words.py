"""A limit in the words of the command line and of gantry.toml."""

from typing import Any

import pytest

from gantry.core.limit_check import LimitRefused
from gantry.core.limit_words import LimitWords, amount_in_words, read_amount, read_words, show_amount
from gantry.core.limits import Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment


def read(**words: Any) -> Limit:
    return read_words(LimitWords(**words), lambda text: f"id of {text}")


def test_words_mean_a_limit() -> None:
    assert read(key="ci", cost=1.1, per=Period.MONTH) == Limit(
        "", LimitScope.API_KEY, "id of ci", LimitUnit.COST, Period.MONTH, 1_100_000_000
    )
    assert read(key="*", requests=60, per=Period.MINUTE).subject == "*"
    assert read(customer="*", tokens=5).period is Period.LIFETIME
    assert read(organization=True, tokens=5, warn=True).action is LimitAction.WARN
    assert read(model="mistral/*", concurrency=5, name="n", environment=Environment.TEST, alerts=(9,)) == Limit(
        "",
        LimitScope.MODEL,
        "mistral/*",
        LimitUnit.CONCURRENCY,
        Period.LIFETIME,
        5,
        LimitAction.BLOCK,
        "n",
        Environment.TEST,
        (9,),
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"cost": 1.0}, "say exactly one of key, customer, model and organization"),
        ({"cost": 1.0, "key": "a", "customer": "b"}, "say exactly one of key, customer, model and organization"),
        ({"cost": 1.0, "key": "a", "organization": True}, "say exactly one of key, customer, model and organization"),
        ({"key": "a"}, "say exactly one of cost, requests, tokens and concurrency"),
        ({"key": "a", "cost": 1.0, "tokens": 1}, "say exactly one of cost, requests, tokens and concurrency"),
        ({"key": "a", "cost": float("nan")}, "cost: nan USD is no amount to be held to"),
        ({"key": "a", "cost": float("inf")}, "cost: inf USD is no amount to be held to"),
    ],
)
def test_words_that_mean_nothing_or_two_things_are_refused(words: dict[str, Any], says: str) -> None:
    with pytest.raises(LimitRefused, match=says):
        read(**words)


@pytest.mark.parametrize("given", ["much", None, [], 1e300, float("nan")])
def test_what_is_no_amount_of_money(given: Any) -> None:
    with pytest.raises(LimitRefused):
        read_amount(LimitUnit.COST, given)


@pytest.mark.parametrize("given", ["5", 1.5, True, None])
def test_what_is_no_number_of_requests(given: Any) -> None:
    with pytest.raises(LimitRefused, match="amount: requests are counted in whole numbers"):
        read_amount(LimitUnit.REQUESTS, given)


def test_amounts_are_shown_as_they_are_given() -> None:
    assert show_amount(LimitUnit.COST, read_amount(LimitUnit.COST, 1.1)) == 1.1
    assert amount_in_words(LimitUnit.COST, 10**9) == "$1.00"
    assert amount_in_words(LimitUnit.COST, 1) == "$0.000000001"
    assert amount_in_words(LimitUnit.COST, 12_345_678_900) == "$12.3456789"
    assert amount_in_words(LimitUnit.COST, 0) == "$0.00"
    assert amount_in_words(LimitUnit.TOKENS, 7) == "7 tokens"
    assert amount_in_words(LimitUnit.CONCURRENCY, 7) == "7 calls at once"

"""Which of two deployments takes a call, by what is known of them."""

import pytest

from gantry.core.routing_rules import Strategy
from gantry.routing.balance import Load, Reason, draw
from tests.routing.boards import Known, choice


@pytest.mark.parametrize(
    ("strategy", "loads", "taken"),
    [
        (Strategy.LEAST_LATENCY, {"a": Load(0.2, 0), "b": Load(0.5, 0)}, "a"),
        (Strategy.LEAST_LATENCY, {"a": Load(0.2, 9), "b": Load(0.5, 0)}, "b"),
        (Strategy.LEAST_LATENCY, {"a": Load(0.2, 0), "b": Load(0.0, 0)}, "b"),  # to hear of it
        (Strategy.LEAST_LATENCY, {"a": Load(0.2, 9), "b": Load(0.0, 1)}, "a"),  # it was asked, and says nothing
        (Strategy.LEAST_LATENCY, {"a": Load(0.0, 2), "b": Load(0.0, 1)}, "b"),
        (Strategy.LEAST_BUSY, {"a": Load(0.2, 2), "b": Load(9.0, 1)}, "b"),
    ],
)
def test_the_lighter_of_two(strategy: Strategy, loads: dict[str, Load], taken: str) -> None:
    drawn = draw(choice("m", "ab", strategy=strategy), Known(loads=loads), lambda: 0.0)
    assert drawn is not None
    assert drawn.attempt.credential.name == taken


@pytest.mark.parametrize(
    ("prices", "taken"),
    [({"a": 3, "b": 1}, "b"), ({"a": 3}, "a"), ({"b": 3}, "b"), ({}, "a"), ({"a": 1, "b": 1}, "a")],
)
def test_the_cheapest_that_has_a_price(prices: dict[str, int], taken: str) -> None:
    drawn = draw(choice("m", "ab", strategy=Strategy.CHEAPEST), Known(prices=prices), lambda: 0.0)
    assert drawn is not None
    assert (drawn.attempt.credential.name, drawn.reason) == (taken, Reason.PRICE)

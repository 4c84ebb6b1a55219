"""What callers say about customers: Respan's names and units, and whatever is wrong left out."""

from typing import Any

import msgspec
import pytest

from gantry.core.limits import CustomerTerms
from gantry.core.periods import Period
from gantry.dialects.customer_params import CustomerSaid, read_customer_text


def read(**params: Any) -> CustomerSaid | None:
    return read_customer_text(msgspec.json.encode(params))


def test_all_of_it() -> None:
    said = read(
        customer_params={
            "customer_identifier": 7,
            "name": "Ada",
            "email": "ada@example.org",
            "group_identifier": "g",
            "period_start": "2026-11-01",
            "period_end": "2027-11-01T00:00:00Z",
            "budget_duration": "monthly",
            "period_budget": 5.25,
            "total_budget": "100",
            "markup_percentage": 12.5,
            "rate_limit": 60,
            "metadata": {"plan": "pro"},
        }
    )
    day = 86_400 * 10**9
    assert said == CustomerSaid(
        "7",
        "Ada",
        "ada@example.org",
        "g",
        '{"plan":"pro"}',
        CustomerTerms(
            5_250_000_000, Period.MONTH, 100 * 10**9, 60, 125_000, 20_758 * day, (20_758 + 365) * day, managed=False
        ),
    )


def test_the_outer_names_win() -> None:
    said = read(
        customer_identifier="out", customer_name="O", customer_params={"customer_identifier": "in", "name": "I"}
    )
    assert said == CustomerSaid("out", "O")


@pytest.mark.parametrize("params", [{}, {"customer_params": {"name": "nobody"}}, {"customer_params": 5}, [], "x"])
def test_without_an_identifier_nothing_is_said(params: object) -> None:
    assert read_customer_text(msgspec.json.encode(params)) is None
    assert read_customer_text(b"\xff") is None


def test_what_is_wrong_is_as_if_it_were_not_there() -> None:
    said = read(
        customer_params={"customer_identifier": "a", "period_budget": -1, "budget_duration": "x", "rate_limit": []}
    )
    assert said == CustomerSaid("a", terms=CustomerTerms())

"""What a call cost: by region, and of the results of a batch one by one."""

import msgspec
import pytest

from gantry.clerk.charge import NO_CHARGE, Charge, charge_call, charge_results, with_hedge
from gantry.core.money import MOST_COST
from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.fold import BatchResult
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates

AT = 1_795_341_600_000_000_000
USAGE = Usage(input_tokens=1000, output_tokens=500)
LIST_PRICE = 1_250_000


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def result(model: str | None, usage: Usage = USAGE, tier: str | None = None) -> BatchResult:
    return BatchResult("r", model, tier, usage)


def test_a_region_has_its_factor(rates: Rates) -> None:
    def cost(host: str | None) -> int | None:
        return charge_call(rates, "mistral", ("mistral-large-latest",), AT, None, USAGE, host=host).cost

    assert (cost(None), cost("api.mistral.ai"), cost("api.eu.mistral.ai")) == (LIST_PRICE, LIST_PRICE, 1_375_000)


def test_results_are_priced_one_by_one_at_half_the_price(rates: Rates) -> None:
    ocr = result("mistral-ocr-latest", Usage(pages=3))
    charge = charge_results(rates, "mistral", [result("mistral-large-latest"), ocr, result(None, NO_USAGE)], AT)
    assert (charge.cost, charge.price_missing) == (LIST_PRICE // 2 + 3 * 2_000_000, False)
    assert charge.price_source is not None
    parts = msgspec.json.decode(charge.cost_by_unit or "{}")
    assert parts == {"input_tokens": 250_000, "output_tokens": 375_000, "pages": 6_000_000}
    again = charge_results(rates, "mistral", [result("mistral-large-latest")] * 2, AT)
    assert again.cost_by_unit == '{"input_tokens":500000,"output_tokens":750000}'


def test_results_together_cost_no_more_than_anything_can(rates: Rates) -> None:
    absurd = result("mistral-large-latest", Usage(input_tokens=3 * 10**12, output_tokens=0))
    charge = charge_results(rates, "mistral", [absurd] * 2, AT)
    assert (charge.cost, charge.cost_by_unit, charge.price_missing) == (MOST_COST, None, False)


@pytest.mark.parametrize("unknown", [result("no-such-model"), result(None)])
def test_one_unknown_price_makes_the_whole_unknown(rates: Rates, unknown: BatchResult) -> None:
    charge = charge_results(rates, "mistral", [result("mistral-large-latest"), unknown], AT)
    assert (charge.cost, charge.price_missing) == (None, True)


def test_nothing_used_costs_nothing_that_we_know(rates: Rates) -> None:
    assert charge_results(rates, "mistral", [result("mistral-large-latest", NO_USAGE)], AT) == NO_CHARGE
    assert charge_call(rates, None, ("mistral-large-latest",), AT, None, USAGE) == Charge(price_missing=True)


def test_a_cost_without_parts_gets_none_by_a_hedge() -> None:
    assert with_hedge(Charge(MOST_COST), 5) == Charge(MOST_COST + 5)

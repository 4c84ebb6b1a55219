"""The rate of a custom model: own prices over the base's, which are looked for where the base is at home."""

import pytest
from msgspec.structs import replace

from gantry.core.custom_model import CustomModel
from gantry.core.usage import Usage
from gantry.prices.cost import cost
from gantry.prices.custom import base_rate, custom_rate
from gantry.prices.load import load_rates
from gantry.prices.rate import Prices, Rate
from gantry.prices.rates import Rates

AT = 1_795_341_600_000_000_000
USAGE = Usage(input_tokens=1000, cached_input_tokens=200, output_tokens=500)
CUSTOM = CustomModel(organization_id="o", name="fast", base="mistral/mistral-large-latest", updated_at=AT)
OWN = replace(CUSTOM, input_price=1_000_000_000, output_price=2_000_000_000)


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def test_without_prices_of_its_own_it_is_the_bases(rates: Rates) -> None:
    found = rates.find("mistral", "mistral-large-latest", AT)
    assert custom_rate(rates, CUSTOM, found, AT) is found
    for base in ("mistral/mistral-large-latest", "mistral-large-latest"):
        based = custom_rate(rates, replace(CUSTOM, base=base), None, AT)
        assert based is not None
        assert found is not None
        assert (based.prices, based.source) == (found.prices, found.source)


@pytest.mark.parametrize("base", [None, "who-knows", "acme/x", "mistral/who-knows"])
def test_a_base_without_a_price_has_none(rates: Rates, base: str | None) -> None:
    assert base_rate(rates, replace(CUSTOM, base=base), AT) is None
    assert custom_rate(rates, replace(CUSTOM, base=base), None, AT) is None


def test_own_prices_win_and_say_when_they_were_set(rates: Rates) -> None:
    rate = custom_rate(rates, OWN, rates.find("mistral", "mistral-large-latest", AT), AT)
    assert rate is not None
    assert (rate.source, rate.version, rate.model) == ("custom", "custom 2026-11-22T10:00:00Z", "fast")
    assert cost(rate, USAGE) == 1000 * 1000 + 500 * 2000  # cached tokens at the own price, not at the base's
    cheaper = custom_rate(rates, replace(OWN, cached_input_price=0), None, AT)
    assert cheaper is not None
    assert cost(cheaper, USAGE) == 800 * 1000 + 500 * 2000


def test_one_price_of_its_own_leaves_the_others_to_the_base(rates: Rates) -> None:
    rate = custom_rate(rates, replace(CUSTOM, output_price=0), None, AT)
    assert rate is not None
    assert rate.prices.input == 500_000_000
    assert cost(rate, replace(USAGE, cached_input_tokens=None)) == 500_000


def test_an_own_price_holds_for_long_inputs_too(rates: Rates) -> None:
    tiered = Rate(Prices(input=1, output=1, above=((100, Prices(input=9, output=9)),)), "m", "s", "v")
    rate = custom_rate(rates, OWN, tiered, AT)
    assert rate is not None
    assert rate.prices.above[0][1].output == 2_000_000_000

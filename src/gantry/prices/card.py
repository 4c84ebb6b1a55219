"""All that is known of a model's price at a moment: what a person asks for when a cost looks wrong.

Law: each price here is found by the function that prices calls.
"""

from collections.abc import Iterator

from msgspec import Struct

from gantry.core.custom_model import CustomModel
from gantry.prices.custom import custom_rate
from gantry.prices.rate import Prices, Rate
from gantry.prices.rates import DatedRate, Rates


class Variant(Struct, frozen=True):
    """Prices that hold for some calls in place of the ordinary ones."""

    holds_for: str  # in words; "" of the ordinary ones
    prices: Prices


class PriceCard(Struct, frozen=True):
    """`rate` is None where no price is known at the moment."""

    provider_id: str
    model: str
    rate: Rate | None
    since: int | None
    variants: list[Variant]
    history: list[DatedRate]


def price_card(rates: Rates, provider_id: str, model: str, at: int, custom: CustomModel | None = None) -> PriceCard:
    """Return the card of a provider's model; of a custom model, where it is called under that name."""
    rate = _rate_of(rates, provider_id, model, at, custom)
    own = custom is not None and custom.has_prices
    return PriceCard(
        provider_id,
        model,
        rate,
        custom.updated_at if custom is not None and own else rates.since(provider_id, model, at),
        [] if rate is None else list(_variants(rates, provider_id, model, at, custom, rate)),
        list(rates.dated(provider_id, model)),
    )


def _rate_of(
    rates: Rates,
    provider_id: str,
    model: str,
    at: int,
    custom: CustomModel | None,
    service_tier: str | None = None,
    *,
    host: str | None = None,
) -> Rate | None:
    found = rates.find(provider_id, model, at, service_tier, host=host)
    return found if custom is None else custom_rate(rates, custom, found, at, service_tier)


def _variants(
    rates: Rates, provider_id: str, model: str, at: int, custom: CustomModel | None, rate: Rate
) -> Iterator[Variant]:
    yield from _with_tiers("", rate.prices)
    others = [
        (f"service tier {tier}", _rate_of(rates, provider_id, model, at, custom, tier))
        for tier in rates.service_tiers(provider_id, model)
    ]
    others += [
        (f"host {host}", _rate_of(rates, provider_id, model, at, custom, host=host))
        for host in rates.hosts(provider_id)
    ]
    others.append(("batch", rates.find(provider_id, model, at, batch=True)))
    for holds_for, other in others:
        if other is not None and other.prices != rate.prices:
            yield from _with_tiers(holds_for, other.prices)


def _with_tiers(holds_for: str, prices: Prices) -> Iterator[Variant]:
    yield Variant(holds_for, prices)
    for threshold, higher in reversed(prices.above):
        past = f"above {threshold} input tokens"
        yield Variant(f"{holds_for}, {past}" if holds_for else past, higher)

"""What a model costs, as the API and the commands show it: dollars for what a unit is told for."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Final

from msgspec import Struct

from gantry.core.log_item import iso_of
from gantry.prices.card import PriceCard
from gantry.prices.operator_rates import TOLD
from gantry.prices.overrides import RateLine
from gantry.prices.price_units import dollars_of, unit_of
from gantry.prices.rate import Prices
from gantry.prices.rates import DatedRate

BY_COMMAND: Final = "command"
BY_FILE: Final = "gantry.toml"


class UnitPrice(Struct, frozen=True):
    """`per` is in words, as in `1M tokens`."""

    unit: str
    usd: float
    per: str


class PriceInForce(Struct, frozen=True):
    """`holds_for` are the calls that it is for, in words; null: the ordinary ones."""

    holds_for: str | None
    unit: str
    usd: float
    per: str


class DatedPrices(Struct, frozen=True):
    """Prices since a day; null where none is known."""

    since: str | None
    price_source: str
    price_version: str
    holds_for: str | None
    prices: list[UnitPrice]


class PriceCardItem(Struct, frozen=True, kw_only=True):
    """What is known of a model's price at a moment. `record` is whose price it is; null where none is known."""

    provider_id: str
    model: str
    at: str
    record: str | None
    price_source: str | None
    price_version: str | None
    price_since: str | None
    prices: list[PriceInForce]
    history: list[DatedPrices]


class OwnPricesItem(Struct, frozen=True, kw_only=True):
    """Prices that the operator has set, above the published ones, from a day on."""

    provider: str
    models: tuple[str, ...]
    since: date
    service_tier: str | None
    prices: list[UnitPrice]
    managed_by: str


def card_item(card: PriceCard, at: int) -> PriceCardItem:
    rate = card.rate
    return PriceCardItem(
        provider_id=card.provider_id,
        model=card.model,
        at=iso_of(at),
        record=None if rate is None else rate.model,
        price_source=None if rate is None else rate.source,
        price_version=None if rate is None else rate.version,
        price_since=None if card.since is None else iso_of(card.since),
        prices=[
            PriceInForce(variant.holds_for or None, one.unit, one.usd, one.per)
            for variant in card.variants
            for one in unit_prices(variant.prices)
        ],
        history=[
            DatedPrices(
                None if dated.since is None else iso_of(dated.since),
                dated.source,
                dated.version,
                conditions_of(dated) or None,
                list(unit_prices(dated.entry.prices)),
            )
            for dated in card.history
        ],
    )


def own_item(line: RateLine, by: str) -> OwnPricesItem:
    return OwnPricesItem(
        provider=line.provider,
        models=tuple(line.names),
        since=line.since,
        service_tier=line.service_tier,
        prices=[_unit_price(name, price) for name, price in told_prices(line)],
        managed_by=by,
    )


def told_prices(line: RateLine) -> Iterator[tuple[str, Decimal]]:
    """Yield each unit that a line has a price of, with it as it is kept."""
    prices = line.prices()
    for name in TOLD:
        price = getattr(prices, name)
        if price is not None:
            yield name, price


def unit_prices(prices: Prices) -> Iterator[UnitPrice]:
    for unit, price in priced_units(prices):
        yield _unit_price(unit, price)


def priced_units(prices: Prices) -> Iterator[tuple[str, int]]:
    """Yield each unit that has a price, with it as it is kept."""
    for name in Prices.__struct_fields__:
        price = getattr(prices, name)
        if isinstance(price, int):
            yield name, price


def conditions_of(dated: DatedRate) -> str:
    """Return for which calls prices hold, in words; nothing for all."""
    entry = dated.entry
    told = ["batch"] if entry.batch else []
    if entry.service_tier is not None:
        told.append(f"service tier {entry.service_tier}")
    if entry.hours is not None:
        told.append(hours_of(entry.hours))
    told += [f"also above {threshold} input tokens" for threshold, _ in reversed(entry.prices.above)]
    return ", ".join(told)


def hours_of(hours: tuple[int, int]) -> str:
    return "from {} until {} UTC".format(*map(_clock, hours))


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}"


def _unit_price(unit: str, price: Decimal | int) -> UnitPrice:
    return UnitPrice(unit, float(dollars_of(price, unit)), unit_of(unit).per)

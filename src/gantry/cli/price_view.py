"""Prices and amounts as a person reads them, and as objects for programs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct

from gantry.clerk.explain_cost import CostLine, Explained
from gantry.cli.when import iso
from gantry.core.money import NANO_PER_USD, usd_from_nano
from gantry.prices.card import PriceCard
from gantry.prices.rate import AUDIO, Prices
from gantry.prices.rates import DatedRate

_NS_PER_SECOND: Final = 1_000_000_000


class _Unit(Struct, frozen=True):
    """For how many of a unit its price is told. A price is kept for a million, and for an hour of audio."""

    per: str
    of_million: int


_UNITS: Final = {
    "audio_hour": _Unit("hour", 1_000_000),
    "characters": _Unit("1M characters", 1_000_000),
    "pages": _Unit("1000 pages", 1000),
    "annotated_pages": _Unit("1000 pages", 1000),
    "requests": _Unit("request", 1),
    "images": _Unit("image", 1),
    "searches": _Unit("1000 searches", 1000),
}
_OF_TOKENS: Final = _Unit("1M tokens", 1_000_000)
_BY_USAGE: Final = {AUDIO: "audio_hour"}


def exact_dollars(nano: int) -> str:
    """Return an amount in dollars, to the nano-dollar."""
    return f"{Decimal(nano) / NANO_PER_USD:.9f}"


def card_view(card: PriceCard, at: int) -> dict[str, Any]:
    rate = card.rate
    return {
        "provider_id": card.provider_id,
        "model": card.model,
        "at": iso(at),
        "record": None if rate is None else rate.model,
        "price_source": None if rate is None else rate.source,
        "price_version": None if rate is None else rate.version,
        "price_since": iso(card.since),
        "prices": [
            {"holds_for": variant.holds_for or None, **row}
            for variant in card.variants
            for row in _price_items(variant.prices)
        ],
        "history": [
            {
                "since": iso(dated.since),
                "price_source": dated.source,
                "price_version": dated.version,
                "holds_for": _conditions(dated) or None,
                "prices": list(_price_items(dated.entry.prices)),
            }
            for dated in card.history
        ],
    }


def card_rows(card: PriceCard) -> list[tuple[str, ...]]:
    """Return a row for each price in force: unit, dollars, for how many, for which calls."""
    return [
        (unit, _plain(_dollars(price, unit)), _unit(unit).per, variant.holds_for)
        for variant in card.variants
        for unit, price in _prices(variant.prices)
    ]


def history_rows(card: PriceCard) -> list[tuple[str, ...]]:
    """Return a row for each dated entry: since when, for which calls, by whom, and its prices in one line."""
    return [
        (
            "" if dated.since is None else day_of(dated.since),
            _conditions(dated),
            dated.version,
            ", ".join(f"{unit} {_plain(_dollars(price, unit))}" for unit, price in _prices(dated.entry.prices)),
        )
        for dated in card.history
    ]


def explained_view(explained: Explained) -> dict[str, Any]:
    return {
        "cost": _usd(explained.cost),
        "price_source": explained.source,
        "price_version": explained.version,
        "cost_today": _usd(explained.today),
        "cache_savings": _usd(explained.savings),
        "lines": [
            {
                "unit": line.unit,
                "count": None if line.count is None else float(line.count),
                "price": None if line.price is None else float(_dollars(line.price, _priced_by(line))),
                "per": None if line.price is None else _unit(_priced_by(line)).per,
                "amount": usd_from_nano(line.amount),
                "note": line.note or None,
            }
            for line in explained.lines
        ],
    }


def line_row(line: CostLine) -> tuple[str, ...]:
    """Return a part of a cost as a row: unit, count, price, for how many, amount, note."""
    count = "" if line.count is None else _plain(line.count)
    if line.price is None:
        return (line.unit, count, "", "", exact_dollars(line.amount), line.note)
    by = _priced_by(line)
    return (line.unit, count, _plain(_dollars(line.price, by)), _unit(by).per, exact_dollars(line.amount), line.note)


def day_of(ns: int) -> str:
    return datetime.fromtimestamp(ns // _NS_PER_SECOND, UTC).date().isoformat()


def _prices(prices: Prices) -> Iterator[tuple[str, int]]:
    for name in Prices.__struct_fields__:
        price = getattr(prices, name)
        if isinstance(price, int):
            yield name, price


def _price_items(prices: Prices) -> Iterator[dict[str, Any]]:
    for unit, price in _prices(prices):
        yield {"unit": unit, "usd": float(_dollars(price, unit)), "per": _unit(unit).per}


def _conditions(dated: DatedRate) -> str:
    entry = dated.entry
    told = ["batch"] if entry.batch else []
    if entry.service_tier is not None:
        told.append(f"service tier {entry.service_tier}")
    if entry.hours is not None:
        told.append("from {} until {} UTC".format(*map(_clock, entry.hours)))
    told += [f"also above {threshold} input tokens" for threshold, _ in reversed(entry.prices.above)]
    return ", ".join(told)


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}"


def _unit(unit: str) -> _Unit:
    return _UNITS.get(unit, _OF_TOKENS)


def _priced_by(line: CostLine) -> str:
    return _BY_USAGE.get(line.unit, line.unit)


def _dollars(price: Decimal | int, unit: str) -> Decimal:
    return Decimal(price) * _unit(unit).of_million / 1_000_000 / NANO_PER_USD


def _plain(number: Decimal) -> str:
    """Return a number without needless zeros, and to twelve digits at most."""
    text = f"{round(number, 12):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _usd(nano: int | None) -> float | None:
    return None if nano is None else usd_from_nano(nano)

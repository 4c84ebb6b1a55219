"""Prices and amounts as a person reads them, and as objects for programs."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from gantry.clerk.explain_cost import CostLine, Explained
from gantry.console.price_item import conditions_of, priced_units
from gantry.core.money import NANO_PER_USD, usd_from_nano
from gantry.prices.card import PriceCard
from gantry.prices.cost import AUDIO
from gantry.prices.price_units import dollars_of, unit_of

_NS_PER_SECOND: Final = 1_000_000_000


_BY_USAGE: Final = {AUDIO: "audio_hour", "billed_tool_calls": "tool_calls"}


def exact_dollars(nano: int) -> str:
    """Return an amount in dollars, to the nano-dollar."""
    return f"{Decimal(nano) / NANO_PER_USD:.9f}"


def card_rows(card: PriceCard) -> list[tuple[str, ...]]:
    """Return a row for each price in force: unit, dollars, for how many, for which calls."""
    return [
        (unit, plain(dollars_of(price, unit)), unit_of(unit).per, variant.holds_for)
        for variant in card.variants
        for unit, price in priced_units(variant.prices)
    ]


def history_rows(card: PriceCard) -> list[tuple[str, ...]]:
    """Return a row for each dated entry: since when, for which calls, by whom, and its prices in one line."""
    return [
        (
            "" if dated.since is None else day_of(dated.since),
            conditions_of(dated),
            dated.version,
            ", ".join(f"{unit} {plain(dollars_of(price, unit))}" for unit, price in priced_units(dated.entry.prices)),
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
                "price": None if line.price is None else float(dollars_of(line.price, _priced_by(line))),
                "per": None if line.price is None else unit_of(_priced_by(line)).per,
                "amount": usd_from_nano(line.amount),
                "note": line.note or None,
            }
            for line in explained.lines
        ],
    }


def line_row(line: CostLine) -> tuple[str, ...]:
    """Return a part of a cost as a row: unit, count, price, for how many, amount, note."""
    count = "" if line.count is None else plain(line.count)
    if line.price is None:
        return (line.unit, count, "", "", exact_dollars(line.amount), line.note)
    by = _priced_by(line)
    return (line.unit, count, plain(dollars_of(line.price, by)), unit_of(by).per, exact_dollars(line.amount), line.note)


def day_of(ns: int) -> str:
    return datetime.fromtimestamp(ns // _NS_PER_SECOND, UTC).date().isoformat()


def _priced_by(line: CostLine) -> str:
    return _BY_USAGE.get(line.unit, line.unit)


def plain(number: Decimal) -> str:
    """Return a number without needless zeros, and to twelve digits at most."""
    text = f"{round(number, 12):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _usd(nano: int | None) -> float | None:
    return None if nano is None else usd_from_nano(nano)

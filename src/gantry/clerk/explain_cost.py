"""How the cost of a log came about, unit by unit.

Law: the lines sum to the cost, exactly. A price is shown where today's rate gives the amount that is in the log, for a
log keeps amounts and not prices; else it is what the amount comes to for each unit.
"""

from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Struct

from gantry.clerk.charge import HEDGE
from gantry.clerk.reprice import FindCustom, Left, basis_of, left_as_it_is, reprice
from gantry.core.priced_log import NewPrice, PricedLog
from gantry.core.request_log import RequestLog
from gantry.prices.cost import AUDIO, Item, items
from gantry.prices.rates import Rates

_MILLION: Final = 1_000_000
_HOUR: Final = 3600
_ROUNDING: Final = "rounding"
_WHOLE: Final = {
    Left.POSTED: "as it was posted",
    Left.CACHED: "an answer from the cache costs nothing",
    Left.RESULTS: "counted with another log of these results",
}


class CostLine(Struct, frozen=True):
    """A part of a cost. `price` is in nano-dollars for a million of `count`; for an hour of audio."""

    unit: str
    amount: int
    count: Decimal | None = None
    price: Decimal | None = None
    note: str = ""


class Explained(Struct, frozen=True):
    cost: int | None
    lines: list[CostLine]
    source: str | None
    version: str | None
    left: Left | None  # why today's rates have no say in it
    today: int | None  # what it costs by the rates of today
    savings: int | None


def explain_cost(log: RequestLog, rates: Rates, find_custom: FindCustom) -> Explained:
    """Return the parts of a log's cost, and what it would be today."""
    stored = _stored(log)
    left = left_as_it_is(stored)
    itemised: dict[str, Item] = {}
    today = log.cost
    if left is None:
        rate = basis_of(stored, rates, find_custom).find_rate(rates)
        itemised = {} if rate is None else {item.unit: item for item in items(rate, log.usage)}
        new = reprice(stored, rates, find_custom)
        today = new.cost if isinstance(new, NewPrice) else log.cost
    lines = _lines_of(log, left, itemised)
    return Explained(log.cost, lines, log.price_source, log.price_version, left, today, log.cache_savings)


def _lines_of(log: RequestLog, left: Left | None, itemised: dict[str, Item]) -> list[CostLine]:
    if log.cost is None:
        return []
    parts = msgspec.json.decode(log.cost_by_unit or "{}", type=dict[str, int])
    lines = [_line_of(unit, amount, itemised.get(unit), left) for unit, amount in parts.items()]
    if not lines:
        return [CostLine("all", log.cost, note="" if left is None else _WHOLE.get(left, ""))]
    rest = log.cost - sum(parts.values())
    if rest:
        lines.append(CostLine(_ROUNDING, rest, note="each unit is rounded on its own, and the cost once"))
    return lines


def _line_of(unit: str, amount: int, item: Item | None, left: Left | None) -> CostLine:
    if unit == HEDGE:
        return CostLine(unit, amount, note="sent in vain beside the answer; an estimate")
    if item is None:
        return CostLine(unit, amount, note="" if left is None else f"of a log {left}")
    if item.amount == amount:
        return CostLine(unit, amount, item.count, Decimal(item.price))
    for_each = _HOUR if unit == AUDIO else _MILLION
    charged = Decimal(amount) * for_each / item.count if item.count else None
    return CostLine(unit, amount, item.count, charged, "not today's price")


def _stored(log: RequestLog) -> PricedLog:
    """Return a log that was read whole as one whose price is looked at; its number is of no use here."""
    return PricedLog(0, *(getattr(log, name) for name in PricedLog.__struct_fields__[1:]))

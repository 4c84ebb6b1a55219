"""An operator's own rates: a line of prices in what people write them for, as a line of prices by the million.

Law: they hold above all but custom models, from their day on; before it, and of units that they leave out where no line
of theirs holds, nothing changes. What a provider charges relative to its list prices applies to them, too.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from gantry.prices.overrides import RateLine
from gantry.prices.price_units import PRICED, per_million

TOLD = tuple(name for name in PRICED if name in RateLine.__struct_fields__)  # the units that a line has


def operator_line(
    provider: str, models: Iterable[str], since: date, prices: Mapping[str, Decimal | None], service_tier: str | None
) -> RateLine:
    """Return a line of prices in dollars for what each unit is told for. Raises ValueError for what is no price."""
    told: dict[str, Any] = {name: per_million(price, name) for name, price in prices.items() if price is not None}
    absurd = [name for name, price in told.items() if not (price.is_finite() and price >= 0)]
    if absurd:
        raise ValueError(f"the price of {provider} {', '.join(models)} for {absurd[0]} is no amount of dollars")
    if not told:
        raise ValueError(f"the prices of {provider} {', '.join(models)} name none of {', '.join(TOLD)}")
    return RateLine(provider, tuple(models), since, service_tier=service_tier, **told)


def same_place(one: RateLine, other: RateLine) -> bool:
    """Say whether one line takes the place of the other, in a list of lines of one name each."""
    return (one.provider, one.names, one.since, one.service_tier) == (
        other.provider,
        other.names,
        other.since,
        other.service_tier,
    )

"""A provider's export beside our books: by day and model, and by key where both are asked for it.

Law: models are compared by the price record that their names mean, for a provider bills `gpt-4o-2024-08-06` where the
caller said `gpt-4o`; a name without a price is itself. What one side lacks is 0 there, if it tells of such amounts.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time

from msgspec import Struct
from msgspec.structs import astuple

from gantry.prices.exports import Amounts, Line
from gantry.prices.rates import Rates
from gantry.prices.table import NS_PER_SECOND


class Compared(Struct, frozen=True):
    day: date
    model: str
    key: str
    theirs: Amounts
    ours: Amounts


def reconcile(
    theirs: Iterable[Line], ours: Iterable[Line], provider_id: str, rates: Rates, *, by_key: bool = False
) -> list[Compared]:
    """Return both sides by day, model and key, days without anything left out.

    By model only where theirs names models, by key only where that is asked for.
    """
    theirs = list(theirs)
    by_model = any(line.model for line in theirs)
    found: dict[tuple[date, str, str], list[Amounts]] = {}
    told = [line.amounts for line in theirs]
    nothing = Amounts(
        0 if any(amounts.input_tokens is not None for amounts in told) else None,
        0 if any(amounts.output_tokens is not None for amounts in told) else None,
        0 if any(amounts.cost is not None for amounts in told) else None,
    )
    for side, lines in enumerate((theirs, ours)):
        for line in lines:
            model = _record_of(line, provider_id, rates) if by_model else ""
            sides = found.setdefault((line.day, model, line.key if by_key else ""), [nothing, Amounts(0, 0, 0)])
            sides[side] = sides[side].plus(line.amounts)
    compared = [Compared(*names, *sides) for names, sides in sorted(found.items())]
    return [one for one in compared if any(astuple(one.theirs)) or any(astuple(one.ours))]


def total_of(compared: Iterable[Compared]) -> tuple[Amounts, Amounts]:
    """Return the sums of both sides."""
    theirs, ours = Amounts(), Amounts()
    for one in compared:
        theirs, ours = theirs.plus(one.theirs), ours.plus(one.ours)
    return theirs, ours


def _record_of(line: Line, provider_id: str, rates: Rates) -> str:
    noon = int(datetime.combine(line.day, time(12), UTC).timestamp()) * NS_PER_SECOND
    rate = rates.find(provider_id, line.model, noon) if line.model else None
    return line.model if rate is None else rate.model

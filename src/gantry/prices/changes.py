"""What other published data would change: each price of each model, beside the one that held before it.

Law: pure, and nothing is left out. What looks like somebody's mistake is marked: a price that becomes nothing, or ten
times as much or little, a model that is gone, one that costs nothing and does not say so in its name. litellm once
published its models at zero for twenty minutes; whoever took that over billed nobody.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from gantry.prices.price_units import PRICED
from gantry.prices.rate import Prices
from gantry.prices.table import DatedPrices, ModelPrices, PriceTable

_LEAP: Final = 10
_SAYS_FREE: Final = (":free", "-free")


class Malformed(Struct, frozen=True):
    """A record that cannot be read: `model` is "" where that is so of a whole provider."""

    provider: str
    model: str
    reason: str


class Terms(Struct, frozen=True, order=True):
    """For which calls a price is: None of what makes no difference."""

    service_tier: str = ""
    batch: bool = False
    above: int = 0
    hours: tuple[int, int] = (0, 0)


class Change(Struct, frozen=True):
    """A price in nano-dollars for a million, as `Prices` keeps it; None where there is none."""

    provider: str
    model: str
    unit: str  # a field of `Prices`; "names" of the names that mean the model; "" of the whole model
    terms: Terms
    since: int  # ns since the epoch; 0 where no date is known
    old: int | None
    new: int | None
    suspicion: str = ""

    @property
    def named(self) -> str:
        return f"{self.provider}/{self.model}"


_Key = tuple[str, Terms, int]  # unit, for which calls, since when


def find_changes(old: PriceTable, new: PriceTable, malformed: tuple[Malformed, ...] = ()) -> list[Change]:
    """Return what differs, by provider and model."""
    records_before, records_after = _by_name(old), _by_name(new)
    broken = {(one.provider, one.model): one.reason for one in malformed}
    found: list[Change] = []
    for name in sorted({*records_before, *records_after}):
        before, after = records_before.get(name), records_after.get(name)
        if after is None:
            reason = broken.pop(name, None) or broken.get((name[0], ""))
            why = "is gone" if reason is None else f"cannot be read: {reason}"
            found.append(Change(*name, "", Terms(), 0, None, None, why))
        elif before is None:
            found += _of_new(name, after)
        elif before != after:
            found += _between(name, before, after)
    found += [Change(*name, "", Terms(), 0, None, None, f"cannot be read: {why}") for name, why in broken.items()]
    return found


def _by_name(table: PriceTable) -> Mapping[tuple[str, str], ModelPrices]:
    return {
        (provider, record.model): record for provider, prices in table.providers.items() for record in prices.models
    }


def _of_new(name: tuple[str, str], record: ModelPrices) -> Iterator[Change]:
    prices = _prices_in(record)
    free = not any(prices.values()) and not name[1].endswith(_SAYS_FREE)
    for (unit, terms, since), price in sorted(prices.items()):
        yield Change(*name, unit, terms, since, None, price, "is new and costs nothing" if free else "")


def _between(name: tuple[str, str], before: ModelPrices, after: ModelPrices) -> Iterator[Change]:
    earlier, later = _prices_in(before), _prices_in(after)
    for key in sorted({*earlier, *later}):
        unit, terms, since = key
        old, new = earlier.get(key), later.get(key)
        if old is None:
            old = _held_before(earlier, key)
        if old != new or key not in earlier:
            yield Change(*name, unit, terms, since, old, new, _suspicion(old, new))
    if before.pattern != after.pattern:
        yield Change(*name, "names", Terms(), 0, None, None)


def _held_before(prices: Mapping[_Key, int], key: _Key) -> int | None:
    """Return the price of the same unit and terms that held when another began."""
    starts = [since for unit, terms, since in prices if (unit, terms) == key[:2] and since <= key[2]]
    return prices[key[0], key[1], max(starts)] if starts else None


def _suspicion(old: int | None, new: int | None) -> str:
    if old is not None and new is None:
        return "has no price any more"
    if not old or new is None:
        return ""
    if new == 0:
        return "becomes nothing"
    if new >= _LEAP * old:
        return f"becomes {new / old:.3g} times as much"
    return f"becomes a {old / new:.3g}th" if old >= _LEAP * new else ""


def _prices_in(record: ModelPrices) -> dict[_Key, int]:
    return {key: price for entry in record.entries for key, price in _prices_of(entry)}


def _prices_of(entry: DatedPrices) -> Iterator[tuple[_Key, int]]:
    for above, prices in ((0, entry.prices), *entry.prices.above):
        terms = Terms(entry.service_tier or "", entry.batch, above, entry.hours or (0, 0))
        yield from (((unit, terms, entry.since or 0), price) for unit, price in _units_of(prices))


def _units_of(prices: Prices) -> Iterator[tuple[str, int]]:
    for unit in PRICED:
        price = getattr(prices, unit)
        if price is not None:
            yield unit, price

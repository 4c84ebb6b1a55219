"""What a call cost, and how we know.

Law: cost is posted, or computed from posted unit prices, or computed from our rates, in this order; an unknown one is
NULL and flagged (law 7). Results of a batch are priced one by one: models and context tiers may differ among them.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gantry.core.custom_model import CustomModel
from gantry.core.limits import marked_up
from gantry.core.model_ref import parse_model_ref
from gantry.core.money import MOST_COST
from gantry.core.request_log import CACHED_MODEL
from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.fold import BatchResult
from gantry.dialects.posted_log import PostedLog
from gantry.dialects.usage import service_tier_in
from gantry.journal.frames import CacheNote, HoldNote
from gantry.prices.cost import cost_and_parts
from gantry.prices.custom import custom_rate
from gantry.prices.rate import Prices, Rate
from gantry.prices.rates import Rates

LARGEST: Final = 2**63 - 1  # that is stored: a posted usage may be absurd
HEDGE: Final = "hedge"  # among the parts of a cost: what was sent in vain beside the answer
HELD: Final = "hold"  # the source of the cost of a call that crashed: its estimate, which was held for it
POSTED: Final = "posted"  # the source of a price that came with the log
_encode: Final = msgspec.json.Encoder().encode


class Charge(Struct, frozen=True, gc=False):
    """What a call cost and how we know, under the names of the request log."""

    cost: int | None = None
    cost_by_unit: str | None = None
    price_missing: bool = False
    price_source: str | None = None
    price_version: str | None = None


NO_CHARGE: Final = Charge()
FREE: Final = Charge(cost=0)
_UNKNOWN: Final = Charge(price_missing=True)


def charge_call(
    rates: Rates,
    provider_id: str | None,
    names: Sequence[str | None],
    at: int,
    service_tier: str | None,
    usage: Usage,
    *,
    host: str | None = None,
    custom: CustomModel | None = None,
) -> Charge:
    """Price a usage under the first of the names that has a rate. `host` is where it went: regions differ.

    Of a call under a custom name, `custom` is that model.
    """
    return charge_at(find_rate(rates, provider_id, names, at, service_tier, host=host, custom=custom), usage)


def find_rate(
    rates: Rates,
    provider_id: str | None,
    names: Sequence[str | None],
    at: int,
    service_tier: str | None,
    *,
    host: str | None = None,
    custom: CustomModel | None = None,
) -> Rate | None:
    """Return the rate by which `charge_call` prices; None when no price is known."""
    rate = None
    if provider_id is not None:
        rate = rates.find_first(provider_id, names, at, service_tier, host=host)
    return rate if custom is None else custom_rate(rates, custom, rate, at, service_tier)


def charge_at(rate: Rate | None, usage: Usage) -> Charge:
    """Return what a usage costs at a rate, which may be unknown."""
    if rate is None:
        return _UNKNOWN
    amount, parts = cost_and_parts(rate, usage)
    return Charge(amount, _text_of(parts), amount is None, rate.source, rate.version)


def charge_hit(
    rates: Rates,
    hit: CacheNote,
    names: Sequence[str | None],
    at: int,
    service_tier: str | None,
    usage: Usage,
    *,
    custom: CustomModel | None = None,
) -> tuple[Charge, int | None]:
    """Return the charge of an answer out of the response cache, which is nothing, and what it would have cost.

    It names the price by which that was computed.
    """
    if usage == NO_USAGE:
        return FREE, None
    asked = charge_call(
        rates, hit.provider_id or None, names, at, service_tier, usage, host=hit.upstream_host, custom=custom
    )
    return Charge(0, price_source=asked.price_source, price_version=asked.price_version), asked.cost


def charge_held(note: HoldNote) -> tuple[Usage, Charge]:
    """Return the units and the charge of a call of which nothing is known but what its worker counted."""
    usage = Usage(total_tokens=note.tokens, estimated=True) if note.tokens else NO_USAGE
    if note.cost is None:
        return usage, _UNKNOWN
    return usage, Charge(min(note.cost, LARGEST), price_source=HELD)


def charge_crashed(held: HoldNote, usage: Usage, charge: Charge) -> tuple[Usage, Charge]:
    """Return the units and the charge of a call that crashed: what was held for it, which nobody will ever settle."""
    if usage == NO_USAGE and held.tokens:
        usage = Usage(total_tokens=held.tokens)
    if held.cost is not None:
        charge = Charge(held.cost, price_source=HELD)
    return (usage if usage == NO_USAGE else replace(usage, estimated=True)), charge


def charge_credits(note: HoldNote | None, charge: Charge) -> tuple[int | None, int | None]:
    """Return what a call is charged to its organization's credits, and the markup in it; None where it is not."""
    if note is None or not note.on_credits:
        return None, None
    if charge.cost is None:
        return None, note.markup_ppm
    return min(marked_up(charge.cost, note.markup_ppm), LARGEST), note.markup_ppm


def charge_results(
    rates: Rates, provider_id: str | None, results: Sequence[BatchResult], at: int, *, host: str | None = None
) -> Charge:
    """Price the results of a batch; one that has no price makes the whole unknown."""
    total = 0
    parts: dict[str, int] = {}
    last: Rate | None = None
    for result in results:
        if result.usage == NO_USAGE:
            continue
        rate = None
        if provider_id is not None and result.model is not None:
            rate = rates.find(provider_id, result.model, at, result.service_tier, batch=True, host=host)
        if rate is None:
            return _UNKNOWN
        amount, units = cost_and_parts(rate, result.usage)
        if amount is None:
            return Charge(None, None, True, rate.source, rate.version)
        last, total = rate, total + amount
        for unit, part in units.items():
            parts[unit] = parts.get(unit, 0) + part
    if last is None:
        return NO_CHARGE
    if total >= MOST_COST:
        total, parts = MOST_COST, {}
    return Charge(total, _text_of(parts), False, last.source, last.version)


def charge_posted(
    posted: PostedLog,
    rates: Rates,
    provider_id: str | None,
    model: str | None,
    at: int,
    custom: CustomModel | None = None,
) -> Charge:
    """Return the charge of a posted log."""
    if posted.cost is not None:
        return Charge(posted.cost, price_source=POSTED)
    if model == CACHED_MODEL:
        return FREE
    if posted.usage == NO_USAGE:
        return NO_CHARGE
    if posted.prompt_unit_price is not None or posted.completion_unit_price is not None:
        prices = Prices(input=posted.prompt_unit_price or 0, output=posted.completion_unit_price or 0)
        amount, parts = cost_and_parts(Rate(prices, model or "", POSTED, POSTED), posted.usage)
        return Charge(amount, _text_of(parts), amount is None, POSTED)
    service_tier = service_tier_in(posted.usage_raw.encode()) if posted.usage_raw else None
    return charge_call(rates, provider_id, (model,), at, service_tier, posted.usage, custom=custom)


def with_hedge(charge: Charge, amount: int) -> Charge:
    """Return the charge of an answer with that of another attempt beside it; an unknown one stays unknown."""
    if charge.cost is None:
        return charge
    if charge.cost_by_unit is None:  # parts that are not the whole would be wrong books
        return replace(charge, cost=charge.cost + amount)
    parts = msgspec.json.decode(charge.cost_by_unit, type=dict[str, int])
    return replace(charge, cost=charge.cost + amount, cost_by_unit=_text_of({**parts, HEDGE: amount}))


def likely_provider(requested_model: str | None, rates: Rates) -> str | None:
    """Return the provider that the requested name means, for a call that crashed before its attempts were recorded."""
    if requested_model is None:
        return None
    ref = parse_model_ref(requested_model, rates.providers)
    return ref.prefix or rates.provider_of(ref.name)


def _text_of(parts: Mapping[str, int]) -> str | None:
    return _encode(parts).decode() if parts else None

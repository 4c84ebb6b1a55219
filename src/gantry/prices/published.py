"""The published prices: genai-prices' data compiled into our table.

Law: read its records, never call its finder or calculator; the finder remembers every unknown name it was asked for,
and the calculator costs 85 µs and more. A record without any price we can use is left out, so it reads as unknown, and
so is one that prices what nobody counts: half a price is a wrong one.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final, assert_never

import genai_prices
import msgspec
from genai_prices import data, types

from gantry.core.money import NANO_PER_USD
from gantry.prices.rate import Prices
from gantry.prices.table import (
    NS_PER_SECOND,
    DatedPrices,
    Match,
    ModelPrices,
    Pattern,
    PriceTable,
    ProviderPrices,
)

SOURCE: Final = "genai-prices"

# Our unit, the keys that price it (the first that is there wins), and how many of theirs make one of ours.
_UNITS: Final[Mapping[str, tuple[tuple[str, ...], int]]] = {
    "input": (("input_mtok", "input_text_mtok"), 1),
    "cached_input": (("cache_read_mtok",), 1),
    "cache_write": (("cache_write_5m_mtok", "cache_write_mtok"), 1),
    "cache_write_1h": (("cache_write_1h_mtok",), 1),
    "output": (("output_mtok", "output_text_mtok"), 1),
    "audio_hour": (("input_audio_hours", "audio_hours"), 1),
    "characters": (("input_mchars",), 1),
    "pages": (("input_document_kpages",), 1000),
    "annotated_pages": (("input_annotated_document_kpages",), 1000),
    "requests": (("requests_kcount",), 1000),
    "input_audio": (("input_audio_mtok",), 1),
    "cached_audio": (("cache_audio_read_mtok",), 1),
    "output_audio": (("output_audio_mtok",), 1),
    "input_video": (("input_video_mtok",), 1),
    "input_image": (("input_image_mtok",), 1),
    "output_image": (("output_image_mtok",), 1),
    "web_searches": (("web_searches_kcount",), 1000),
    "tool_calls": (("storage_searches_kcount",), 1000),
}
# Parts of an answer that cost something else than the rest, in answers that do not count them for us.
_UNCOUNTED: Final = ("output_reasoning_mtok", "output_citation_mtok", "output_video_mtok")
_TIERS: Final = ("service_tier", "speed")  # what a usage names of the terms that it was billed by: `service_tier_in`
_BATCH: Final = {"processing": "batch"}


def compile_published(
    providers: Sequence[types.Provider] = data.providers, version: str = genai_prices.__version__
) -> PriceTable:
    """Return every usable published price. Takes some tens of milliseconds; do it once."""
    return PriceTable(
        source=SOURCE,
        version=f"{SOURCE} {version}",
        providers={
            provider.id: ProviderPrices(
                models=tuple(_compile_models(provider)),
                fallbacks=tuple(provider.fallback_model_providers or ()),
                claims=_compile_pattern(provider.model_match) if provider.model_match is not None else None,
            )
            for provider in providers
        },
    )


def _compile_models(provider: types.Provider) -> Iterator[ModelPrices]:
    for model in provider.models:
        entries = tuple(_compile_entries(model))
        if entries:
            pattern, deprecated = _compile_pattern(model.match), bool(model.deprecated)
            yield ModelPrices(model.id, pattern, entries, model.context_window, deprecated)


def _compile_entries(model: types.ModelInfo) -> Iterator[DatedPrices]:
    conditional = (
        [types.ConditionalPrice(prices=model.prices)] if isinstance(model.prices, types.ModelPrice) else model.prices
    )
    for entry in conditional:
        yield from _compile_entry(entry.prices.__dict__, entry.constraint)
    base = conditional[-1].prices.__dict__ if conditional else {}
    for variant in sorted(model.price_variants or (), key=_start):
        merged = {**base, **{key: price for key, price in variant.prices.__dict__.items() if price is not None}}
        if variant.when == _BATCH:
            yield from _compile_entry(merged, variant.constraint, batch=True)
        elif len(variant.when) == 1 and next(iter(variant.when)) in _TIERS:
            yield from _compile_entry(merged, variant.constraint, *variant.when.values())


def _start(variant: types.PriceVariant) -> date:
    """Return the first day of a variant; where several hold, the first in the data is the latest, and ours the last."""
    return variant.constraint.start_date if isinstance(variant.constraint, types.StartDateConstraint) else date.min


def _compile_entry(
    keys: Mapping[str, Any], constraint: object, service_tier: str | None = None, *, batch: bool = False
) -> Iterator[DatedPrices]:
    prices = _compile_prices(keys)
    if prices == Prices() or any(keys.get(key) is not None for key in _UNCOUNTED):
        return
    since = hours = None
    if isinstance(constraint, types.StartDateConstraint):
        midnight = datetime.combine(constraint.start_date, time(), UTC)
        since = int(midnight.timestamp()) * NS_PER_SECOND
    elif isinstance(constraint, types.TimeOfDateConstraint):
        hours = (_second_of_day(constraint.start_time), _second_of_day(constraint.end_time))
    yield DatedPrices(prices, since, hours, service_tier, batch)


def _compile_prices(keys: Mapping[str, Any]) -> Prices:
    thresholds = {
        tier.start for price in keys.values() if isinstance(price, types.TieredPrices) for tier in price.tiers
    }
    above = tuple((start, _prices_past(keys, start)) for start in sorted(thresholds, reverse=True))
    return msgspec.structs.replace(_prices_past(keys, None), above=above)


def _prices_past(keys: Mapping[str, Any], threshold: int | None) -> Prices:
    found: dict[str, Any] = {}
    for unit, (names, factor) in _UNITS.items():
        for name in names:
            price = _price_past(keys.get(name), threshold)
            if price is not None:
                found[unit] = int(price * factor * NANO_PER_USD)
                break
    return Prices(**found)


def _price_past(price: Any, threshold: int | None) -> Decimal | None:
    if isinstance(price, types.TieredPrices):
        applicable = price.base
        for tier in price.tiers:
            if threshold is not None and tier.start <= threshold:
                applicable = tier.price
        return applicable
    return price if isinstance(price, Decimal) else None


def _compile_pattern(clause: types.MatchLogic) -> Pattern:
    match clause:
        case types.ClauseEquals():
            return Pattern(Match.EQUALS, clause.equals.lower())
        case types.ClauseStartsWith():
            return Pattern(Match.STARTS, clause.starts_with.lower())
        case types.ClauseEndsWith():
            return Pattern(Match.ENDS, clause.ends_with.lower())
        case types.ClauseContains():
            return Pattern(Match.CONTAINS, clause.contains.lower())
        case types.ClauseRegex():
            return Pattern(Match.REGEX, clause.regex)
        case types.ClauseOr():
            return Pattern(Match.ANY, "", tuple(_compile_pattern(part) for part in clause.or_))
        case types.ClauseAnd():
            return Pattern(Match.ALL, "", tuple(_compile_pattern(part) for part in clause.and_))
        case _:
            assert_never(clause)


def _second_of_day(moment: time) -> int:
    """Return the second of the UTC day; times without a zone are UTC."""
    if moment.tzinfo is not None:
        moment = datetime.combine(datetime(1970, 1, 2).date(), moment).astimezone(UTC).time()
    return moment.hour * 3600 + moment.minute * 60 + moment.second

"""A rate, and the cost of a usage at it: exact integers, rounded once.

Law: every price is whole nano-dollars per million units (per hour for audio), so any published price is exact and the
sum is divided once, half to even. A usage that the rate does not price gives None, never 0 (law 7).
"""

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gantry.core.money import NanoUSD
from gantry.core.usage import Usage

_MILLION: Final = 1_000_000
_HOUR_SECONDS: Final = 3600
_SCALE: Final = _MILLION * _HOUR_SECONDS  # prices are for a million units, and for an hour of audio


class Prices(Struct, frozen=True, array_like=True):
    """Nano-dollars per million units; None where the unit has no price."""

    input: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    output: int | None = None
    audio_hour: int | None = None  # nano-dollars per hour of audio in
    characters: int | None = None
    pages: int | None = None
    annotated_pages: int | None = None
    requests: int | None = None
    above: tuple[tuple[int, "Prices"], ...] = ()  # what applies to all units past this many input tokens, highest first
    input_image: int | None = None  # of tokens, where those of images have a price of their own
    output_image: int | None = None
    images: int | None = None
    searches: int | None = None


class Rate(Struct, frozen=True):
    """Prices, and where they come from."""

    prices: Prices
    model: str  # the record that matched
    source: str
    version: str


def cost(rate: Rate, usage: Usage) -> NanoUSD | None:
    """Return what a usage costs at a rate; None when the rate has no price for what was used."""
    charges = _charges(rate.prices, usage)
    if not charges:
        return None
    return _divide(sum(charge for _, charge in charges), _SCALE)


def cost_by_unit(rate: Rate, usage: Usage) -> dict[str, NanoUSD]:
    """Return what each unit costs, by its name in `Usage`, each rounded on its own; empty where `cost` is None."""
    return cost_and_parts(rate, usage)[1]


def cost_and_parts(rate: Rate, usage: Usage) -> tuple[NanoUSD | None, dict[str, NanoUSD]]:
    """Return `cost` and `cost_by_unit` for the price of one."""
    total = 0
    parts = {}
    for unit, charge in _charges(rate.prices, usage):
        total += charge
        parts[unit] = _divide(charge, _SCALE)
    return (_divide(total, _SCALE) if parts else None), parts


def _charges(prices: Prices, usage: Usage) -> list[tuple[str, int]]:
    """Return what each unit costs, times `_SCALE`; none at all where something that was used has no price."""
    if usage.connector_calls or usage.connector_tokens:
        return []
    input_tokens = usage.input_tokens
    output_tokens = usage.output_tokens
    for threshold, higher in prices.above:
        if input_tokens is not None and input_tokens > threshold:
            prices = higher
            break
    charges = []
    if input_tokens is not None and prices.input is not None:
        cached = usage.cached_input_tokens or 0
        written = usage.cache_write_tokens or 0
        plain = input_tokens - cached - written
        seen = 0 if prices.input_image is None else min(usage.input_image_tokens or 0, plain)
        charges.append(("input_tokens", (plain - seen) * prices.input * _HOUR_SECONDS))
        if seen and prices.input_image is not None:
            charges.append(("input_image_tokens", seen * prices.input_image * _HOUR_SECONDS))
        if cached:
            price = prices.input if prices.cached_input is None else prices.cached_input
            charges.append(("cached_input_tokens", cached * price * _HOUR_SECONDS))
        if written:
            price = prices.input if prices.cache_write is None else prices.cache_write
            charges.append(("cache_write_tokens", written * price * _HOUR_SECONDS))
    if output_tokens and prices.output is None and prices.input is not None:
        return []
    if output_tokens is not None and prices.output is not None:
        drawn = 0 if prices.output_image is None else min(usage.output_image_tokens or 0, output_tokens)
        charges.append(("output_tokens", (output_tokens - drawn) * prices.output * _HOUR_SECONDS))
        if drawn and prices.output_image is not None:
            charges.append(("output_image_tokens", drawn * prices.output_image * _HOUR_SECONDS))
    if usage.characters is not None and prices.characters is not None:
        charges.append(("characters", usage.characters * prices.characters * _HOUR_SECONDS))
    if usage.pages is not None and prices.pages is not None:
        annotated = min(usage.annotated_pages or 0, usage.pages)
        charges.append(("pages", (usage.pages - annotated) * prices.pages * _HOUR_SECONDS))
        if annotated:
            price = prices.pages if prices.annotated_pages is None else prices.annotated_pages
            charges.append(("annotated_pages", annotated * price * _HOUR_SECONDS))
    if usage.images is not None and prices.images is not None:
        charges.append(("images", usage.images * prices.images * _HOUR_SECONDS))
    if usage.searches is not None and prices.searches is not None:
        charges.append(("searches", usage.searches * prices.searches * _HOUR_SECONDS))
    if usage.input_audio_seconds is not None and prices.audio_hour is not None:
        charges.append(("input_audio_seconds", int(usage.input_audio_seconds * _MILLION) * prices.audio_hour))
    if charges and prices.requests is not None:
        charges.append(("requests", prices.requests * _HOUR_SECONDS))
    return charges


def scaled(prices: Prices, numerator: int, denominator: int) -> Prices:
    """Return prices multiplied by a fraction, each rounded half to even."""
    multiplied: dict[str, Any] = {
        name: _divide(price * numerator, denominator)
        for name in Prices.__struct_fields__
        if isinstance(price := getattr(prices, name), int)
    }
    above = tuple((threshold, scaled(higher, numerator, denominator)) for threshold, higher in prices.above)
    return Prices(**multiplied, above=above)


def with_cached_input(prices: Prices, numerator: int, denominator: int) -> Prices:
    """Return prices whose cached input, where it has none of its own, is a fraction of the input's."""
    above = tuple((at, with_cached_input(higher, numerator, denominator)) for at, higher in prices.above)
    cached = prices.cached_input
    if cached is None and prices.input is not None:
        cached = _divide(prices.input * numerator, denominator)
    return replace(prices, cached_input=cached, above=above)


def _divide(numerator: int, denominator: int) -> NanoUSD:
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return NanoUSD(quotient)

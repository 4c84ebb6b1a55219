"""A rate, and the cost of a usage at it: exact integers, rounded once.

Law: every price is whole nano-dollars per million units (per hour for audio), so any published price is exact and the
sum is divided once, half to even. A usage that the rate does not price gives None, never 0 (law 7).
"""

from typing import Any, Final

from msgspec import Struct

from gantry.core.money import NanoUSD
from gantry.core.usage import Usage

_MILLION: Final = 1_000_000
_HOUR_SECONDS: Final = 3600


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


class Rate(Struct, frozen=True):
    """Prices, and where they come from."""

    prices: Prices
    model: str  # the record that matched
    source: str
    version: str


def cost(rate: Rate, usage: Usage) -> NanoUSD | None:
    """Return what a usage costs at a rate; None when the rate has no price for what was used."""
    prices = rate.prices
    input_tokens = usage.input_tokens
    output_tokens = usage.output_tokens
    for threshold, higher in prices.above:
        if input_tokens is not None and input_tokens > threshold:
            prices = higher
            break
    total = 0
    priced = False
    if input_tokens is not None and prices.input is not None:
        priced = True
        cached = usage.cached_input_tokens or 0
        written = usage.cache_write_tokens or 0
        total += (input_tokens - cached - written) * prices.input
        if cached:
            total += cached * (prices.input if prices.cached_input is None else prices.cached_input)
        if written:
            total += written * (prices.input if prices.cache_write is None else prices.cache_write)
    if output_tokens and prices.output is None and prices.input is not None:
        return None
    if output_tokens is not None and prices.output is not None:
        priced = True
        total += output_tokens * prices.output
    if usage.characters is not None and prices.characters is not None:
        priced = True
        total += usage.characters * prices.characters
    if usage.pages is not None and prices.pages is not None:
        priced = True
        total += _pages(prices.pages, prices.annotated_pages, usage.pages, usage.annotated_pages or 0)
    if usage.input_audio_seconds is not None and prices.audio_hour is not None:
        microseconds = int(usage.input_audio_seconds * _MILLION)
        total = total * _HOUR_SECONDS + microseconds * prices.audio_hour
        return _divide(total + (prices.requests or 0) * _HOUR_SECONDS, _HOUR_SECONDS * _MILLION)
    if not priced:
        return None
    return _divide(total + (prices.requests or 0), _MILLION)


def scaled(prices: Prices, numerator: int, denominator: int) -> Prices:
    """Return prices multiplied by a fraction, each rounded half to even."""
    multiplied: dict[str, Any] = {
        name: _divide(price * numerator, denominator)
        for name in Prices.__struct_fields__
        if isinstance(price := getattr(prices, name), int)
    }
    above = tuple((threshold, scaled(higher, numerator, denominator)) for threshold, higher in prices.above)
    return Prices(**multiplied, above=above)


def _pages(plain: int, annotated_price: int | None, pages: int, annotated: int) -> int:
    annotated = min(annotated, pages)
    return (pages - annotated) * plain + annotated * (plain if annotated_price is None else annotated_price)


def _divide(numerator: int, denominator: int) -> NanoUSD:
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient % 2):
        quotient += 1
    return NanoUSD(quotient)

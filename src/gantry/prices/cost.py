"""The cost of a usage at a rate: exact integers, rounded once.

Law: the sum is divided once, half to even. A usage that the rate does not price gives None, never 0 (law 7). One that
would cost more than anything can costs `MOST_COST`, and has no parts.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct
from msgspec.structs import astuple

from gantry.core.money import MOST_COST, NanoUSD, divided
from gantry.core.usage import UNITS, Usage
from gantry.prices.rate import Prices, Rate

AUDIO: Final = "input_audio_seconds"  # the one unit whose price is for an hour
_MOST: Final = NanoUSD(MOST_COST)
_MILLION: Final = 1_000_000
_HOUR_SECONDS: Final = 3600
_SCALE: Final = _MILLION * _HOUR_SECONDS  # prices are for a million units, and for an hour of audio
_FURTHER: Final = slice(UNITS.index("total_tokens") + 1, len(UNITS))  # units, in a usage: all but the usual ones
_NOTHING_FURTHER: Final = (None,) * (len(UNITS) - UNITS.index("total_tokens") - 1)


class Item(Struct, frozen=True):
    """One unit of a cost."""

    unit: str  # its name in `Usage`
    count: Decimal
    price: int  # nano-dollars for a million of them; for an hour of audio
    amount: NanoUSD


def cost(rate: Rate, usage: Usage) -> NanoUSD | None:
    """Return what a usage costs at a rate; None when the rate has no price for what was used."""
    used = _used(rate.prices, usage)
    if not used:
        return None
    return min(divided(sum(count * price for _, count, price in used), _SCALE), _MOST)


def cost_by_unit(rate: Rate, usage: Usage) -> dict[str, NanoUSD]:
    """Return what each unit costs, by its name in `Usage`, each rounded on its own; empty where `cost` is None."""
    return cost_and_parts(rate, usage)[1]


def cost_and_parts(rate: Rate, usage: Usage) -> tuple[NanoUSD | None, dict[str, NanoUSD]]:
    """Return `cost` and `cost_by_unit` for the price of one."""
    prices, counts = rate.prices, astuple(usage)
    if counts[_FURTHER] == _NOTHING_FURTHER and prices.requests is None and not prices.above:
        given, cached, kept, made = counts[:4]
        if not (given is None or made is None or cached or kept or prices.input is None or prices.output is None):
            read: int = given * prices.input
            written: int = made * prices.output
            units = {"input_tokens": divided(read, _MILLION), "output_tokens": divided(written, _MILLION)}
            amount = divided(read + written, _MILLION)
            return (amount, units) if amount < _MOST else (_MOST, {})  # as below, for what nearly all usages are
    total = 0
    parts = {}
    for unit, count, price in _used(prices, usage):
        charge = count * price
        total += charge
        parts[unit] = divided(charge, _SCALE)
    if not parts:
        return None, parts
    amount = divided(total, _SCALE)
    return (amount, parts) if amount < _MOST else (_MOST, {})


def items(rate: Rate, usage: Usage) -> list[Item]:
    """Return how `cost_by_unit` came about."""
    return [
        Item(
            unit,
            Decimal(count) / (_MILLION if unit == AUDIO else _HOUR_SECONDS),
            price,
            divided(count * price, _SCALE),
        )
        for unit, count, price in _used(rate.prices, usage)
    ]


def _used(prices: Prices, usage: Usage) -> list[tuple[str, int, int]]:
    """Return of each unit what was used of it and at which price; none at all where something has no price.

    Their product is what the unit costs, times `_SCALE`: what was used is counted in parts of `_HOUR_SECONDS`, and
    audio in microseconds.
    """
    if usage.connector_calls or usage.connector_tokens:
        return []
    input_tokens = usage.input_tokens
    output_tokens = usage.output_tokens
    for threshold, higher in prices.above:
        if input_tokens is not None and input_tokens > threshold:
            prices = higher
            break
    used: list[tuple[str, int, int]] = []
    if input_tokens is not None and prices.input is not None:
        if not (
            usage.cached_input_tokens
            or usage.cache_write_tokens
            or usage.input_audio_tokens
            or usage.input_image_tokens
            or usage.input_video_tokens
        ):
            used.append(("input_tokens", input_tokens * _HOUR_SECONDS, prices.input))
        elif not _add_input(used, prices, prices.input, usage):
            return []
    if output_tokens and prices.output is None and prices.input is not None:
        return []
    if output_tokens is not None and prices.output is not None:
        spoken = 0 if prices.output_audio is None else min(usage.output_audio_tokens or 0, output_tokens)
        drawn = 0 if prices.output_image is None else min(usage.output_image_tokens or 0, output_tokens - spoken)
        used.append(("output_tokens", (output_tokens - spoken - drawn) * _HOUR_SECONDS, prices.output))
        if spoken and prices.output_audio is not None:
            used.append(("output_audio_tokens", spoken * _HOUR_SECONDS, prices.output_audio))
        if drawn and prices.output_image is not None:
            used.append(("output_image_tokens", drawn * _HOUR_SECONDS, prices.output_image))
    if usage.characters is not None and prices.characters is not None:
        used.append(("characters", usage.characters * _HOUR_SECONDS, prices.characters))
    if usage.pages is not None and prices.pages is not None:
        annotated = min(usage.annotated_pages or 0, usage.pages)
        used.append(("pages", (usage.pages - annotated) * _HOUR_SECONDS, prices.pages))
        if annotated:
            price = prices.pages if prices.annotated_pages is None else prices.annotated_pages
            used.append(("annotated_pages", annotated * _HOUR_SECONDS, price))
    if usage.images is not None and prices.images is not None:
        used.append(("images", usage.images * _HOUR_SECONDS, prices.images))
    if usage.searches is not None and prices.searches is not None:
        used.append(("searches", usage.searches * _HOUR_SECONDS, prices.searches))
    if usage.input_audio_seconds is not None and prices.audio_hour is not None:
        used.append((AUDIO, int(usage.input_audio_seconds * _MILLION), prices.audio_hour))
    if (usage.web_searches or usage.billed_tool_calls) and not _add_tools(used, prices, usage):
        return []
    if used and prices.requests is not None:
        used.append(("requests", _HOUR_SECONDS, prices.requests))
    return used


def _add_input(used: list[tuple[str, int, int]], prices: Prices, plain_price: int, usage: Usage) -> bool:
    """Add the parts of the input, and say whether all of them have a price.

    What of a medium is cached is rarely told; then what is cached is taken to be text first. Parts that are more than
    the whole, of which a stored log may tell, pay nothing back.
    """
    cached = usage.cached_input_tokens or 0
    written = usage.cache_write_tokens or 0
    heard_again = min(usage.cached_audio_tokens or 0, cached)
    plain = max((usage.input_tokens or 0) - cached - written, 0)
    parts: list[tuple[str, int, int]] = []
    rest = plain
    for unit, count, price in (
        ("input_audio_tokens", (usage.input_audio_tokens or 0) - heard_again, prices.input_audio),
        ("input_image_tokens", usage.input_image_tokens or 0, prices.input_image),
        ("input_video_tokens", usage.input_video_tokens or 0, prices.input_video),
    ):
        if count > 0 and price is not None and rest:
            taken = min(count, rest)
            rest -= taken
            parts.append((unit, taken * _HOUR_SECONDS, price))
    used.append(("input_tokens", rest * _HOUR_SECONDS, plain_price))
    used += parts
    if cached:
        price = plain_price if prices.cached_input is None else prices.cached_input
        if heard_again and prices.cached_audio is not None:
            used.append(("cached_audio_tokens", heard_again * _HOUR_SECONDS, prices.cached_audio))
            cached -= heard_again
        used.append(("cached_input_tokens", cached * _HOUR_SECONDS, price))
    if written:
        price = plain_price if prices.cache_write is None else prices.cache_write
        kept = min(usage.cache_write_1h_tokens or 0, written)
        if kept and prices.cache_write_1h is not None:
            used.append(("cache_write_1h_tokens", kept * _HOUR_SECONDS, prices.cache_write_1h))
            written -= kept
        elif kept and prices.cache_write is not None:  # that of five minutes is another
            return False
        if written:
            used.append(("cache_write_tokens", written * _HOUR_SECONDS, price))
    return True


def _add_tools(used: list[tuple[str, int, int]], prices: Prices, usage: Usage) -> bool:
    """Add the calls of the provider's tools, and say whether they have a price; that of a request covers searches."""
    if usage.web_searches:
        if prices.web_searches is not None:
            used.append(("web_searches", usage.web_searches * _HOUR_SECONDS, prices.web_searches))
        elif prices.searching is not None:
            used.append(("web_searches", _HOUR_SECONDS, prices.searching))
        elif prices.requests is None:
            return False
    if usage.billed_tool_calls:
        if prices.tool_calls is None:
            return False
        used.append(("billed_tool_calls", usage.billed_tool_calls * _HOUR_SECONDS, prices.tool_calls))
    return True

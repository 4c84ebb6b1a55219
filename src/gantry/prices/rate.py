"""A rate: prices, and where they come from.

Law: every price is whole nano-dollars per million units (per hour for audio), so any published price is exact.

Apart from what a usage costs at it (`prices.cost`), which is compiled: structs there would lose the types of fields.
"""

from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gantry.core.money import divided

_OF_TOOLS: Final = frozenset(("web_searches", "tool_calls", "searching"))


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
    cache_write_1h: int | None = None
    input_audio: int | None = None  # of tokens, as those of images
    cached_audio: int | None = None
    output_audio: int | None = None
    input_video: int | None = None
    web_searches: int | None = None
    tool_calls: int | None = None  # of the provider's other tools
    searching: int | None = None  # a request that searched the web, however often


class Rate(Struct, frozen=True):
    """Prices, and where they come from."""

    prices: Prices
    model: str  # the record that matched
    source: str
    version: str


def scaled(prices: Prices, numerator: int, denominator: int) -> Prices:
    """Return prices multiplied by a fraction, each rounded half to even. The provider's own tools cost what they do."""
    multiplied: dict[str, Any] = {
        name: price if name in _OF_TOOLS else divided(price * numerator, denominator)
        for name in Prices.__struct_fields__
        if isinstance(price := getattr(prices, name), int)
    }
    above = tuple((threshold, scaled(higher, numerator, denominator)) for threshold, higher in prices.above)
    return Prices(**multiplied, above=above)


def with_share(prices: Prices, unit: str, numerator: int, denominator: int) -> Prices:
    """Return prices of which a unit, where it has none of its own, is a fraction of the input's."""
    above = tuple((at, with_share(higher, unit, numerator, denominator)) for at, higher in prices.above)
    price = getattr(prices, unit)
    if price is None and prices.input is not None:
        price = divided(prices.input * numerator, denominator)
    return replace(prices, **{unit: price}, above=above)


def searched_once(prices: Prices) -> Prices:
    """Return prices whose searches are billed once for a request."""
    above = tuple((at, searched_once(higher)) for at, higher in prices.above)
    return replace(prices, web_searches=None, searching=prices.web_searches, above=above)

"""For how many of a unit its price is told, where people read or write it.

Prices are kept for a million of a unit, and for an hour of audio.
"""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from gantry.core.money import NANO_PER_USD
from gantry.prices.rate import Prices

_MILLION: Final = 1_000_000


class PriceUnit(Struct, frozen=True):
    per: str
    of_million: int


_OF_TOKENS: Final = PriceUnit("1M tokens", _MILLION)
_OTHERS: Final = {
    "audio_hour": PriceUnit("hour", _MILLION),
    "characters": PriceUnit("1M characters", _MILLION),
    "pages": PriceUnit("1000 pages", 1000),
    "annotated_pages": PriceUnit("1000 pages", 1000),
    "requests": PriceUnit("request", 1),
    "images": PriceUnit("image", 1),
    "searches": PriceUnit("1000 searches", 1000),
    "web_searches": PriceUnit("1000 searches", 1000),
    "searching": PriceUnit("1000 requests", 1000),
    "tool_calls": PriceUnit("1000 calls", 1000),
}
PRICED: Final = tuple(name for name in Prices.__struct_fields__ if name != "above")


def unit_of(name: str) -> PriceUnit:
    """Return the unit of a field of `Prices`."""
    return _OTHERS.get(name, _OF_TOKENS)


def dollars_of(price: Decimal | int, name: str) -> Decimal:
    """Return a price as it is kept in dollars for what it is told for."""
    return Decimal(price) * unit_of(name).of_million / _MILLION / NANO_PER_USD


def per_million(dollars: Decimal, name: str) -> Decimal:
    """Return a price as it is told in dollars for a million, as a `RateLine` has it."""
    return dollars * _MILLION / unit_of(name).of_million

"""Our own table over the published one: `overrides.toml`, strictly read.

Law: an unknown key is an error that names it. Every line carries the day from which it holds.
"""

import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

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

SOURCE: Final = "override"
_FREE: Final = Prices(input=0, output=0, audio_hour=0, characters=0, pages=0)


class OverridesUnreadable(ValueError):
    """The table cannot be used; the message names the line's key."""


class AliasLine(Struct, frozen=True, forbid_unknown_fields=True):
    """Names that mean a model of the published data from a day on."""

    provider: str
    model: str
    names: tuple[str, ...]
    since: date
    why: str = ""

    def since_ns(self) -> int:
        return _midnight(self.since)


class RateLine(Struct, frozen=True, forbid_unknown_fields=True):
    """Prices for some names from a day on. `*` before a name stands for any beginning, behind it for any end."""

    provider: str
    names: tuple[str, ...]
    since: date
    why: str = ""
    free: bool = False
    service_tier: str | None = None  # the terms of the calls that these prices are for, as the usage names them
    input: Decimal | None = None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    output: Decimal | None = None
    audio_hour: Decimal | None = None
    characters: Decimal | None = None
    pages: Decimal | None = None
    annotated_pages: Decimal | None = None
    images: Decimal | None = None
    searches: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    cached_audio: Decimal | None = None
    output_audio: Decimal | None = None
    input_video: Decimal | None = None
    input_image: Decimal | None = None
    output_image: Decimal | None = None
    web_searches: Decimal | None = None
    tool_calls: Decimal | None = None
    requests: Decimal | None = None

    def prices(self) -> Prices:
        if self.free:
            return _FREE
        priced: dict[str, Any] = {
            name: int(price * NANO_PER_USD)
            for name in Prices.__struct_fields__
            if isinstance(price := getattr(self, name, None), Decimal)
        }
        return Prices(**priced)


class Factors(Struct, frozen=True, forbid_unknown_fields=True):
    """What a provider charges relative to its list prices, by circumstance."""

    why: str = ""
    cached_input: Decimal | None = None  # of the input's price, for models that have no price of their own for it
    cache_write_1h: Decimal | None = None  # likewise
    searched_once: tuple[str, ...] = ()  # models whose searches are billed once for a request
    batch: Decimal | None = None
    service_tiers: dict[str, Decimal] = {}
    hosts: dict[str, Decimal] = {}


class Overrides(Struct, frozen=True, forbid_unknown_fields=True):
    version: str
    providers: dict[str, str] = {}
    factors: dict[str, Factors] = {}
    alias: tuple[AliasLine, ...] = ()
    rate: tuple[RateLine, ...] = ()

    def table(self) -> PriceTable:
        """Return the lines with prices as a table."""
        return table_of(self.rate, SOURCE, f"overrides {self.version}")


# Learnt here, before there are threads (providers/spec.py says why).
_learnt: Final = msgspec.json.Decoder(Overrides)


def parse_overrides(text: str) -> Overrides:
    """Return the overrides in a TOML document. Raises OverridesUnreadable."""
    try:
        return msgspec.convert(tomllib.loads(text), Overrides)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise OverridesUnreadable(f"overrides.toml: {error}") from error


def load_overrides() -> Overrides:
    """Return the overrides that come with this version."""
    return parse_overrides((Path(__file__).parent / "overrides.toml").read_text(encoding="utf-8"))


def table_of(lines: Iterable[RateLine], source: str, version: str) -> PriceTable:
    """Return lines with prices as a table."""
    grouped: dict[str, dict[str, list[DatedPrices]]] = {}
    for line in lines:
        for name in line.names:
            entries = grouped.setdefault(line.provider, {}).setdefault(name, [])
            entries.append(DatedPrices(line.prices(), _midnight(line.since), service_tier=line.service_tier))
    providers = {
        provider: ProviderPrices(
            tuple(
                ModelPrices(name, pattern_of(name), tuple(sorted(entries, key=_since)))
                for name, entries in models.items()
            )
        )
        for provider, models in grouped.items()
    }
    return PriceTable(source, version, providers)


def pattern_of(name: str) -> Pattern:
    """Return the test of a name in which `*` stands for any beginning or end."""
    if name.startswith("*"):
        return Pattern(Match.ENDS, name[1:].lower())
    return Pattern(Match.STARTS, name[:-1].lower()) if name.endswith("*") else Pattern(Match.EQUALS, name.lower())


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * NS_PER_SECOND


def _since(entry: DatedPrices) -> int:
    return entry.since or 0

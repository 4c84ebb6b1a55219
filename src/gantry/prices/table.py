"""Price tables as plain data: which names a record matches, and its prices by date, hour and service tier.

Law: values only, so a table can be compiled once, kept as bytes and read by a process that never imports its source.
The first record that matches a name wins, and within it the last entry that is in force.
"""

import re
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final, assert_never

import msgspec
from msgspec import Struct

from gantry.prices.rate import Prices

NS_PER_SECOND: Final = 1_000_000_000
_SECONDS_PER_DAY: Final = 86_400


class Match(IntEnum):
    EQUALS = 0
    STARTS = 1
    ENDS = 2
    CONTAINS = 3
    REGEX = 4
    ANY = 5
    ALL = 6


class Pattern(Struct, frozen=True, array_like=True):
    """A test of a lower-case model name."""

    kind: Match
    text: str = ""
    parts: tuple["Pattern", ...] = ()

    def matches(self, name: str) -> bool:
        match self.kind:
            case Match.EQUALS:
                return name == self.text
            case Match.STARTS:
                return name.startswith(self.text)
            case Match.ENDS:
                return name.endswith(self.text)
            case Match.CONTAINS:
                return self.text in name
            case Match.REGEX:
                return re.search(self.text, name) is not None
            case Match.ANY:
                return any(part.matches(name) for part in self.parts)
            case Match.ALL:
                return all(part.matches(name) for part in self.parts)
            case _:
                assert_never(self.kind)


class DatedPrices(Struct, frozen=True, array_like=True):
    """Prices with the conditions under which they are in force."""

    prices: Prices
    since: int | None = None  # ns since the epoch
    hours: tuple[int, int] | None = None  # seconds of the UTC day, from and before
    service_tier: str | None = None
    batch: bool = False

    def in_force(self, at: int) -> bool:
        if self.since is not None and at < self.since:
            return False
        if self.hours is None:
            return True
        second = at // NS_PER_SECOND % _SECONDS_PER_DAY
        start, end = self.hours
        return start <= second < end if start <= end else second >= start or second < end


class ModelPrices(Struct, frozen=True, array_like=True):
    """One record: the names it matches and its entries, the earliest first."""

    model: str
    pattern: Pattern
    entries: tuple[DatedPrices, ...]
    context_window: int | None = None  # in tokens
    deprecated: bool = False

    def since(self, at: int) -> int | None:
        """Return the moment from which the ordinary prices at another hold; None where no date is known."""
        starts = [entry.since for entry in self.entries if _is_ordinary(entry) and entry.in_force(at)]
        return starts[-1] if starts else None

    def at(self, at: int, service_tier: str | None) -> Prices | None:
        """Return the prices in force: those of the service tier where it has its own, else the ordinary ones."""
        own = None if service_tier is None else self._last(at, service_tier, batch=False)
        return self._last(at, None, batch=False) if own is None else own

    def at_batch(self, at: int) -> Prices | None:
        """Return the prices in force for a request in a batch; None where it has none of its own."""
        return self._last(at, None, batch=True)

    def _last(self, at: int, service_tier: str | None, *, batch: bool) -> Prices | None:
        for entry in reversed(self.entries):
            if entry.service_tier == service_tier and entry.batch is batch and entry.in_force(at):
                return entry.prices
        return None


class ProviderPrices(Struct, frozen=True, array_like=True):
    models: tuple[ModelPrices, ...]
    fallbacks: tuple[str, ...] = ()  # providers whose models this one also serves at their prices
    claims: Pattern | None = None  # bare names that mean this provider


class PriceTable(Struct, frozen=True, array_like=True):
    source: str
    version: str
    providers: Mapping[str, ProviderPrices]

    def find(self, provider: str, name: str) -> ModelPrices | None:
        """Return the first record of a provider, or of those it falls back to, that matches a lower-case name."""
        own = self.providers.get(provider)
        if own is None:
            return None
        found = _first_match(own.models, name)
        if found is not None:
            return found
        for fallback in own.fallbacks:
            other = self.providers.get(fallback)
            found = _first_match(other.models, name) if other is not None else None
            if found is not None:
                return found
        return None

    def claimant(self, name: str) -> str | None:
        """Return the first provider that claims a bare lower-case name."""
        for provider, prices in self.providers.items():
            if prices.claims is not None and prices.claims.matches(name):
                return provider
        return None


_decoder: Final = msgspec.msgpack.Decoder(PriceTable)
encode_table: Final = msgspec.msgpack.Encoder().encode


def decode_table(data: bytes) -> PriceTable:
    """Return the table in bytes made by `encode_table`. Raises msgspec.DecodeError."""
    return _decoder.decode(data)


def _is_ordinary(entry: DatedPrices) -> bool:
    return entry.service_tier is None and not entry.batch


def _first_match(models: Sequence[ModelPrices], name: str) -> ModelPrices | None:
    for model in models:
        if model.pattern.matches(name):
            return model
    return None

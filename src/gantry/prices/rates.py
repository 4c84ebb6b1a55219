"""Finding the rate of a call: the operator's own, then our overrides, then our aliases, then the published data.

Law: a pure function of provider, model and moment. The memos over it are bounded, because models are names that callers
write; when one is full it is emptied, which costs a few matches and never memory. What was found is remembered for the
minute: no price begins or ends inside one.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from math import prod
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gantry.prices.overrides import Factors, Overrides, pattern_of
from gantry.prices.rate import Prices, Rate, scaled, searched_once, with_share
from gantry.prices.table import DatedPrices, ModelPrices, PriceTable

_MEMO_LIMIT: Final = 4096
_NAME_LIMIT: Final = 256
MINUTE_NS: Final = 60_000_000_000
_NO_FACTORS: Final = Factors()
_ONE: Final = Decimal(1)
_BATCH: Final = "batch"  # the tier that Anthropic names


class _Candidate(Struct, frozen=True):
    """A record that a name may mean, and since when."""

    record: ModelPrices
    source: str
    version: str
    since: int = 0


class DatedRate(Struct, frozen=True):
    """Prices as a source lists them, with when they hold: before what is charged relative to them."""

    model: str
    source: str
    version: str
    since: int | None  # ns since the epoch
    entry: DatedPrices


class Rates:
    """The rates of every model we know a price for."""

    __slots__ = (
        "_aliases",
        "_factors",
        "_found",
        "_homes",
        "_memo",
        "_names",
        "_operator",
        "_own",
        "_published",
        "_version",
        "providers",
    )

    def __init__(self, overrides: Overrides, published: PriceTable, operator: PriceTable | None = None) -> None:
        """`operator` has the rates of whoever runs this gateway, if there are any."""
        self._own = overrides.table()
        self._operator = operator
        self._published = published
        self._names: Mapping[str, str] = overrides.providers
        self._factors = overrides.factors
        self._version = f"{published.version}, aliases {overrides.version}"
        self._aliases: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for line in overrides.alias:
            for name in line.names:
                self._aliases.setdefault((line.provider, name), []).append((line.since_ns(), line.model))
        operated = () if operator is None else operator.providers
        self.providers = frozenset((*self._names, *self._own.providers, *published.providers, *operated))
        self._memo: dict[tuple[str, str], tuple[_Candidate, ...]] = {}
        self._homes: dict[str, str | None] = {}
        self._found: dict[tuple[str, str, int, str | None, bool, str | None], Rate] = {}

    def provider_of(self, model: str) -> str | None:
        """Return the provider that a bare model name means; None when no provider claims it."""
        if model not in self._homes:
            if len(model) > _NAME_LIMIT:
                return None
            if len(self._homes) >= _MEMO_LIMIT:
                self._homes.clear()
            self._homes[model] = self._published.claimant(model.lower())
        return self._homes[model]

    def find(
        self,
        provider_id: str,
        model: str,
        at: int,
        service_tier: str | None = None,
        *,
        batch: bool = False,
        host: str | None = None,
    ) -> Rate | None:
        """Return the rate in force at a moment (ns since the epoch); None when no price is known.

        `host` is where the call went, because regions differ; `batch` says that it was one of a batch, as a usage can
        say, too, where it names its tier.
        """
        if service_tier == _BATCH:
            service_tier, batch = None, True
        asked = (provider_id, model, at // MINUTE_NS, service_tier, batch, host)
        rate = self._found.get(asked)
        if rate is None:
            rate = self._find(provider_id, model, at, service_tier, host, batch=batch)
            if rate is not None and len(service_tier or "") <= _NAME_LIMIT:
                if len(self._found) >= _MEMO_LIMIT:
                    self._found.clear()
                self._found[asked] = rate
        return rate

    def _find(
        self, provider_id: str, model: str, at: int, service_tier: str | None, host: str | None, *, batch: bool
    ) -> Rate | None:
        key = (provider_id, model)
        candidates = self._memo.get(key)
        if candidates is None:
            candidates = self._remember(key)
        factors = self._factors_of(provider_id)
        for candidate in candidates:
            if candidate.since <= at:
                by_record = batch and factors.batch is None
                record = candidate.record
                prices = record.at_batch(at) if by_record else record.at(at, service_tier)
                if prices is not None:
                    prices = _adjusted(prices, factors, service_tier, host, batch=batch)
                    return Rate(prices, record.model, candidate.source, candidate.version)
        return None

    def find_first(
        self,
        provider_id: str,
        names: Iterable[str | None],
        at: int,
        service_tier: str | None = None,
        *,
        host: str | None = None,
    ) -> Rate | None:
        """As `find`, for the first of the names that has a rate."""
        for name in names:
            rate = self.find(provider_id, name, at, service_tier, host=host) if name else None
            if rate is not None:
                return rate
        return None

    def since(self, provider_id: str, model: str, at: int) -> int | None:
        """Return when the price began that is in force at a moment; None where no date is known."""
        for candidate in self._remember((provider_id, model)):
            if candidate.since <= at and candidate.record.at(at, None) is not None:
                return max(candidate.record.since(at) or 0, candidate.since) or None
        return None

    def dated(self, provider_id: str, model: str) -> Iterator[DatedRate]:
        """Yield all prices of a model, whenever they hold: of two that hold at once, the first source, its last one."""
        for candidate in self._remember((provider_id, model)):
            for entry in candidate.record.entries:
                since = max(entry.since or 0, candidate.since) or None
                yield DatedRate(candidate.record.model, candidate.source, candidate.version, since, entry)

    def service_tiers(self, provider_id: str, model: str) -> list[str]:
        """Return the service tiers that have a price of their own."""
        own = {dated.entry.service_tier for dated in self.dated(provider_id, model)} - {None}
        return sorted({*filter(None, own), *self._factors_of(provider_id).service_tiers})

    def hosts(self, provider_id: str) -> list[str]:
        """Return the hosts of a provider, its regions, that have prices of their own."""
        return sorted(self._factors_of(provider_id).hosts)

    def published(self, provider_id: str) -> Iterator[ModelPrices]:
        """Yield the published records of the models that a provider serves, each named after one that it matches."""
        own = self._published.providers.get(self._names.get(provider_id, provider_id))
        if own is None:
            return
        served = (own, *(self._published.providers.get(name) for name in own.fallbacks))
        for record in (record for prices in served if prices is not None for record in prices.models):
            if record.pattern.matches(record.model.lower()):
                yield record

    def _factors_of(self, provider_id: str) -> Factors:
        return self._factors.get(self._names.get(provider_id, provider_id), _NO_FACTORS)

    def _remember(self, key: tuple[str, str]) -> tuple[_Candidate, ...]:
        provider_id, model = key
        if len(model) > _NAME_LIMIT or len(provider_id) > _NAME_LIMIT:
            return ()
        provider = self._names.get(provider_id, provider_id)
        factors = self._factors_of(provider_id)
        candidates = tuple(
            replace(candidate, record=_completed(candidate.record, model.lower(), factors))
            for candidate in self._candidates(provider_id, provider, model.lower())
        )
        if len(self._memo) >= _MEMO_LIMIT:
            self._memo.clear()
        self._memo[key] = candidates
        return candidates

    def _candidates(self, provider_id: str, provider: str, name: str) -> list[_Candidate]:
        found = []
        if self._operator is not None:
            operated = self._operator.find(provider_id, name) or self._operator.find(provider, name)
            if operated is not None:
                found.append(_Candidate(operated, self._operator.source, self._operator.version))
        own = self._own.find(provider, name)
        if own is not None:
            found.append(_Candidate(own, self._own.source, self._own.version))
        for since, target in sorted(self._aliases.get((provider, name), ()), reverse=True):
            record = self._published.find(provider, target)
            if record is not None:
                found.append(_Candidate(record, self._published.source, self._version, since))
        published = self._published.find(provider, name)
        if published is not None:
            found.append(_Candidate(published, self._published.source, self._published.version))
        return found


def _adjusted(prices: Prices, factors: Factors, service_tier: str | None, host: str | None, *, batch: bool) -> Prices:
    """Return list prices times all factors that apply, rounded once."""
    found = (
        factors.batch if batch else None,
        factors.service_tiers.get(service_tier) if service_tier is not None else None,
        factors.hosts.get(host) if host is not None else None,
    )
    applying = [factor for factor in found if factor is not None]
    return scaled(prices, *prod(applying, start=_ONE).as_integer_ratio()) if applying else prices


def _completed(record: ModelPrices, name: str, factors: Factors) -> ModelPrices:
    """Return a record with the prices that follow from others where it has none of its own."""
    shares = [
        (unit, *factor.as_integer_ratio())
        for unit, factor in (("cached_input", factors.cached_input), ("cache_write_1h", factors.cache_write_1h))
        if factor is not None
    ]
    once = any(pattern_of(model).matches(name) for model in factors.searched_once)
    if not shares and not once:
        return record
    entries = []
    for entry in record.entries:
        prices = entry.prices
        for share in shares:
            prices = with_share(prices, *share)
        entries.append(replace(entry, prices=searched_once(prices) if once else prices))
    return replace(record, entries=tuple(entries))

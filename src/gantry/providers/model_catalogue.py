"""The catalogue of models: our facts and the published prices, as one list with a row for each model.

Law: pure, and made in full before anybody asks; no call waits for it. A name that callers may write leads to one row,
by the rule by which calls are routed: a known prefix names its provider, a bare name the provider that claims it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gantry.core.model_ref import parse_model_ref
from gantry.prices.rate import Rate
from gantry.prices.rates import Rates
from gantry.providers.model_facts import Capability, Modality, ModelFacts
from gantry.providers.spec import ProviderSpec

_NS_PER_SECOND: Final = 1_000_000_000
_NOTHING_KNOWN: Final = ModelFacts((), kind=None, input=(), output=())


class CatalogueModel(Struct, frozen=True):
    """One model of one provider. `facts.names` are the provider's names for it, the first being its own."""

    provider: ProviderSpec
    facts: ModelFacts
    bare: tuple[str, ...]  # those of the provider's names that lead to it without its prefix
    rate: Rate | None = None
    priced_since: int | None = None  # ns since the epoch; None where no date is known

    @property
    def name(self) -> str:
        """The name by which users ask for it: bare where that leads to its provider, else with the prefix."""
        own = self.facts.names[0]
        return own if own in self.bare else _prefixed(self.provider, own)

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every other name by which users may ask for it."""
        prefixed = (_prefixed(self.provider, own) for own in self.facts.names)
        return tuple(one for one in (*self.bare, *prefixed) if one != self.name)

    @property
    def sees(self) -> bool:
        return Modality.IMAGE in self.facts.input

    @property
    def uses_tools(self) -> bool:
        return Capability.TOOLS in self.facts.capabilities

    def is_deprecated(self, day: date) -> bool:
        return self.facts.deprecated or (self.facts.retires is not None and self.facts.retires <= day)


class Catalogue:
    """The models by name. `find` takes every spelling that a call takes."""

    __slots__ = ("_by_key", "_prefixes", "_specs", "models")

    def __init__(self, specs: Mapping[str, ProviderSpec], models: Sequence[CatalogueModel]) -> None:
        self.models = models
        self._specs = specs
        self._prefixes = {prefix: spec.id for spec in specs.values() for prefix in spec.prefixes}
        self._by_key: dict[tuple[str, str], CatalogueModel] = {}
        for model in models:
            for name in model.facts.names:
                self._by_key.setdefault((model.provider.id, name), model)

    def find(self, text: str) -> CatalogueModel | None:
        """Return the model that a name means; None when nothing is known of it."""
        ref = parse_model_ref(text, self._prefixes)
        if ref.prefix is not None:
            return self._by_key.get((self._prefixes[ref.prefix], ref.name))
        home = _home(self._specs, ref.name)
        return None if home is None else self._by_key.get((home.id, ref.name))

    def home_of(self, text: str) -> tuple[ProviderSpec, str] | None:
        """Return the provider that a name means, known model or not, and the provider's name for it."""
        ref = parse_model_ref(text, self._prefixes)
        if ref.prefix is not None:
            return self._specs[self._prefixes[ref.prefix]], ref.name
        spec = _home(self._specs, ref.name)
        return None if spec is None else (spec, ref.name)


def compile_catalogue(
    specs: Mapping[str, ProviderSpec], facts: Mapping[str, Sequence[ModelFacts]], rates: Rates | None, at: int
) -> Catalogue:
    """Return the catalogue at a moment (ns since the epoch): what has retired by then is left out."""
    day = datetime.fromtimestamp(at / _NS_PER_SECOND, UTC).date()
    elsewhere = {name: own for models in facts.values() for own in models for name in own.names}
    models = [
        CatalogueModel(
            spec, own, tuple(name for name in own.names if _home(specs, name) is spec), *_price(spec, own, rates, at)
        )
        for spec in specs.values()
        for own in (*facts.get(spec.id, ()), *_published(spec, facts.get(spec.id, ()), rates, elsewhere))
        if own.retires is None or own.retires > day
    ]
    models.sort(key=lambda model: (model.name, model.provider.id))
    return Catalogue(specs, models)


def _home(specs: Mapping[str, ProviderSpec], name: str) -> ProviderSpec | None:
    """Return the provider that a bare name means; where several claim it, the one that claims it most closely."""
    claiming = [spec for spec in specs.values() if spec.claims(name)]
    return max(claiming, key=lambda spec: spec.claim_strength(name)) if claiming else None


def _published(
    spec: ProviderSpec, own: Sequence[ModelFacts], rates: Rates | None, elsewhere: Mapping[str, ModelFacts]
) -> Iterator[ModelFacts]:
    """Yield what the published prices say of models that we have no facts of our own for at this provider.

    One that another provider makes can what it can there. Where a provider has models of its own and resells others,
    those others are its models only under the names that it claims.
    """
    named = {name for facts in own for name in facts.names}
    for record in rates.published(spec.id) if rates is not None else ():
        name = record.model
        if name in named or (spec.models and not spec.claims(name)):
            continue
        named.add(name)
        made = elsewhere.get(name) or elsewhere.get(name.rpartition("/")[2]) or _NOTHING_KNOWN
        yield replace(
            made,
            names=(name,),
            context_window=record.context_window or made.context_window,
            deprecated=record.deprecated,
            retires=None,
            replacement=None,
        )


def _price(spec: ProviderSpec, facts: ModelFacts, rates: Rates | None, at: int) -> tuple[Rate | None, int | None]:
    """Return the rate of a model and since when it holds."""
    if rates is None:
        return None, None
    for name in facts.names:
        rate = rates.find(spec.id, name, at)
        if rate is not None:
            return rate, rates.since(spec.id, name, at)
    return None, None


def _prefixed(spec: ProviderSpec, name: str) -> str:
    return f"{spec.prefixes[0] if spec.prefixes else spec.id}/{name}"

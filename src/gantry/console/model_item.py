"""A model as Respan's API shows it: of the catalogue, or an organization's own over what its base is.

What nobody knows is null: a price that is not known is not 0.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from gantry.console.usage_item import added, metrics_of
from gantry.core.custom_model import CustomModel
from gantry.core.money import usd_from_nano
from gantry.dialects.custom_card import iso_time, respan_members
from gantry.prices.rate import Prices
from gantry.providers.model_catalogue import Catalogue, CatalogueModel
from gantry.providers.model_facts import Capability, Modality, ModelKind
from gantry.providers.spec import ProviderSpec
from gantry.store.usage_sums import Sums

_NS_PER_SECOND: Final = 1_000_000_000
_AUDIO: Final = frozenset((ModelKind.TRANSCRIPTION, ModelKind.SPEECH, ModelKind.REALTIME))
_STREAMED: Final = frozenset((ModelKind.CHAT, ModelKind.TRANSCRIPTION, ModelKind.SPEECH, ModelKind.REALTIME))
_NO_PRICES: Final = Prices()


class ModelProvider(Struct, frozen=True):
    id: str
    provider_name: str
    provider_id: str
    moderation: str
    credential_fields: list[str]


class ModelModality(Struct, frozen=True):
    input: list[Modality]
    output: list[Modality]


class ModelCapability(Struct, frozen=True):
    """What nobody has said is null."""

    max_completion_tokens: int | None
    function_call: bool | None
    reasoning_support: bool | None
    modality: ModelModality
    features: list[Capability]


class ModelSpeed(Struct, frozen=True):
    """What the organization's calls of the last 30 days came to; times in seconds."""

    average_tps: float | None
    average_ttft: float | None
    average_latency: float | None
    number_of_requests: int


class PublicModelItem(Struct, frozen=True, kw_only=True):
    """A model of the catalogue. Costs are USD for a million tokens; null where nobody knows."""

    id: str
    model_name: str
    display_name: str
    model_description: str
    affiliation_category: str
    source: str
    aliases: list[str]
    model_type: str | None
    max_context_window: int | None
    input_cost: float | None
    output_cost: float | None
    prompt_cost: float | None
    completion_cost: float | None
    cache_hit_input_cost: float | None
    cache_creation_input_cost: float | None
    price_source: str | None
    price_version: str | None
    price_since: str | None
    streaming_support: int | None
    function_call: int | None
    image_support: int | None
    capability: ModelCapability | None
    is_deprecated: bool
    retires_at: str | None
    replacement_model: str | None
    supported_params: dict[str, Any]
    provider: ModelProvider | None


class ModelItem(PublicModelItem, frozen=True, kw_only=True):
    """A model as an organization has it: of the catalogue, or its own."""

    base_model_name: str | None
    custom_provider_id: str | None
    is_called_by_custom_name: bool
    supported_params_override: dict[str, Any]
    throughput: ModelSpeed | None
    managed_by: str | None
    created_at: str | None
    updated_at: str | None


def catalogue_item(model: CatalogueModel, now: int) -> dict[str, Any]:
    """Return the item of a model of the catalogue."""
    facts, rate = model.facts, model.rate
    day = datetime.fromtimestamp(now / _NS_PER_SECOND, UTC).date()
    prices = _NO_PRICES if rate is None else rate.prices
    item = _blank(model.name, model.provider)
    return {
        **item,
        "aliases": list(model.aliases),
        "model_type": _type_of(facts.kind),
        "max_context_window": facts.context_window,
        **_costs(prices),
        "price_source": None if rate is None else rate.source,
        "price_version": None if rate is None else rate.version,
        "price_since": None if model.priced_since is None else iso_time(model.priced_since),
        "streaming_support": None if facts.kind is None else int(facts.kind in _STREAMED),
        "function_call": None if facts.kind is None else int(model.uses_tools),
        "image_support": None if facts.kind is None else int(model.sees),
        "capability": {
            "max_completion_tokens": facts.max_output,
            "function_call": model.uses_tools if facts.kind is not None else None,
            "reasoning_support": Capability.REASONING in facts.capabilities if facts.kind is not None else None,
            "modality": {"input": list(facts.input), "output": list(facts.output)},
            "features": list(facts.capabilities),
        },
        "is_deprecated": model.is_deprecated(day),
        "retires_at": None if facts.retires is None else facts.retires.isoformat(),
        "replacement_model": facts.replacement,
    }


def custom_item(
    custom: CustomModel, catalogue: Catalogue, providers: Mapping[str, ProviderSpec], now: int
) -> dict[str, Any]:
    """Return the item of a custom model: what it says, over what its base is."""
    base = None if custom.base is None else catalogue.find(custom.base)
    home = None if custom.base is None else catalogue.home_of(custom.base)
    spec = providers.get(custom.provider_id or "") or (home[0] if home is not None else None)
    item = _blank(custom.name, spec) if base is None else catalogue_item(base, now)
    priced = {"price_source": "custom", "price_version": None, "price_since": iso_time(custom.updated_at)}
    return {
        **item,
        "id": custom.name,
        "model_name": custom.name,
        "aliases": [],
        **respan_members(custom),
        **(priced if custom.has_prices else {}),
        "managed_by": custom.managed_by,
        "provider": _provider_item(spec),
    }


def timed(item: Mapping[str, Any], speeds: Mapping[str, Sums]) -> dict[str, Any]:
    """Return an item with how fast the model was, by any of its names; null where nobody called it."""
    known = [speeds[name] for name in dict.fromkeys((item["model_name"], *item["aliases"])) if name in speeds]
    if not known:
        return dict(item)
    metrics = metrics_of(added(known), 0)
    return {**item, "throughput": {name: metrics[name] for name in ModelSpeed.__struct_fields__}}


def public_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item without what has a meaning to an organization only."""
    return {name: value for name, value in item.items() if name not in _OF_ORGANIZATIONS}


def _blank(name: str, spec: ProviderSpec | None) -> dict[str, Any]:
    return {
        "id": name,
        "model_name": name,
        "display_name": name,
        "model_description": "",
        "base_model_name": None,
        "custom_provider_id": None,
        "is_called_by_custom_name": False,
        "affiliation_category": "respan",
        "source": "hardcoded",
        "aliases": [],
        "model_type": None,
        "max_context_window": None,
        **_costs(_NO_PRICES),
        "price_source": None,
        "price_version": None,
        "price_since": None,
        "streaming_support": None,
        "function_call": None,
        "image_support": None,
        "capability": None,
        "is_deprecated": False,
        "retires_at": None,
        "replacement_model": None,
        "supported_params": {},
        "supported_params_override": {},
        "throughput": None,
        "managed_by": None,
        "provider": _provider_item(spec),
        "created_at": None,
        "updated_at": None,
    }


_OF_ORGANIZATIONS: Final = frozenset(
    (
        "base_model_name",
        "custom_provider_id",
        "is_called_by_custom_name",
        "supported_params_override",
        "throughput",
        "managed_by",
        "created_at",
        "updated_at",
    )
)


def _costs(prices: Prices) -> dict[str, float | None]:
    """Return prices in dollars per million tokens."""
    taken, made = _usd(prices.input), _usd(prices.output)
    return {
        "input_cost": taken,
        "output_cost": made,
        "prompt_cost": taken,
        "completion_cost": made,
        "cache_hit_input_cost": _usd(prices.cached_input),
        "cache_creation_input_cost": _usd(prices.cache_write),
    }


def _usd(price: int | None) -> float | None:
    return None if price is None else usd_from_nano(price)


def _type_of(kind: ModelKind | None) -> str | None:
    return "audio" if kind in _AUDIO else kind


def _provider_item(spec: ProviderSpec | None) -> dict[str, Any] | None:
    if spec is None:
        return None
    return {
        "id": spec.id,
        "provider_name": spec.name,
        "provider_id": spec.id,
        "moderation": "",
        "credential_fields": [field.name for field in spec.fields],
    }

"""A model as Respan's API shows it: of the catalogue, or an organization's own over what its base is.

What nobody knows is null: a price that is not known is not 0.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from gantry.core.custom_model import CustomModel
from gantry.core.money import usd_from_nano
from gantry.dialects.custom_card import iso_time, respan_members
from gantry.prices.rate import Prices
from gantry.providers.model_catalogue import Catalogue, CatalogueModel
from gantry.providers.model_facts import Capability, ModelKind
from gantry.providers.spec import ProviderSpec

_NS_PER_SECOND: Final = 1_000_000_000
_AUDIO: Final = frozenset((ModelKind.TRANSCRIPTION, ModelKind.SPEECH, ModelKind.REALTIME))
_STREAMED: Final = frozenset((ModelKind.CHAT, ModelKind.TRANSCRIPTION, ModelKind.SPEECH, ModelKind.REALTIME))
_NO_PRICES: Final = Prices()


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
        "provider_name": spec.name,
        "provider_id": spec.id,
        "moderation": "",
        "credential_fields": [field.name for field in spec.fields],
    }

"""The card of a custom model: its base's, where the provider listed that, with what the organization says over it.

Law: pure. A card names the custom model and not its base, so no SDK learns of a name that its user did not choose;
Respan's card says which the base is.
"""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gantry.core.custom_model import CustomModel
from gantry.core.money import usd_from_nano
from gantry.dialects.members import decode_members
from gantry.dialects.models import ModelCard, Owner, plain_card

_NS_PER_SECOND: Final = 1_000_000_000
_encode: Final = msgspec.json.Encoder().encode
_decode_flags: Final = msgspec.json.Decoder(dict[str, Any]).decode


def custom_card(custom: CustomModel, base: ModelCard | None, owner: Owner) -> ModelCard:
    """Return a custom model's card, ready to go under its name. `base` is the card of the model behind it."""
    under = plain_card(custom.name, owner) if base is None else base
    members = decode_members(b"{" + under.members)
    flags = {**_decode_flags(members["capabilities"]), **_flags(custom)}
    own: dict[str, Any] = {
        "name": custom.display_name or custom.name,
        "aliases": [],
        "capabilities": flags,
        "created": custom.created_at // _NS_PER_SECOND,
    }
    if custom.context_window is not None:
        own["max_context_length"] = custom.context_window
    respan = {**decode_members(b"{" + under.respan_members), **respan_members(custom)}
    return ModelCard(custom.name, (), under.fine_tuned, _encode({**members, **own})[1:], _encode(respan)[1:])


def respan_members(custom: CustomModel) -> dict[str, Any]:
    """Return what a custom model says of itself in Respan's words; what it leaves open is left out."""
    input_cost, output_cost = _usd(custom.input_price), _usd(custom.output_price)
    said: dict[str, Any] = {
        "input_cost": input_cost,
        "output_cost": output_cost,
        "prompt_cost": input_cost,
        "completion_cost": output_cost,
        "cache_hit_input_cost": _usd(custom.cached_input_price),
        "cache_creation_input_cost": _usd(custom.cache_write_price),
        "max_context_window": custom.context_window,
        "streaming_support": _bit(custom.streaming),
        "function_call": _bit(custom.tools),
        "image_support": _bit(custom.vision),
    }
    return {
        "display_name": custom.display_name or custom.name,
        **{name: value for name, value in said.items() if value is not None},
        "base_model_name": custom.base,
        "custom_provider_id": custom.provider_id,
        "is_called_by_custom_name": custom.called_by_name,
        "affiliation_category": "custom",
        "source": "db",
        "supported_params_override": custom.parameters,
        "created_at": iso_time(custom.created_at),
        "updated_at": iso_time(custom.updated_at),
    }


def iso_time(ns: int) -> str:
    return datetime.fromtimestamp(ns / _NS_PER_SECOND, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _flags(custom: CustomModel) -> dict[str, bool]:
    said = {"function_calling": custom.tools, "vision": custom.vision}
    return {name: flag for name, flag in said.items() if flag is not None}


def _usd(price: int | None) -> float | None:
    return None if price is None else usd_from_nano(price)


def _bit(flag: bool | None) -> int | None:
    return None if flag is None else int(flag)

"""What a request, a command or gantry.toml says of a custom model, as the model that is to be stored. Pure.

Law: what could not be routed is refused when it is written, with the words that Respan uses where it has some.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gantry.core.custom_model import CustomModel
from gantry.core.errors import InvalidRequest
from gantry.core.model_ref import parse_model_ref
from gantry.core.money import nano_from_usd
from gantry.providers.model_catalogue import Catalogue
from gantry.providers.spec import ProviderSpec

BASE_NOT_FOUND: Final = "Base model not found"
_RESERVED: Final = frozenset(("public", "list", "summary"))  # paths of their own
_NO_SEGMENTS: Final = frozenset(("", ".", ".."))
_LONGEST_NAME: Final = 256
_LARGEST_WINDOW: Final = 2**31
_DEAREST: Final = Decimal(1_000_000)  # USD for a million tokens

Cost = float | int | str | None
Flag = bool | int | None


class BaseNotFound(InvalidRequest):
    """The model that a custom one is to be made after leads nowhere."""


class ModelForm(Struct, frozen=True):
    """A request's body; what is left out stays, and null clears. Other members are no business of ours."""

    model_name: str | UnsetType = UNSET
    base_model_name: str | UnsetType | None = UNSET
    display_name: str | UnsetType | None = UNSET
    custom_provider_id: str | UnsetType | None = UNSET
    provider_id: str | UnsetType | None = UNSET
    is_called_by_custom_name: bool | UnsetType | None = UNSET
    input_cost: Cost | UnsetType = UNSET
    output_cost: Cost | UnsetType = UNSET
    cache_hit_input_cost: Cost | UnsetType = UNSET
    cache_creation_input_cost: Cost | UnsetType = UNSET
    max_context_window: int | UnsetType | None = UNSET
    streaming_support: Flag | UnsetType = UNSET
    function_call: Flag | UnsetType = UNSET
    image_support: Flag | UnsetType = UNSET
    supported_params_override: dict[str, Any] | UnsetType | None = UNSET


_PRICES: Final[Mapping[str, str]] = {
    "input_cost": "input_price",
    "output_cost": "output_price",
    "cache_hit_input_cost": "cached_input_price",
    "cache_creation_input_cost": "cache_write_price",
}
_FLAGS: Final[Mapping[str, str]] = {
    "streaming_support": "streaming",
    "function_call": "tools",
    "image_support": "vision",
}


class World(Struct, frozen=True):
    """What a custom model may lead to: the catalogue, providers by id and prefix, and what credentials list."""

    catalogue: Catalogue
    providers: Mapping[str, ProviderSpec]
    listed: frozenset[str] = frozenset()  # names, or patterns of them

    def provider(self, name: str) -> ProviderSpec | None:
        by_prefix = {prefix: spec for spec in self.providers.values() for prefix in spec.prefixes}
        return self.providers.get(name) or by_prefix.get(name)

    def leads_somewhere(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.listed) or self.catalogue.home_of(name) is not None


def read_form(body: bytes) -> ModelForm:
    """Return what a body says. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(body, type=ModelForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe a model: {error}.") from None


def check_name(name: str | UnsetType, world: World) -> str:
    """Return the name of a custom model. Raises InvalidRequest for one that no call could lead by."""
    if name is UNSET or not name.strip():
        raise InvalidRequest("model_name is missing.", param="model_name")
    assert isinstance(name, str)
    if len(name) > _LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise InvalidRequest(
            f"model_name must be one line of at most {_LONGEST_NAME} characters, with no space at its ends.",
            param="model_name",
        )
    if "\\" in name or any(segment.partition(";")[0] in _NO_SEGMENTS for segment in name.split("/")):
        raise InvalidRequest(
            "model_name stands in the paths of this API: no backslash, no slash at its ends or beside another, and no "
            "dots alone between two.",
            param="model_name",
        )
    prefixes = {prefix for spec in world.providers.values() for prefix in spec.prefixes}
    prefix = parse_model_ref(name, prefixes).prefix
    if prefix is not None:
        raise InvalidRequest(
            f"A model called {name} is already one of the provider {prefix}: choose a name that does not begin with "
            f"{prefix}/.",
            param="model_name",
        )
    if name in _RESERVED:
        raise InvalidRequest(f"{name} cannot be the name of a model; it is a path of this API.", param="model_name")
    return name


def changed(model: CustomModel, form: ModelForm, world: World) -> CustomModel:
    """Return a custom model with what a form says. Raises InvalidRequest, BaseNotFound."""
    model = replace(model, **_plain_changes(form))
    spec = None
    if model.provider_id is not None:
        spec = world.provider(model.provider_id)
        if spec is None:
            known = ", ".join(sorted(world.providers))
            raise InvalidRequest(f"Provider not found: {model.provider_id}. Known are {known}.", param="provider_id")
        model = replace(model, provider_id=spec.id)
    if model.base is None and spec is None:
        model = replace(model, base=model.name)  # a name that is a model already, with prices of its own
    if model.base is not None and not world.leads_somewhere(model.base):
        raise BaseNotFound(
            f"{BASE_NOT_FOUND}: {model.base}. Write it with its provider, as in mistral/mistral-large-latest, or name "
            "the provider that knows the model by this name.",
            param="base_model_name",
        )
    model = _addressed(model, form, world)
    _check_prices(model, world)
    return model


def _plain_changes(form: ModelForm) -> dict[str, Any]:
    found: dict[str, Any] = {}
    _take(found, "base", form.base_model_name, partial(_text, "base_model_name"))
    _take(found, "display_name", form.display_name, lambda text: _text("display_name", text) or "")
    for given in (form.provider_id, form.custom_provider_id):
        _take(found, "provider_id", given, partial(_text, "provider_id"))
    for name, field in _PRICES.items():
        _take(found, field, getattr(form, name), partial(_price, name))
    for name, field in _FLAGS.items():
        _take(found, field, getattr(form, name), lambda flag: None if flag is None else bool(flag))
    _take(found, "context_window", form.max_context_window, _window)
    _take(found, "parameters", form.supported_params_override, lambda override: override or {})
    return found


def _addressed(model: CustomModel, form: ModelForm, world: World) -> CustomModel:
    """Return a model that says which of its names its provider is asked for, and who that is where it must be known."""
    by_name = form.is_called_by_custom_name
    if by_name is UNSET or by_name is None:
        said_now = form.custom_provider_id is not UNSET or form.provider_id is not UNSET
        by_name = model.provider_id is not None if said_now else model.called_by_name
    if by_name and model.provider_id is None:
        assert model.base is not None
        home = world.catalogue.home_of(model.base)
        if home is None:
            raise InvalidRequest("Name the provider that is to be asked for the name.", param="provider_id")
        model = replace(model, provider_id=home[0].id)
    return replace(model, called_by_name=by_name or model.base is None)


def _check_prices(model: CustomModel, world: World) -> None:
    """Refuse half a price: what is used and has none would be counted as free."""
    base = None if model.base is None else world.catalogue.find(model.base)
    if base is not None and base.rate is not None:
        return
    if model.has_prices and (model.input_price is None or model.output_price is None):
        missing = "input_cost" if model.input_price is None else "output_cost"
        raise InvalidRequest(f"{missing} is missing: no price of the base is known (0 is free).", param=missing)


def _take(found: dict[str, Any], field: str, given: Any, read: Callable[[Any], Any]) -> None:
    if given is not UNSET:
        found[field] = read(given)


def _text(name: str, given: str | None) -> str | None:
    text = (given or "").strip()
    if not text.isprintable():
        raise InvalidRequest(f"{name} must be one line of text.", param=name)
    return text or None


def _price(name: str, given: Cost) -> int | None:
    if given is None or given == "":
        return None
    try:
        usd = Decimal(str(given))
        if not 0 <= usd <= _DEAREST:
            raise ValueError
        return nano_from_usd(usd)
    except (InvalidOperation, ValueError):
        raise InvalidRequest(f"{name} must be USD for a million tokens, from 0 up.", param=name) from None


def _window(given: int | None) -> int | None:
    if given is not None and not 0 < given < _LARGEST_WINDOW:
        raise InvalidRequest("max_context_window must be a number of tokens.", param="max_context_window")
    return given

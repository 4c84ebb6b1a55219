"""What a request says of a custom provider, as the provider that is to be stored. Pure.

Law: what could not be called, or would be passed over in silence, is refused when it is written. No answer shows a key.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import InvalidRequest
from gantry.core.secret import Secret
from gantry.dialects.custom_card import iso_time
from gantry.providers.custom_parameters import ParameterRefused, check_parameters, explain_not_yet
from gantry.providers.provider_choice import ChoiceError, check_base_url, spec_of

_BASE_URL: Final = "base_url"
_LONGEST_NAME: Final = 256


class ProviderForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body; what is left out stays, and null clears."""

    provider_id: str | UnsetType = UNSET
    provider_name: str | UnsetType | None = UNSET
    api_key: Secret | UnsetType | None = UNSET
    extra_kwargs: dict[str, Any] | UnsetType | None = UNSET
    # Of our answers, so that one can be changed and sent back.
    id: Any = UNSET
    created_at: Any = UNSET
    updated_at: Any = UNSET
    managed_by: Any = UNSET
    warnings: Any = UNSET


class ProviderItem(Struct, frozen=True, kw_only=True):
    """A custom provider as the API shows it; `base_url` among its `extra_kwargs` is what an SDK would be given."""

    id: str
    provider_id: str
    provider_name: str
    extra_kwargs: dict[str, Any]
    created_at: str
    updated_at: str
    managed_by: str | None
    warnings: list[str] | UnsetType = UNSET

    @property
    def base_url(self) -> str:
        return str(self.extra_kwargs[_BASE_URL])


def read_form(body: bytes) -> ProviderForm:
    """Return what a body says. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(body, type=ProviderForm, dec_hook=_decode_secret)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe a provider: {error}.") from None


def changed(provider: CustomProvider, form: ProviderForm) -> CustomProvider:
    """Return a custom provider with what a form says. Raises InvalidRequest."""
    if form.provider_id is not UNSET and form.provider_id != provider.id:
        raise InvalidRequest(
            f"A provider keeps its provider_id, {provider.id}: callers write it before their models.",
            param="provider_id",
        )
    if form.provider_name is not UNSET:
        provider = replace(provider, name=_read_name(form.provider_name))
    if form.extra_kwargs is not UNSET:
        provider = _with_kwargs(provider, form.extra_kwargs or {})
    if not provider.name:
        raise InvalidRequest("provider_name is missing.", param="provider_name")
    if not provider.base_url:
        raise InvalidRequest(
            'The address is missing: give it as {"extra_kwargs": {"base_url": "https://…/v1"}}.',
            param="extra_kwargs.base_url",
        )
    return provider


def provider_item(provider: CustomProvider) -> ProviderItem:
    """Return a custom provider as the API shows it."""
    return ProviderItem(
        id=provider.id,
        provider_id=provider.id,
        provider_name=provider.name,
        extra_kwargs={_BASE_URL: provider.base_url + spec_of(provider).root, **provider.parameters},
        created_at=iso_time(provider.created_at),
        updated_at=iso_time(provider.updated_at),
        managed_by=None if provider.managed_by is None else str(provider.managed_by),
        warnings=[f"extra_kwargs.{words}." for words in explain_not_yet(provider.parameters)] or UNSET,
    )


def _decode_secret(expected: type, value: Any) -> Any:
    if expected is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError("Expected `str`")


def _read_name(given: str | None) -> str:
    name = (given or "").strip()
    if len(name) > _LONGEST_NAME or not name.isprintable():
        raise InvalidRequest(
            f"provider_name must be one line of at most {_LONGEST_NAME} characters.", param="provider_name"
        )
    return name


def _with_kwargs(provider: CustomProvider, given: dict[str, Any]) -> CustomProvider:
    if "api_key" in given:
        raise InvalidRequest("The key is given as api_key, beside extra_kwargs.", param="extra_kwargs.api_key")
    merged = {name: value for name, value in (provider.parameters | given).items() if value is not None}
    merged.pop(_BASE_URL, None)
    try:
        base_url = _read_base_url(given[_BASE_URL]) if _BASE_URL in given else provider.base_url
        return replace(provider, base_url=base_url, parameters=check_parameters(merged))
    except ChoiceError as error:
        raise InvalidRequest(f"extra_kwargs.base_url: {error}.", param="extra_kwargs.base_url") from None
    except ParameterRefused as error:
        raise InvalidRequest(f"extra_kwargs.{error}.", param=f"extra_kwargs.{error.name}") from None


def _read_base_url(given: Any) -> str:
    if given is None or given == "":
        return ""
    if not isinstance(given, str):
        raise ChoiceError("it must be text")
    return check_base_url(given)

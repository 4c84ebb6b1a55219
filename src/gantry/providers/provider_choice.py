"""Which provider is meant: one of the catalogue, one that a user named before, or a new one by its base URL."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from gantry.core.custom_provider import CustomProvider
from gantry.core.secret import Secret
from gantry.dial.origin import AddressRefused, check_address, parse_base_url
from gantry.providers.custom_parameters import chat_rules
from gantry.providers.spec import ProviderSpec, custom_spec, normalise_base_url, read_field

ADDRESS: Final = "api_base"  # what some providers' users call the base URL
_ID_FORM = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


class ChoiceError(ValueError):
    """The provider or its base URL cannot be used; the message says what to write instead."""


class ProviderChoice(Struct, frozen=True):
    """A provider and the host its credential is for; `is_new` when it must be added as a custom one."""

    spec: ProviderSpec
    base_url: str
    is_new: bool = False


def choose_provider(
    provider_id: str, base_url: str | None, catalog: Mapping[str, ProviderSpec], customs: Iterable[CustomProvider]
) -> ProviderChoice:
    """Return what a provider's name and an optional base URL mean. Raises ChoiceError."""
    prefixes = {prefix: spec for spec in catalog.values() for prefix in spec.prefixes}
    known = {**{provider.id: spec_of(provider) for provider in customs}, **prefixes, **catalog}
    spec = known.get(provider_id)
    if spec is not None:
        host = check_base_url(base_url, spec.root) if base_url is not None else spec.base_url
        if not host:
            raise ChoiceError(
                f"each {spec.name} server has its own address: give its --base-url (base_url in gantry.toml)"
            )
        return ProviderChoice(spec, host)
    if base_url is None:
        near = get_close_matches(provider_id, known, 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise ChoiceError(
            f"no provider {provider_id!r}. {hint}Known are {', '.join(sorted({s.id for s in known.values()}))}; "
            "any other OpenAI-compatible one needs its --base-url (base_url in gantry.toml)."
        )
    check_provider_id(provider_id, catalog)
    host = check_base_url(base_url)
    return ProviderChoice(custom_spec(provider_id, provider_id, host), host, is_new=True)


def check_provider_id(provider_id: str, catalog: Mapping[str, ProviderSpec]) -> None:
    """Check that a new custom provider may be called so. Raises ChoiceError."""
    for spec in catalog.values():
        if provider_id == spec.id or provider_id in spec.prefixes:
            raise ChoiceError(
                f"{provider_id} is a name of {spec.name}, which comes with Gantry: choose another one, or add a key "
                f"for that with `gantry providers add {spec.id}`"
            )
    if not _ID_FORM.fullmatch(provider_id):
        raise ChoiceError(
            f"a provider's name is lower-case letters, digits, '-', '_' and '.', not {provider_id!r}: "
            "callers write it before the slash of a model"
        )


def check_given(spec: ProviderSpec, given: Collection[str], api_key_env: bool) -> None:
    """Check that a declared credential is whole, and says once where its key is. Raises ChoiceError."""
    key = spec.auth.field
    if (key in given and api_key_env) or (spec.needs_secret and key not in given and not api_key_env):
        raise ChoiceError(f"{spec.id} needs either api_key or api_key_env")
    if not api_key_env:  # what stands beside a key in the environment may be there as well
        missing = spec.explain_missing(given)
        if missing:
            raise ChoiceError(f"{missing}: give it in fields")


def read_fields(spec: ProviderSpec, given: Mapping[str, str]) -> dict[str, Secret]:
    """Return the fields of a credential as they are kept. Raises ChoiceError naming the one that is wrong."""
    known = {item.name: item for item in spec.fields if not item.address}
    for name in given:
        if name not in known:
            raise ChoiceError(f"{spec.id} has no field {name!r}; it has {', '.join(known)}")
    try:
        return {name: Secret(read_field(known[name], text)) for name, text in given.items()}
    except ValueError as error:
        raise ChoiceError(str(error)) from None


def spec_of(provider: CustomProvider) -> ProviderSpec:
    return custom_spec(provider.id, provider.name, provider.base_url, chat_rules(provider.parameters))


def check_base_url(url: str, root: str = "/v1") -> str:
    """Return a base URL as it is kept, without the root of the operations' paths. Raises ChoiceError.

    What no connection would ever be made to is refused here already; where a name leads is seen when it is called.
    """
    text = url.strip()
    if any(mark in text for mark in "@?#"):  # first: the other words show the URL
        raise ChoiceError("a base URL holds no credentials, query or fragment; the key is given apart from it")
    try:
        origin = parse_base_url(text, private=True).origin
        if urlsplit(text).port == 0 or any(c.isspace() for c in text):
            raise ValueError
    except ValueError:
        raise ChoiceError(f"{url!r} is no base URL; it looks like https://api.mistral.ai") from None
    try:
        check_address(origin.host, private=True)
    except AddressRefused as error:
        raise ChoiceError(str(error)) from None
    except ValueError:
        pass  # a name
    return normalise_base_url(text, root)


def is_same_host(url: str, other: str) -> bool:
    """Say whether two base URLs lead to the same host by the same scheme and port."""
    return urlsplit(url)[:2] == urlsplit(other)[:2]

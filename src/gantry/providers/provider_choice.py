"""Which provider is meant: one of the catalogue, one that a user named before, or a new one by its base URL."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from gantry.core.custom_provider import CustomProvider
from gantry.core.secret import Secret
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
    if not _ID_FORM.fullmatch(provider_id):
        raise ChoiceError(
            f"a provider's name is lower-case letters, digits, '-', '_' and '.', not {provider_id!r}: "
            "callers write it before the slash of a model"
        )
    host = check_base_url(base_url)
    return ProviderChoice(custom_spec(provider_id, provider_id, host), host, is_new=True)


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
    return custom_spec(provider.id, provider.name, provider.base_url)


def check_base_url(url: str, root: str = "/v1") -> str:
    """Return a base URL as it is kept, without the root of the operations' paths. Raises ChoiceError."""
    try:
        parts = urlsplit(url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or not url.strip().isascii() or any(c.isspace() for c in url.strip()):
        raise ChoiceError(f"{url!r} is no base URL; it looks like https://api.mistral.ai")
    if parts.username is not None or parts.query or parts.fragment:
        raise ChoiceError("a base URL holds no credentials, query or fragment; give the key with --api-key")
    return normalise_base_url(url, root)

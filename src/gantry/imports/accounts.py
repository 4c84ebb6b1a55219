"""The accounts with providers that an imported configuration calls by, gathered into credentials.

Law: two deployments with one key at one address are one credential, which serves what both name. A key in a variable
stays there: its name is kept, never its value.
"""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from gantry.core.secret import Secret
from gantry.providers.provider_choice import ChoiceError, check_base_url, check_given, choose_provider, read_fields
from gantry.providers.spec import ProviderSpec
from gantry.settings import DeclaredProvider

# Whose format every other server speaks, so that configurations name them for a server of one's own.
SPOKEN_BY_SERVERS: Final = frozenset(("openai",))
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")
_ID_FORM: Final = re.compile(r"[^A-Za-z0-9_.:-]+")


class Account(Struct, frozen=True, kw_only=True):
    """Who is called, where, and by which key. `provider` is one of the catalogue or a name for a server."""

    provider: str
    base_url: str | None = None
    key: Secret | None = None
    variable: str | None = None
    fields: tuple[tuple[str, Secret], ...] = ()


class Accounts:
    """The credentials of a plan, by account, as deployments bring them."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._names: dict[Account, str] = {}
        self._models: dict[Account, list[str] | None] = {}
        self._weights: dict[Account, float] = {}

    def take(self, account: Account, model: str | None) -> str:
        """Return the name of an account's credential, which serves a model from then on, or all for None."""
        name = self._names.get(account)
        if name is None:
            beside = sum(one.provider == account.provider for one in self._names)
            name = self._names[account] = self._source if not beside else f"{self._source}-{beside + 1}"
            self._models[account] = []
        models = self._models[account]
        if model is None:
            self._models[account] = None
        elif models is not None and model not in models:
            models.append(model)
        return name

    def weigh(self, account: Account, weight: float) -> bool:
        """Give an account a weight, and say whether it is the only one it was given."""
        return self._weights.setdefault(account, weight) == weight

    def is_alone(self, provider: str) -> bool:
        return sum(one.provider == provider for one in self._names) < 2

    def declared(self) -> tuple[DeclaredProvider, ...]:
        return tuple(
            DeclaredProvider(
                provider=account.provider,
                name=name,
                api_key=account.key,
                api_key_env=account.variable,
                fields=dict(account.fields),
                base_url=account.base_url,
                weight=self._weights.get(account, 1.0),
                models=tuple(self._models[account] or ()),
            )
            for account, name in self._names.items()
        )


def lacking(account: Account, catalog: Mapping[str, ProviderSpec]) -> str | None:
    """Return why an account is no whole credential; None where it is one."""
    given = {name: secret.reveal() for name, secret in account.fields}
    try:
        choice = choose_provider(account.provider, account.base_url, catalog, ())
        if account.key is not None:
            given[choice.spec.auth.field] = account.key.reveal()
        secrets = read_fields(choice.spec, given)
        key = next((item for item in choice.spec.fields if item.name == choice.spec.auth.field), None)
        if key is not None and key.name != "api_key" and key.name not in given and account.variable is None:
            return f"{choice.spec.name} is called by its {key.label}, which is the field {key.name}"
        check_given(choice.spec, secrets, account.variable is not None)
    except ChoiceError as error:
        return str(error)
    return None


def provider_named(name: str, catalog: Mapping[str, ProviderSpec]) -> ProviderSpec | None:
    """Return the provider of the catalogue that has this id or prefix."""
    return catalog.get(name) or next((spec for spec in catalog.values() if name in spec.prefixes), None)


def provider_claiming(model: str, catalog: Mapping[str, ProviderSpec]) -> ProviderSpec | None:
    """Return the provider that a bare model can only be of."""
    claims = [spec for spec in catalog.values() if any(fnmatchcase(model, pattern) for pattern in spec.models)]
    return max(claims, key=lambda spec: spec.claim_strength(model), default=None)


def prefix_of(spec: ProviderSpec) -> str:
    """Return what stands before the slash of a provider's models."""
    return spec.prefixes[0] if spec.prefixes else spec.id


def owner_of(spec: ProviderSpec, address: str | None) -> ProviderSpec | str:
    """Return a provider, or the name of the server that is called in its format at another address."""
    if address is None or spec.id not in SPOKEN_BY_SERVERS or server_name(address) == server_name(spec.base_url):
        return spec
    return server_name(address)


def refusal_of(address: str | None) -> str | None:
    """Return why an address is none that is called; it is not shown where a secret may stand in it."""
    try:
        if address is not None:
            check_base_url(address)
    except ChoiceError as error:
        return str(error)
    return None


def server_name(base_url: str) -> str:
    """Return a name for a server of one's own: its host, and its port where it has one."""
    return (_NO_NAME.sub("-", urlsplit(base_url).netloc.lower()).strip("-") or "server")[:63]


def group_id(name: str) -> str:
    """Return a load balance group's id that is as near to a name as ids allow."""
    return _ID_FORM.sub("-", name).strip("-.:_")[:64] or "group"

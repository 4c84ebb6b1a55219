"""Objects declared outside the store: `[[providers]]` of gantry.toml, and provider keys in the environment.

Law: what is declared is applied again at each start, as one change, and only where it differs; what is no longer
declared goes. An object that cannot be used is reported and left out, and refuses nothing but itself. A secret in the
environment is a reference: its variable's name is stored, never its value.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from gantry.core.custom_provider import CustomProvider
from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.providers.provider_choice import (
    ADDRESS,
    ChoiceError,
    ProviderChoice,
    check_base_url,
    check_given,
    choose_provider,
    read_fields,
)
from gantry.providers.spec import ProviderSpec
from gantry.settings import DeclaredProvider
from gantry.store.control import ControlStore, default_organization
from gantry.store.credentials import (
    Credential,
    ManagedBy,
    NewCredential,
    add_credential,
    credentials_of,
    remove_credentials,
    sealed_secrets,
)
from gantry.store.providers import custom_providers_of, put_provider, remove_unused_providers
from gantry.store.vault import Vault

_Slot = tuple[str, str]  # provider, name: unique within an organization


class _Wanted:
    """What is declared, as it is read: credentials by slot, new custom providers, and what could not be used."""

    def __init__(self, organization_id: str, customs: Sequence[CustomProvider], by_hand: Iterable[Credential]) -> None:
        self.organization_id = organization_id
        self.credentials: dict[_Slot, NewCredential] = {}
        self.customs: list[CustomProvider] = []
        self.problems: list[str] = []
        self._known_customs = {custom.id: custom for custom in customs}
        self._taken = {_slot(credential) for credential in by_hand}
        self._sources = {credential.source for credential in by_hand}

    def add_file(self, entries: Iterable[DeclaredProvider], catalog: Mapping[str, ProviderSpec]) -> None:
        for number, entry in enumerate(entries):
            try:
                self._add(self._from_entry(entry, catalog))
            except ChoiceError as error:
                self.problems.append(f"gantry.toml: providers[{number}]: {error}")

    def add_environment(self, catalog: Mapping[str, ProviderSpec], environ: Mapping[str, str]) -> None:
        """Add what the environment offers, where nothing else uses that variable or that name."""
        for spec in catalog.values():
            for variable in spec.environment:
                if variable in self._sources or (spec.id, variable) in self._taken:
                    continue
                try:
                    offered = offer(spec, variable, environ)
                except ChoiceError as error:
                    self.problems.append(f"${variable} is not used: {error}")
                    continue
                if offered is not None:
                    self._add(offered)

    def _add(self, credential: NewCredential) -> None:
        if _slot(credential) in self._taken:
            raise ChoiceError(f"{'/'.join(_slot(credential))} exists already; give this one another name")
        self._taken.add(_slot(credential))
        self._sources.add(credential.source)
        self.credentials[_slot(credential)] = credential

    def _from_entry(self, entry: DeclaredProvider, catalog: Mapping[str, ProviderSpec]) -> NewCredential:
        choice, secrets = read_declared(entry, catalog, self._known_customs.values())
        known = self._known_customs.get(choice.spec.id)
        if choice.is_new or (known is not None and known.managed_by is not None):
            new = CustomProvider(
                organization_id=self.organization_id, id=choice.spec.id, name=choice.spec.name, base_url=choice.base_url
            )
            custom = replace(known or new, base_url=choice.base_url, managed_by=ManagedBy.FILE)
            if custom != known:
                self.customs.append(custom)
                self._known_customs[custom.id] = custom
        return credential_of(entry, choice, secrets, ManagedBy.FILE)


def apply_declared(
    store: ControlStore,
    vault: Vault,
    catalog: Mapping[str, ProviderSpec],
    declared: Iterable[DeclaredProvider],
    environ: Mapping[str, str],
) -> list[str]:
    """Make the managed credentials of the default organization what is declared; return what could not be used."""
    with store.reading() as connection:
        organization_id = default_organization(connection)
        present = credentials_of(connection, organization_id)
        sealed = sealed_secrets(connection)
        customs = custom_providers_of(connection, organization_id)
    wanted = _Wanted(organization_id, customs, [c for c in present if c.managed_by is None])
    wanted.add_file(declared, catalog)
    wanted.add_environment(catalog, environ)

    managed = {_slot(credential): credential for credential in present if credential.managed_by is not None}
    kept = {
        slot
        for slot, credential in managed.items()
        if slot in wanted.credentials and _is_same(credential, wanted.credentials[slot], sealed, vault)
    }
    gone = [credential for slot, credential in managed.items() if slot not in kept]
    missing = [(slot, credential) for slot, credential in wanted.credentials.items() if slot not in kept]
    if gone or missing or wanted.customs:
        with store.changing() as change:
            for custom in wanted.customs:
                put_provider(change, custom)
            remove_credentials(change, gone)
            for slot, credential in missing:
                add_credential(change, vault, organization_id, credential, replaces=managed.get(slot))
            remove_unused_providers(change)
    return wanted.problems


def read_declared(
    entry: DeclaredProvider, catalog: Mapping[str, ProviderSpec], customs: Iterable[CustomProvider]
) -> tuple[ProviderChoice, dict[str, Secret]]:
    """Return the provider and the fields that an entry of gantry.toml means. Raises ChoiceError."""
    given = {name: secret.reveal() for name, secret in entry.fields.items()}
    address = given.pop(ADDRESS, None)
    choice = choose_provider(entry.provider, entry.base_url or address, catalog, customs)
    if entry.platform and choice.spec.id not in catalog:
        raise ChoiceError(f"{choice.spec.id} is a provider of your own, which other organizations do not know")
    if entry.api_key is not None:
        given[choice.spec.auth.field] = entry.api_key.reveal()
    secrets = read_fields(choice.spec, given)
    check_given(choice.spec, secrets, entry.api_key_env is not None)
    return choice, secrets


def credential_of(
    entry: DeclaredProvider, choice: ProviderChoice, secrets: dict[str, Secret], managed_by: ManagedBy | None
) -> NewCredential:
    """Return the credential that an entry comes to, once it was read."""
    return NewCredential(
        provider_id=choice.spec.id,
        name=entry.name,
        base_url=choice.base_url,
        secrets=secrets,
        source=entry.api_key_env,
        weight=entry.weight,
        models=entry.models,
        excluded_models=entry.exclude_models,
        environment=entry.environment,
        managed_by=managed_by,
        platform=entry.platform,
    )


def offer(spec: ProviderSpec, variable: str, environ: Mapping[str, str]) -> NewCredential | None:
    """Return the credential that a variable offers, if it is set. Raises ChoiceError where more must be set with it."""
    if not environ.get(variable, "").strip():
        return None
    base_url = spec.base_url
    for item in spec.fields:
        text = next((environ[name].strip() for name in item.environment if environ.get(name, "").strip()), "")
        if item.address and text:
            base_url = check_base_url(text, spec.root)
        if not text and (not base_url if item.address else item.environment and item.required and not item.default):
            raise ChoiceError(f"{spec.name} also needs its {item.label}, in ${' or $'.join(item.environment)}")
    return NewCredential(
        provider_id=spec.id,
        name=variable,
        base_url=base_url,
        source=variable,
        managed_by=ManagedBy.ENVIRONMENT,
    )


def _slot(credential: Credential | NewCredential) -> _Slot:
    return credential.provider_id, credential.name


def _is_same(
    present: Credential, wanted: NewCredential, sealed: Mapping[str, Mapping[str, bytes]], vault: Vault
) -> bool:
    """Say whether a stored credential is what is declared, its secret included."""
    fields = ("base_url", "weight", "models", "excluded_models", "environment", "source", "managed_by", "platform")
    if any(getattr(present, field) != getattr(wanted, field) for field in fields):
        return False
    stored = sealed.get(present.id, {})
    try:
        return {field: vault.open(value, present.place(field)) for field, value in stored.items()} == wanted.secrets
    except SealBroken:
        return False

"""What a credential is made of, as it is shown: the fields that are no secrets, and of a secret its last characters.

Law: four characters tell people which of their keys it is, and nobody what it is; of a short one none are shown.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from gantry.console.credential_service import CredentialItem, credential_item
from gantry.core.sealing import SealBroken
from gantry.providers.provider_choice import spec_of
from gantry.providers.spec import CredentialField, ProviderSpec, load_catalog
from gantry.store import Connection
from gantry.store.credentials import Credential, sealed_secrets
from gantry.store.providers import custom_providers_of
from gantry.store.vault import Vault

_HIDDEN: Final = "••••"
_SHOWN: Final = 4
_LONG: Final = 20  # characters, of which four give nothing away


def shown_items(connection: Connection, vault: Vault, found: Iterable[Credential]) -> list[CredentialItem]:
    """Return credentials of one organization as the API shows them."""
    own = list(found)
    if not own:
        return []
    organization_id = own[0].organization_id
    sealed = sealed_secrets(connection, organization_id)
    specs = specs_of(connection, organization_id)
    return [credential_item(one, _fields(one, specs[one.provider_id], sealed.get(one.id, {}), vault)) for one in own]


def shown_item(connection: Connection, vault: Vault, credential: Credential) -> CredentialItem:
    return shown_items(connection, vault, [credential])[0]


def specs_of(connection: Connection, organization_id: str) -> dict[str, ProviderSpec]:
    """Return the providers that an organization can have credentials for, by id."""
    customs = custom_providers_of(connection, organization_id)
    return {**{custom.id: spec_of(custom) for custom in customs}, **load_catalog()}


def mask(item: CredentialField, text: str) -> str:
    """Return what is shown of a field's value."""
    if not item.secret:
        return text
    return _HIDDEN if item.json or len(text) < _LONG else _HIDDEN + text[-_SHOWN:]


def _fields(credential: Credential, spec: ProviderSpec, sealed: Mapping[str, bytes], vault: Vault) -> dict[str, str]:
    shown = {}
    for item in spec.fields:
        if credential.source is not None and item.name == spec.auth.field:
            shown[item.name] = f"${credential.source}"
        elif item.name in sealed:
            try:
                shown[item.name] = mask(item, vault.open(sealed[item.name], credential.place(item.name)).reveal())
            except SealBroken:
                shown[item.name] = "does not open"
    return shown

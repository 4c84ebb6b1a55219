"""A custom provider with the credential it is called by: put and removed as one change, for the API and the CLI.

Law: a key is sent to the host it was given for, and to no other: with another host it is given anew, or taken away.
What is declared elsewhere is changed there.
"""

from typing import Final

from msgspec import UNSET, UnsetType

from gantry.console.provider_form import ProviderForm, changed
from gantry.core.custom_provider import CustomProvider
from gantry.core.errors import Forbidden, InvalidRequest, NotFound
from gantry.core.secret import Secret
from gantry.providers.provider_choice import ChoiceError, check_provider_id, is_same_host, read_fields, spec_of
from gantry.providers.spec import load_catalog
from gantry.store import Connection
from gantry.store.control import Change
from gantry.store.credentials import (
    Credential,
    NewCredential,
    add_credential,
    change_credential,
    credentials_of,
    has_secret,
    remove_credentials,
)
from gantry.store.custom_models import custom_models_of
from gantry.store.providers import find_provider, put_provider, remove_unused_providers
from gantry.store.vault import Vault

_CREDENTIAL: Final = "default"  # what the one that comes with a provider is called
_KEY: Final = "api_key"
_WORDS: Final = frozenset(("catalogue",))  # that stand in the place of an id in a path


def new_provider(connection: Connection, organization_id: str, provider_id: str) -> CustomProvider:
    """Return a provider that nothing is said of yet. Raises InvalidRequest for a name that it cannot have."""
    try:
        check_provider_id(provider_id, load_catalog())
    except ChoiceError as error:
        raise InvalidRequest(f"provider_id: {error}.", param="provider_id") from None
    if provider_id in _WORDS:
        raise InvalidRequest(f"provider_id: {provider_id} means something else; choose another.", param="provider_id")
    for model in custom_models_of(connection, organization_id):
        if model.name.startswith(f"{provider_id}/"):
            raise InvalidRequest(
                f"The custom model {model.name} could not be called any more: {provider_id}/ would mean the provider. "
                "Choose another provider_id, or give the model another name.",
                param="provider_id",
            )
    return _blank(organization_id, provider_id)


def known_provider(connection: Connection, organization_id: str, provider_id: str) -> CustomProvider:
    """Return a custom provider of an organization. Raises NotFound."""
    known = find_provider(connection, organization_id, provider_id)
    if known is None:
        raise NotFound(f"Provider not found: {provider_id} is no custom provider of yours.")
    return known


def put_by_form(
    change: Change, vault: Vault, provider: CustomProvider, form: ProviderForm, *, anew: bool = False
) -> CustomProvider:
    """Store a provider with what a form says of it, over what is known, or `anew`. Return it as stored.

    Raises InvalidRequest, Forbidden.
    """
    _check_by_hand(provider.id, provider.managed_by)
    wanted = changed(_blank(provider.organization_id, provider.id) if anew else provider, form)
    _put_credential(change, vault, wanted, form.api_key, moved=wanted.base_url != provider.base_url)
    return put_provider(change, wanted)


def remove_by_id(change: Change, organization_id: str, provider_id: str) -> None:
    """Remove a provider and its credentials. Raises NotFound, Forbidden."""
    known = known_provider(change.connection, organization_id, provider_id)
    _check_by_hand(known.id, known.managed_by)
    own = _credentials_for(change.connection, known)
    for credential in own:
        _check_by_hand(f"{provider_id}/{credential.name}", credential.managed_by)
    remove_credentials(change, own)
    remove_unused_providers(change)


def _put_credential(
    change: Change, vault: Vault, provider: CustomProvider, given: Secret | UnsetType | None, *, moved: bool
) -> None:
    secrets = None if given is UNSET else _read_key(provider, given)
    own = _credentials_for(change.connection, provider)
    if not own:
        new = NewCredential(
            provider_id=provider.id, name=_CREDENTIAL, base_url=provider.base_url, secrets=secrets or {}
        )
        add_credential(change, vault, provider.organization_id, new)
        return
    if secrets is None and not moved:
        return
    if len(own) > 1:
        names = ", ".join(credential.name for credential in own)
        raise InvalidRequest(
            f"{provider.id} has several credentials ({names}), each with a key and an address of its own. Change them "
            "with `gantry providers`.",
            param=_KEY,
        )
    (credential,) = own
    _check_by_hand(f"{provider.id}/{credential.name}", credential.managed_by)
    base_url = provider.base_url if moved else credential.base_url
    stays = secrets is None and has_secret(change.connection, credential)
    if stays and not is_same_host(base_url, credential.base_url):
        raise InvalidRequest(
            "A stored key is only sent to the host it was given for: give api_key for this one, or null for none.",
            param=_KEY,
        )
    change_credential(change, vault, credential, base_url, secrets)


def _read_key(provider: CustomProvider, given: Secret | None) -> dict[str, Secret]:
    if given is None or not given.reveal().strip():
        return {}
    try:
        return read_fields(spec_of(provider), {_KEY: given.reveal()})
    except ChoiceError as error:
        raise InvalidRequest(f"{error}.", param=_KEY) from None


def _credentials_for(connection: Connection, provider: CustomProvider) -> list[Credential]:
    found = credentials_of(connection, provider.organization_id)
    return [credential for credential in found if credential.provider_id == provider.id]


def _blank(organization_id: str, provider_id: str) -> CustomProvider:
    return CustomProvider(organization_id=organization_id, id=provider_id, name="", base_url="")


def _check_by_hand(name: str, managed_by: str | None) -> None:
    if managed_by is not None:
        raise Forbidden(f"{name} is declared in {managed_by}; change it there.")

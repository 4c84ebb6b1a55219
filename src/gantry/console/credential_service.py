"""What a stored credential serves, as requests and commands say it, and as it is shown. No secret is shown or taken.

Law: what is declared elsewhere is changed there.
"""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from gantry.core.errors import Forbidden, InvalidRequest
from gantry.core.vocabulary import Environment
from gantry.dialects.custom_card import iso_time
from gantry.store.control import Change
from gantry.store.credentials import HEAVIEST, Credential, ManagedBy, change_service

Models = Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=256)], ...], Meta(max_length=1000)]


class ServiceForm(Struct, frozen=True, forbid_unknown_fields=True):
    """A request's body: what a credential serves. What is left out stays, and null clears."""

    weight: Annotated[float, Meta(ge=0, le=HEAVIEST)] | UnsetType | None = UNSET
    available_models: Models | UnsetType | None = UNSET
    exclude_models: Models | UnsetType | None = UNSET
    environment: Environment | UnsetType | None = UNSET


class CredentialItem(Struct, frozen=True, kw_only=True):
    """A credential as the API shows it; what it serves in Respan's words. `source` is the variable of its key.

    `fields` is what it is made of: those that are no secrets as they are, and of a secret its last characters.
    """

    id: str
    provider_id: str
    name: str
    base_url: str
    weight: float
    available_models: tuple[str, ...]
    exclude_models: tuple[str, ...]
    environment: Environment | None
    source: str | None
    home: bool
    platform: bool
    managed_by: ManagedBy | None
    created_at: str
    fields: dict[str, str]


def read_form(body: bytes) -> ServiceForm:
    try:
        return msgspec.json.decode(body, type=ServiceForm)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not say what a credential serves: {error}.") from None


def serve_by_form(change: Change, credential: Credential, form: ServiceForm) -> Credential:
    """Store what a form says that a credential serves, and return it so. Raises Forbidden."""
    if credential.declared_by is not None:
        raise Forbidden(
            f"{credential.provider_id}/{credential.name} is declared by {credential.declared_by}; change it there."
        )
    fields = {
        "weight": (form.weight, 1.0),
        "models": (form.available_models, ()),
        "excluded_models": (form.exclude_models, ()),
        "environment": (form.environment, None),
    }
    said = {
        name: default if given is None else given for name, (given, default) in fields.items() if given is not UNSET
    }
    changed = replace(credential, **said)
    change_service(change, changed)
    return changed


def credential_item(credential: Credential, fields: dict[str, str]) -> CredentialItem:
    return CredentialItem(
        id=credential.id,
        provider_id=credential.provider_id,
        name=credential.name,
        base_url=credential.base_url,
        weight=credential.weight,
        available_models=credential.models,
        exclude_models=credential.excluded_models,
        environment=credential.environment,
        source=credential.source,
        home=credential.home,
        platform=credential.platform,
        managed_by=credential.managed_by,
        created_at=iso_time(credential.created_at),
        fields=fields,
    )

"""What a request says of a new credential, or of the secrets of a known one; and what became of trying it."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from gantry.console.credential_service import Models
from gantry.core.errors import InvalidRequest
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.providers.provider_choice import ADDRESS, ChoiceError, read_fields
from gantry.providers.spec import ProviderSpec
from gantry.store.credentials import HEAVIEST

_USUAL_NAME: Final = "default"


class SecretsForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a credential is made of, whole: a secret is sent to the host it was given for, and to no other."""

    fields: dict[str, str] = {}
    base_url: str | None = None


class CredentialForm(SecretsForm, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new credential. A provider that is not in the catalogue is named by its base URL."""

    provider_id: Annotated[str, Meta(min_length=1, max_length=64)]
    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^/\x00-\x1f]*$")] = _USUAL_NAME
    weight: Annotated[float, Meta(ge=0, le=HEAVIEST)] = 1.0
    available_models: Models = ()
    exclude_models: Models = ()
    environment: Environment | None = None


class CredentialVerdict(Struct, frozen=True):
    """Whether a credential works; null where that cannot be asked for free. `text` says what was answered."""

    ok: bool | None
    text: str


class RemovedCredential(Struct, frozen=True):
    """What names the removed credential in vain now."""

    warnings: tuple[str, ...]


def read_credential_form(body: bytes, shape: type[Any]) -> Any:
    """Return what a body says. Raises InvalidRequest; its words quote no secret."""
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body does not describe a credential: {error}.") from None


def address_of(form: SecretsForm) -> str | None:
    """Return the base URL, also where it is given under the name that some providers' users know."""
    return form.base_url or form.fields.get(ADDRESS) or None


def secrets_of(spec: ProviderSpec, form: SecretsForm) -> dict[str, Secret]:
    """Return the fields of a form as they are kept; an empty one is one that is not given. Raises InvalidRequest."""
    given = {name: text for name, text in form.fields.items() if name != ADDRESS and text.strip()}
    try:
        secrets = read_fields(spec, given)
    except ChoiceError as error:
        raise InvalidRequest(f"{error}.", param="fields") from None
    missing = spec.explain_missing(secrets)
    if missing:
        raise InvalidRequest(f"{missing}.", param="fields")
    return secrets

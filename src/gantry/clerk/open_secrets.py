"""The secrets of a credential, opened: from the vault, or from the environment variable that it names."""

from collections.abc import Mapping

from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.providers.spec import ProviderSpec
from gantry.store.credentials import Credential
from gantry.store.vault import Vault


class CredentialUnusable(ValueError):
    """No call can be made with the credential; the message says why."""


def open_secrets(
    credential: Credential, spec: ProviderSpec, sealed: Mapping[str, bytes], vault: Vault, environ: Mapping[str, str]
) -> dict[str, Secret]:
    """Return a credential's secrets by field; an empty one where a field that is not required has none.

    Raises CredentialUnusable.
    """
    if credential.source is None:
        try:
            found = {field: vault.open(value, credential.place(field)) for field, value in sealed.items()}
        except SealBroken as error:
            raise CredentialUnusable(f"its secret does not open: {error}") from error
    else:
        found = {spec.auth.field: Secret(environ.get(credential.source, "").strip())}
    for field in spec.fields:
        text = found.setdefault(field.name, Secret("")).reveal()
        if not text and (field.required or credential.source is not None):
            why = f"${credential.source} is not set" if credential.source else f"it has no {field.label}"
            raise CredentialUnusable(why)
        if not (text.isascii() and text.isprintable()):
            raise CredentialUnusable(f"its {field.label} holds characters that no HTTP header carries")
    return found

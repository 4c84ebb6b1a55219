"""The secrets of a credential, opened: from the vault, or from the environment variable that it names."""

from collections.abc import Mapping

from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.providers.spec import ProviderSpec, read_field
from gantry.store.credentials import Credential
from gantry.store.vault import Vault


class CredentialUnusable(ValueError):
    """No call can be made with the credential; the message says why."""


def open_secrets(
    credential: Credential, spec: ProviderSpec, sealed: Mapping[str, bytes], vault: Vault, environ: Mapping[str, str]
) -> dict[str, Secret]:
    """Return a credential's secrets by field; an empty one where a field that is not required has none.

    What stands beside a secret from the environment, a region, is looked for there as well.
    Raises CredentialUnusable.
    """
    try:
        found = {field: vault.open(value, credential.place(field)) for field, value in sealed.items()}
    except SealBroken as error:
        raise CredentialUnusable(f"its secret does not open: {error}") from error
    if credential.source is not None:
        found[spec.auth.field] = Secret(environ.get(credential.source, "").strip())
    if credential.source is not None and not found[spec.auth.field].reveal():
        raise CredentialUnusable(f"${credential.source} is not set")
    for item in spec.fields:
        text = found.get(item.name, Secret("")).reveal()
        if not text and credential.source is not None:
            text = next((environ[name] for name in item.environment if environ.get(name, "").strip()), "")
        try:
            found[item.name] = Secret(read_field(item, text or item.default) if text or item.default else "")
        except ValueError as error:
            raise CredentialUnusable(f"its {item.label}: {error}") from None
    missing = spec.explain_missing({name for name, secret in found.items() if secret.reveal()})
    if missing:
        raise CredentialUnusable(missing)
    return found

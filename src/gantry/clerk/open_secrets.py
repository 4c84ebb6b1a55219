"""The secrets of a credential, opened: from the vault, or from the environment variable that it names."""

from collections.abc import Mapping

from gantry.core.sealing import SealBroken
from gantry.core.secret import Secret
from gantry.providers.credential_secrets import CredentialUnusable, complete_secrets
from gantry.providers.spec import ProviderSpec
from gantry.store.credentials import Credential
from gantry.store.vault import Vault


def open_secrets(
    credential: Credential, spec: ProviderSpec, sealed: Mapping[str, bytes], vault: Vault, environ: Mapping[str, str]
) -> dict[str, Secret]:
    """Return a credential's secrets by field, whole. Raises CredentialUnusable."""
    try:
        kept = {field: vault.open(value, credential.place(field)) for field, value in sealed.items()}
    except SealBroken as error:
        raise CredentialUnusable(f"its secret does not open: {error}") from error
    return complete_secrets(spec, kept, credential.source, environ)

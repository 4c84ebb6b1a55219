"""The secrets of a credential as a call needs them: every field that its provider has, read, defaulted, and whole.

Pure: what is kept comes opened, and the environment is given.
"""

from collections.abc import Mapping

from gantry.core.secret import Secret
from gantry.providers.spec import ProviderSpec, read_field


class CredentialUnusable(ValueError):
    """No call can be made with the credential; the message says why."""


def complete_secrets(
    spec: ProviderSpec, kept: Mapping[str, Secret], source: str | None, environ: Mapping[str, str]
) -> dict[str, Secret]:
    """Return a credential's secrets by field; an empty one where a field that is not required has none.

    `source` is the variable that holds its key. What stands beside such a key, a region, is looked for there as well.
    Raises CredentialUnusable.
    """
    found = dict(kept)
    if source is not None:
        found[spec.auth.field] = Secret(environ.get(source, "").strip())
    if source is not None and not found[spec.auth.field].reveal():
        raise CredentialUnusable(f"${source} is not set")
    for item in spec.fields:
        text = found.get(item.name, Secret("")).reveal()
        if not text and source is not None:
            text = next((environ[name] for name in item.environment if environ.get(name, "").strip()), "")
        try:
            found[item.name] = Secret(read_field(item, text or item.default) if text or item.default else "")
        except ValueError as error:
            raise CredentialUnusable(f"its {item.label}: {error}") from None
    missing = spec.explain_missing({name for name, secret in found.items() if secret.reveal()})
    if missing:
        raise CredentialUnusable(missing)
    return found

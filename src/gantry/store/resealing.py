"""Sealing anew, under the key that seals now, what the store keeps sealed under one before.

Law: all of it in one transaction, or nothing. What does not open ends it: with the key before it would be lost.
"""

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, Update, delete, text, update

from gantry.core.audit_entry import AuditAction
from gantry.core.sealing import SealBroken
from gantry.store.alert_channels import channels_of, sealed_targets
from gantry.store.control import Change, default_organization
from gantry.store.control_tables import alert_channels, credential_secrets, sessions
from gantry.store.credentials import credentials_of, sealed_secrets
from gantry.store.vault import Place, Vault

# A credential that is being added elsewhere at this moment may be sealed under the key before: it is waited for.
_NOBODY_ADDS: Final = text("LOCK TABLE credential_secrets, alert_channels IN SHARE ROW EXCLUSIVE MODE")


class SealedForNobody(ValueError):
    """A sealed value opens with no key of this home; the message says which, and what to do."""


def reseal(change: Change, vault: Vault, key_id: str) -> int:
    """Seal all secrets anew and end all sessions; return how many secrets. Raises SealedForNobody."""
    connection = change.connection
    if connection.dialect.name == "postgresql":
        connection.execute(_NOBODY_ADDS)
    count = 0
    for label, place, sealed, statement in list(_sealed_values(connection)):
        if vault.is_current(sealed):
            continue
        try:
            secret = vault.open(sealed, place)
        except SealBroken as error:
            raise SealedForNobody(f"{label} does not open: {error}. Remove it or set it again, then rotate.") from error
        connection.execute(statement.values(sealed=vault.seal(secret, place)))
        count += 1
    connection.execute(delete(sessions))
    change.note(default_organization(connection), AuditAction.MASTER_KEY_ROTATED, key_id, secrets=count)
    return count


def count_sealed_before(connection: Connection, vault: Vault) -> int:
    """Return how many secrets are not sealed by the key that seals now."""
    return sum(not vault.is_current(sealed) for _, _, sealed, _ in _sealed_values(connection))


def _sealed_values(connection: Connection) -> Iterator[tuple[str, Place, bytes, Update]]:
    """Yield each sealed value: what it is, its place, and the statement that puts another one there."""
    secrets = sealed_secrets(connection)
    for credential in credentials_of(connection):
        for field, sealed in secrets.get(credential.id, {}).items():
            row = credential_secrets.c.credential_id == credential.id, credential_secrets.c.field == field
            label = f"the {field} of the credential {credential.provider_id}/{credential.name}"
            yield label, credential.place(field), sealed, update(credential_secrets).where(*row)
    targets = sealed_targets(connection)
    for channel in channels_of(connection):
        if channel.id in targets:
            put = update(alert_channels).where(alert_channels.c.id == channel.id)
            yield f"the target of the channel {channel.name}", channel.place, targets[channel.id], put

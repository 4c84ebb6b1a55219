"""Credentials: secrets for providers, each kept for one host (law 8).

A secret is sealed in the vault, or stays in the environment variable that `source` names and is never stored.

Of an organization's credentials for a provider one at most is its home: files, agents and the like live with the
account behind it. The first to be added becomes it; from then on only a person moves it, because what the old account
has stays behind. A platform credential, which serves every organization, is nobody's home.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, Connection, and_, delete, insert, or_, select, update

from gantry.core.audit_entry import AuditAction
from gantry.core.secret import Secret
from gantry.core.vocabulary import Environment
from gantry.store.control import Change
from gantry.store.control_tables import credential_secrets, credentials
from gantry.store.vault import Place, Vault

HEAVIEST: Final = 1_000_000_000.0  # sums of such weights are still exact


class ManagedBy(StrEnum):
    """What declares an object and applies it again at each start; such an object is read-only elsewhere."""

    ENVIRONMENT = "environment"
    FILE = "gantry.toml"


class CredentialNotFound(LookupError):
    """No credential, or more than one, goes by that name; the message says which."""


class CredentialExists(ValueError):
    """The provider has a credential of that name already."""


class Credential(Struct, frozen=True, kw_only=True):
    """A credential without its secrets. `models` empty means every model; `environment` None serves both.

    `excluded_models` win over `models`. Both may be patterns with `*`.
    """

    id: str
    organization_id: str
    provider_id: str
    name: str
    base_url: str
    weight: float = 1.0
    models: tuple[str, ...] = ()
    environment: Environment | None = None
    source: str | None = None
    managed_by: ManagedBy | None = None
    created_at: int = 0
    home: bool = False
    excluded_models: tuple[str, ...] = ()
    platform: bool = False  # serves every organization, after its own, for credits

    @property
    def declared_by(self) -> str | None:
        """What declares it, in words; None where a person added it."""
        return f"${self.source} in the environment" if self.managed_by is ManagedBy.ENVIRONMENT else self.managed_by

    def place(self, field: str) -> Place:
        return Place(self.organization_id, self.provider_id, self.id, field)


class NewCredential(Struct, frozen=True, kw_only=True):
    """What to add: `secrets` by field, but for the one that `source` names; neither: there is none."""

    provider_id: str
    name: str
    base_url: str
    secrets: Mapping[str, Secret] = {}
    source: str | None = None
    weight: float = 1.0
    models: tuple[str, ...] = ()
    environment: Environment | None = None
    managed_by: ManagedBy | None = None
    excluded_models: tuple[str, ...] = ()
    platform: bool = False


def add_credential(
    change: Change, vault: Vault, organization_id: str, new: NewCredential, *, replaces: Credential | None = None
) -> Credential:
    """Store a credential. One that takes the place of another, just removed, keeps its id and whether it is home.

    Raises CredentialExists.
    """
    beside = select(credentials.c.name, credentials.c.platform).where(_beside(organization_id, new.provider_id))
    others = change.connection.execute(beside).all()
    is_first = all(other.platform for other in others)
    if any(other.name == new.name for other in others):
        raise CredentialExists(
            f"{new.provider_id} has a credential named {new.name!r} already; choose another name or remove it first"
        )
    credential = Credential(
        id=change.new_id() if replaces is None else replaces.id,
        organization_id=organization_id,
        provider_id=new.provider_id,
        name=new.name,
        base_url=new.base_url,
        weight=new.weight,
        models=new.models,
        environment=new.environment,
        source=new.source,
        managed_by=new.managed_by,
        created_at=change.now if replaces is None else replaces.created_at,
        home=not new.platform and (is_first if replaces is None or replaces.platform else replaces.home),
        excluded_models=new.excluded_models,
        platform=new.platform,
    )
    if credential.home:
        _leave_home(change, credential)
    change.connection.execute(insert(credentials).values(_values(credential)))
    _put_secrets(change, vault, credential, new.secrets)
    _note(change, AuditAction.CREDENTIAL_ADDED, credential)
    return credential


def change_credential(
    change: Change, vault: Vault, credential: Credential, base_url: str, secrets: Mapping[str, Secret] | None
) -> None:
    """Give a credential an address, and other secrets in the place of all it has; None: it keeps them.

    That a secret it keeps is still for the same host is for the caller to say.
    """
    where = credentials.c.id == credential.id
    change.connection.execute(update(credentials).where(where).values(base_url=base_url))
    if secrets is not None:
        change.connection.execute(update(credentials).where(where).values(source=None))
        _remove_secrets(change, credential)
        _put_secrets(change, vault, credential, secrets)
    changed = replace(credential, base_url=base_url)
    _note(change, AuditAction.CREDENTIAL_CHANGED, changed, secret="kept" if secrets is None else "replaced")


def change_service(change: Change, credential: Credential) -> None:
    """Store what a known credential is to serve from now on: its weight, models, excluded models and environment."""
    stored = _values(credential)
    values = {name: stored[name] for name in ("weight", "models", "excluded_models", "environment")}
    change.connection.execute(update(credentials).where(credentials.c.id == credential.id).values(values))
    _note(change, AuditAction.CREDENTIAL_CHANGED, credential)


def remove_credentials(change: Change, gone: Iterable[Credential]) -> None:
    for credential in gone:
        _remove_secrets(change, credential)
        change.connection.execute(delete(credentials).where(credentials.c.id == credential.id))
        _note(change, AuditAction.CREDENTIAL_REMOVED, credential)


def make_home(change: Change, credential: Credential) -> None:
    """Let what lives with an account live with this one's from now on; what another one's has stays there."""
    _leave_home(change, credential)
    change.connection.execute(update(credentials).where(credentials.c.id == credential.id).values(home=True))
    _note(change, AuditAction.CREDENTIAL_CHANGED, credential, home=True)


def _note(change: Change, action: AuditAction, credential: Credential, **more: Any) -> None:
    detail = {
        "id": credential.id,
        "base_url": credential.base_url,
        "weight": credential.weight,
        "models": credential.models,
        "excluded_models": credential.excluded_models,
        "environment": credential.environment,
        "platform": credential.platform,
    }
    subject = f"{credential.provider_id}/{credential.name}"
    change.note(credential.organization_id, action, subject, **{**detail, **more})


def credentials_of(connection: Connection, organization_id: str | None = None) -> list[Credential]:
    """Return the credentials of an organization, or of all, oldest first."""
    query = select(credentials).order_by(credentials.c.created_at, credentials.c.id)
    if organization_id is not None:
        query = query.where(credentials.c.organization_id == organization_id)
    return [_credential(row) for row in connection.execute(query)]


def find_credential(connection: Connection, organization_id: str, text: str) -> Credential:
    """Return the credential with this id, name, provider, or `provider/name`."""
    provider_id, slash, name = text.partition("/")
    table = credentials.c
    query = select(credentials).where(
        table.organization_id == organization_id,
        or_(table.id == text, table.name == text, table.provider_id == text)
        if not slash
        else (table.provider_id == provider_id) & (table.name == name),
    )
    # A path may hold a NUL, which PostgreSQL takes in no text.
    found = [] if "\0" in text else [_credential(row) for row in connection.execute(query)]
    if not found:
        raise CredentialNotFound(f"no credential has the id, name or provider {text!r}; see `gantry providers list`")
    if len(found) > 1:
        names = ", ".join(f"{credential.provider_id}/{credential.name}" for credential in found)
        raise CredentialNotFound(f"{text!r} means {len(found)} credentials; say which: {names}")
    return found[0]


def has_secret(connection: Connection, credential: Credential) -> bool:
    """Say whether a credential has a secret, in the vault or in the environment."""
    query = select(credential_secrets.c.field).where(credential_secrets.c.credential_id == credential.id)
    return credential.source is not None or connection.execute(query).first() is not None


def sealed_secrets(connection: Connection, organization_id: str | None = None) -> dict[str, dict[str, bytes]]:
    """Return the sealed secrets of an organization, or of all, by credential id and field."""
    query = select(credential_secrets)
    if organization_id is not None:
        query = query.where(credential_secrets.c.organization_id == organization_id)
    found: dict[str, dict[str, bytes]] = {}
    for row in connection.execute(query):
        found.setdefault(row.credential_id, {})[row.field] = row.sealed
    return found


def _put_secrets(change: Change, vault: Vault, credential: Credential, secrets: Mapping[str, Secret]) -> None:
    for field, secret in secrets.items():
        sealed = vault.seal(secret, credential.place(field))
        values = {"credential_id": credential.id, "organization_id": credential.organization_id}
        change.connection.execute(insert(credential_secrets).values(**values, field=field, sealed=sealed))


def _remove_secrets(change: Change, credential: Credential) -> None:
    change.connection.execute(delete(credential_secrets).where(credential_secrets.c.credential_id == credential.id))


def _beside(organization_id: str, provider_id: str) -> ColumnElement[bool]:
    """Return what is true of an organization's credentials for a provider."""
    return and_(credentials.c.organization_id == organization_id, credentials.c.provider_id == provider_id)


def _leave_home(change: Change, credential: Credential) -> None:
    where = _beside(credential.organization_id, credential.provider_id)
    change.connection.execute(update(credentials).where(where, credentials.c.home).values(home=False))


def _values(credential: Credential) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(credential)
    for name in ("models", "excluded_models"):
        values[name] = msgspec.json.encode(values[name]).decode()
    return values


def _credential(row: Any) -> Credential:
    return Credential(
        id=row.id,
        organization_id=row.organization_id,
        provider_id=row.provider_id,
        name=row.name,
        base_url=row.base_url,
        weight=row.weight,
        models=tuple(msgspec.json.decode(row.models)),
        environment=None if row.environment is None else Environment(row.environment),
        source=row.source,
        managed_by=None if row.managed_by is None else ManagedBy(row.managed_by),
        created_at=row.created_at,
        home=row.home,
        excluded_models=tuple(msgspec.json.decode(row.excluded_models)),
        platform=row.platform,
    )

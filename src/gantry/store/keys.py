"""API keys: made, listed, found, revoked, rotated. Only a key's digest is kept; the key itself is returned once."""

import secrets
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, insert, or_, select, update

from gantry.core.api_key import ENTROPY_BYTES, format_key, key_digest, public_prefix
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, ContentPolicy, Environment, Scope
from gantry.store.control import Change
from gantry.store.tables import api_keys


class KeyNotFound(LookupError):
    """No key, or more than one, goes by that name; the message says which."""


class KeyPolicy(Struct, frozen=True, kw_only=True):
    """What a key may do. `models` empty means every model; `expires_at` is ns since the epoch."""

    environment: Environment = Environment.PROD
    scopes: Scope = DEFAULT_SCOPES
    models: tuple[str, ...] = ()
    content_policy: ContentPolicy = ContentPolicy.FULL
    expires_at: int | None = None
    strict: bool = False  # a parameter that would be dropped refuses the call


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key as it may be shown."""

    id: str
    organization_id: str
    name: str
    prefix: str
    policy: KeyPolicy
    created_at: int
    revoked_at: int | None = None
    replaced_by: str | None = None

    def is_live(self, now: int) -> bool:
        expires_at = self.policy.expires_at
        return self.revoked_at is None and (expires_at is None or expires_at > now)


def add_key(change: Change, organization_id: str, name: str, policy: KeyPolicy, pepper: bytes) -> tuple[ApiKey, Secret]:
    """Make a key; return it as stored, and the secret that is not."""
    secret = format_key(secrets.token_bytes(ENTROPY_BYTES))
    key = ApiKey(
        id=change.new_id(),
        organization_id=organization_id,
        name=name,
        prefix=public_prefix(secret.reveal()),
        policy=policy,
        created_at=change.now,
    )
    change.connection.execute(
        insert(api_keys).values(
            id=key.id,
            organization_id=organization_id,
            name=name,
            prefix=key.prefix,
            digest=key_digest(secret.reveal(), pepper),
            environment=policy.environment.value,
            scopes=int(policy.scopes),
            models=msgspec.json.encode(policy.models).decode(),
            content_policy=policy.content_policy.value,
            created_at=key.created_at,
            expires_at=policy.expires_at,
            strict=policy.strict,
            changed_in=change.version,
        )
    )
    return key, secret


def keys_of(connection: Connection, organization_id: str) -> list[ApiKey]:
    """Return an organization's keys, oldest first."""
    query = select(api_keys).where(api_keys.c.organization_id == organization_id)
    return [_key(row) for row in connection.execute(query.order_by(api_keys.c.created_at, api_keys.c.id))]


def find_key(connection: Connection, organization_id: str, text: str) -> ApiKey:
    """Return the key with this id, prefix or name; a name shared with dead keys means the one not revoked."""
    prefix = public_prefix(text) if text.startswith("gk_") else text
    query = select(api_keys).where(
        api_keys.c.organization_id == organization_id,
        or_(api_keys.c.id == text, api_keys.c.prefix == prefix, api_keys.c.name == text),
    )
    found = [_key(row) for row in connection.execute(query.order_by(api_keys.c.created_at))]
    chosen = [key for key in found if key.revoked_at is None and key.replaced_by is None] or found
    if not chosen:
        raise KeyNotFound(f"no API key has the id, prefix or name {prefix!r}; see `gantry keys list`")
    if len(chosen) > 1:
        prefixes = ", ".join(key.prefix for key in chosen)
        raise KeyNotFound(f"{len(chosen)} API keys are named {text!r}; say which by its prefix: {prefixes}")
    return chosen[0]


def key_of_digest(connection: Connection, digest: bytes) -> ApiKey | None:
    """Return the key that a caller presented, by its digest, whether it is live or not."""
    row = connection.execute(select(api_keys).where(api_keys.c.digest == digest)).one_or_none()
    return None if row is None else _key(row)


def revoke_key(change: Change, key: ApiKey) -> None:
    """Make a key useless. The first revocation's time stays."""
    where = (api_keys.c.id == key.id) & api_keys.c.revoked_at.is_(None)
    values = {"revoked_at": change.now, "changed_in": change.version}
    change.connection.execute(update(api_keys).where(where).values(values))


def rotate_key(change: Change, key: ApiKey, pepper: bytes, grace: int) -> tuple[ApiKey, Secret]:
    """Make a new key with the old one's name and policy; the old one works for `grace` ns more."""
    new, secret = add_key(change, key.organization_id, key.name, key.policy, pepper)
    end = change.now + grace
    expires_at = end if key.policy.expires_at is None else min(end, key.policy.expires_at)
    values: dict[str, Any] = {"replaced_by": new.id, "changed_in": change.version, "expires_at": expires_at}
    if grace <= 0:
        values |= {"expires_at": key.policy.expires_at, "revoked_at": change.now}
    change.connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(values))
    return new, secret


def keys_changed_after(connection: Connection, version: int) -> Iterator[tuple[bytes, ApiKey]]:
    """Yield the digest of each key that changed after a configuration version, and the key; 0 for all keys."""
    query = select(api_keys).where(api_keys.c.changed_in > version)
    for row in connection.execution_options(yield_per=5000).execute(query):
        yield row.digest, _key(row)


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        organization_id=row.organization_id,
        name=row.name,
        prefix=row.prefix,
        policy=KeyPolicy(
            environment=Environment(row.environment),
            scopes=Scope(row.scopes),
            models=tuple(msgspec.json.decode(row.models)),
            content_policy=ContentPolicy(row.content_policy),
            expires_at=row.expires_at,
            strict=row.strict,
        ),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        replaced_by=row.replaced_by,
    )

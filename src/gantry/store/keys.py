"""API keys: made, listed, found, changed, revoked, rotated. Only a key's digest is kept; the key is returned once.

Law: nobody gains by making a key or by having one rotated. What calls of a key count on are its own limits, those of
the keys that it has replaced, and those of the key that made it and so on (`bound_by`). A key that is revoked takes
those it made with it, and what a key may not do any more, they may not either (`gantry.store.key_rights`). So it is
with the keys of a person.
"""

import secrets
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from gantry.core.api_key import ENTROPY_BYTES, format_key, key_digest, public_prefix
from gantry.core.audit_entry import AuditAction
from gantry.core.secret import Secret
from gantry.core.vocabulary import SCOPE_NAMES, ContentPolicy, Environment, Scope
from gantry.store.control import Change
from gantry.store.control_tables import api_keys
from gantry.store.key_rights import KeyPolicy as KeyPolicy
from gantry.store.key_rights import narrowed
from gantry.store.streamed import streamed

PLAYGROUND: Final = "playground: "  # how the names of its keys begin, which nobody else may choose


class KeyNotFound(LookupError):
    """No key, or more than one, goes by that name; the message says which."""


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
    temporary: bool = False  # made by the keys API, for a customer, a job or a test
    created_by: str | None = None  # a key's id, or a person's
    bound_by: tuple[str, ...] = ()  # the keys that it replaced, newest first; then the one that made it, and its own

    @property
    def line(self) -> tuple[str, ...]:
        """The key and those that it replaced: their limits are its own, and their calls count as its."""
        end = self.bound_by.index(self.created_by) if self.created_by in self.bound_by else len(self.bound_by)
        return (self.id, *self.bound_by[:end])

    @property
    def bounds(self) -> tuple[str, ...]:
        """The keys on whose limits its calls count."""
        return (self.id, *self.bound_by)

    def is_live(self, now: int) -> bool:
        expires_at = self.policy.expires_at
        return self.revoked_at is None and (expires_at is None or expires_at > now)


def add_key(
    change: Change,
    organization_id: str,
    name: str,
    policy: KeyPolicy,
    pepper: bytes,
    *,
    created_by: str | None = None,
    bound_by: tuple[str, ...] = (),
    temporary: bool = False,
) -> tuple[ApiKey, Secret]:
    """Make a key; return it as stored, and the secret that is not. `created_by` is a key's id, or a person's."""
    secret, prefix = _new_secret()
    key = ApiKey(
        id=change.new_id(),
        organization_id=organization_id,
        name=name,
        prefix=prefix,
        policy=policy,
        created_at=change.now,
        temporary=temporary,
        created_by=created_by,
        bound_by=bound_by,
    )
    _note(change, AuditAction.API_KEY_CREATED, key)
    return _insert(change, key, secret, pepper)


def add_temporary_key(
    change: Change, creator: ApiKey, name: str, policy: KeyPolicy, pepper: bytes
) -> tuple[ApiKey, Secret]:
    """Make a key that another one asked for, whose limits its calls count on too."""
    return add_key(
        change,
        creator.organization_id,
        name,
        policy,
        pepper,
        created_by=creator.id,
        bound_by=creator.bounds,
        temporary=True,
    )


def _new_secret() -> tuple[Secret, str]:
    secret = format_key(secrets.token_bytes(ENTROPY_BYTES))
    return secret, public_prefix(secret.reveal())


def _insert(change: Change, key: ApiKey, secret: Secret, pepper: bytes) -> tuple[ApiKey, Secret]:
    row = {
        "id": key.id,
        "organization_id": key.organization_id,
        "prefix": key.prefix,
        "digest": key_digest(secret.reveal(), pepper),
        "created_at": key.created_at,
        "temporary": key.temporary,
        "created_by": key.created_by,
        "bound_by": msgspec.json.encode(key.bound_by).decode(),
        "changed_in": change.version,
        **_changeable(key.name, key.policy),
    }
    change.connection.execute(insert(api_keys).values(row))
    return key, secret


def _changeable(name: str, policy: KeyPolicy) -> dict[str, Any]:
    return {
        "name": name,
        "environment": policy.environment.value,
        "scopes": int(policy.scopes),
        "models": msgspec.json.encode(policy.models).decode(),
        "surfaces": msgspec.json.encode(policy.surfaces).decode(),
        "content_policy": policy.content_policy.value,
        "expires_at": policy.expires_at,
        "strict": policy.strict,
    }


def keys_of(connection: Connection, organization_id: str) -> list[ApiKey]:
    """Return an organization's keys, oldest first."""
    query = select(api_keys).where(api_keys.c.organization_id == organization_id)
    return [_key(row) for row in connection.execute(query.order_by(api_keys.c.created_at, api_keys.c.id))]


def key_names(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Return the names of some keys, of any organization, by their ids."""
    found = connection.execute(select(api_keys.c.id, api_keys.c.name).where(api_keys.c.id.in_(ids)))
    return {row.id: row.name for row in found}


def page_of_keys(
    connection: Connection, organization_id: str, *, temporary: bool, revoked: bool, page: int, page_size: int
) -> tuple[list[ApiKey], int]:
    """Return a page of the temporary keys or of the others, newest first, and how many there are.

    Those of the playground are with neither; those that are revoked are there where they are asked for.
    """
    where = (api_keys.c.organization_id == organization_id) & _is_kept(temporary)
    if not revoked:
        where &= api_keys.c.revoked_at.is_(None)
    count = connection.scalar(select(func.count()).select_from(api_keys).where(where)) or 0
    query = select(api_keys).where(where).order_by(api_keys.c.created_at.desc(), api_keys.c.id.desc())
    rows = connection.execute(query.limit(page_size).offset((page - 1) * page_size))
    return [_key(row) for row in rows], count


def listed_key(connection: Connection, organization_id: str, key_id: str, *, temporary: bool) -> ApiKey | None:
    """Return a key that such a page would show."""
    where = (api_keys.c.id == key_id) & (api_keys.c.organization_id == organization_id) & _is_kept(temporary)
    row = connection.execute(select(api_keys).where(where)).one_or_none()
    return None if row is None else _key(row)


def _is_kept(temporary: bool) -> ColumnElement[bool]:
    kept = api_keys.c.temporary == temporary
    return kept & ~api_keys.c.name.startswith(PLAYGROUND, autoescape=True) if temporary else kept


def key_of_id(connection: Connection, organization_id: str, key_id: str) -> ApiKey | None:
    where = (api_keys.c.id == key_id) & (api_keys.c.organization_id == organization_id)
    row = connection.execute(select(api_keys).where(where)).one_or_none()
    return None if row is None else _key(row)


def heir_of(connection: Connection, key: ApiKey) -> list[ApiKey]:
    """Return the key that made a key, or that it was replaced by since; none where nobody made it."""
    heir = None if key.created_by is None else key_of_id(connection, key.organization_id, key.created_by)
    while heir is not None and heir.replaced_by is not None:
        heir = key_of_id(connection, key.organization_id, heir.replaced_by)
    return [] if heir is None else [heir]


def keys_made_by(connection: Connection, key: ApiKey) -> list[ApiKey]:
    """Return the keys that are not revoked and that a key made, or those it made, and so on."""
    query = select(api_keys).where(
        api_keys.c.organization_id == key.organization_id,
        api_keys.c.revoked_at.is_(None),
        api_keys.c.created_by.is_not(None),
        or_(*(api_keys.c.bound_by.contains(f'"{one}"', autoescape=True) for one in key.line)),
    )
    found = (_key(row) for row in connection.execute(query.order_by(api_keys.c.created_at, api_keys.c.id)))
    return [one for one in found if not set(key.line) & set(one.line)]


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


def change_key(change: Change, key: ApiKey, name: str, policy: KeyPolicy) -> tuple[ApiKey, Sequence[ApiKey]]:
    """Change what a key is called and may do. Return it, and the keys it made that it has taken rights from."""
    narrowed_keys = []
    for made in keys_made_by(change.connection, key):
        less = narrowed(made.policy, policy)
        if less is None:
            _revoke(change, made)
            _note(change, AuditAction.API_KEY_REVOKED, made)
        elif less != made.policy:
            _update(change, made, _changeable(made.name, less))
            _note(change, AuditAction.API_KEY_CHANGED, structs.replace(made, policy=less))
        if less != made.policy:
            narrowed_keys.append(made)
    _update(change, key, _changeable(name, policy))
    changed = structs.replace(key, name=name, policy=policy)
    _note(change, AuditAction.API_KEY_CHANGED, changed)
    return changed, narrowed_keys


def revoke_key(change: Change, key: ApiKey) -> Sequence[ApiKey]:
    """Make a key useless, and those it made, which are returned. The first revocation's time stays."""
    made = keys_made_by(change.connection, key)
    for one in (key, *made):
        _revoke(change, one)
        _note(change, AuditAction.API_KEY_REVOKED, one)
    return made


def keys_of_person(connection: Connection, organization_id: str, person_id: str) -> list[ApiKey]:
    """Return the keys that are not revoked and that a person made, the oldest first."""
    query = select(api_keys).where(
        api_keys.c.organization_id == organization_id,
        api_keys.c.created_by == person_id,
        api_keys.c.revoked_at.is_(None),
    )
    return [_key(row) for row in connection.execute(query.order_by(api_keys.c.created_at, api_keys.c.id))]


def narrow_keys_of(change: Change, organization_id: str, person_id: str, scopes: Scope) -> None:
    """Let the keys that a person made do no more than the person may now; one that may nothing then is revoked."""
    for key in keys_of_person(change.connection, organization_id, person_id):
        less = narrowed(key.policy, KeyPolicy(scopes=scopes))
        if less is None:
            revoke_key(change, key)
        elif less != key.policy:
            change_key(change, key, key.name, less)


def _revoke(change: Change, key: ApiKey) -> None:
    where = (api_keys.c.id == key.id) & api_keys.c.revoked_at.is_(None)
    values = {"revoked_at": change.now, "changed_in": change.version}
    change.connection.execute(update(api_keys).where(where).values(values))


def _update(change: Change, key: ApiKey, values: dict[str, Any]) -> None:
    changed = {**values, "changed_in": change.version}
    change.connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(changed))


def rotate_key(change: Change, key: ApiKey, pepper: bytes, grace: int) -> tuple[ApiKey, Secret]:
    """Make a new key with the old one's name, policy and limits; the old one works for `grace` ns more."""
    secret, prefix = _new_secret()
    new = structs.replace(
        key, id=change.new_id(), prefix=prefix, created_at=change.now, bound_by=(key.id, *key.bound_by)
    )
    _insert(change, new, secret, pepper)
    end = change.now + grace
    expires_at = end if key.policy.expires_at is None else min(end, key.policy.expires_at)
    values: dict[str, Any] = {"replaced_by": new.id, "expires_at": expires_at}
    if grace <= 0:
        values |= {"expires_at": key.policy.expires_at, "revoked_at": change.now}
    _update(change, key, values)
    _note(change, AuditAction.API_KEY_ROTATED, new, replaces=key.id)
    return new, secret


def _note(change: Change, action: AuditAction, key: ApiKey, **more: Any) -> None:
    policy = key.policy
    detail = {
        "id": key.id,
        "prefix": key.prefix,
        "environment": policy.environment,
        "scopes": [name for name, scope in SCOPE_NAMES.items() if scope in policy.scopes],
        "models": policy.models,
        "surfaces": policy.surfaces,
        "content_policy": policy.content_policy,
        "expires_at": policy.expires_at,
    }
    change.note(key.organization_id, action, key.name, **{**detail, **more})


def keys_changed_after(connection: Connection, version: int) -> Iterator[tuple[bytes, ApiKey]]:
    """Yield the digest of each key that changed after a configuration version, and the key; 0 for all keys."""
    query = select(api_keys).where(api_keys.c.changed_in > version)
    for row in streamed(connection, query, 5000):
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
            surfaces=tuple(msgspec.json.decode(row.surfaces)),
        ),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        replaced_by=row.replaced_by,
        temporary=row.temporary,
        created_by=row.created_by,
        bound_by=tuple(msgspec.json.decode(row.bound_by)),
    )

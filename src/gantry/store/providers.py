"""Custom providers: those that an organization named by a base URL. The built-in ones are files of the catalogue.

What an id and a base URL may be is for the caller to say.
"""

from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, delete, exists, insert, select, update

from gantry.core.audit_entry import AuditAction
from gantry.core.custom_provider import CustomProvider
from gantry.store.control import Change
from gantry.store.control_tables import credentials, custom_providers


def put_provider(change: Change, provider: CustomProvider) -> CustomProvider:
    """Add a custom provider, or change the one of this id, which keeps its day of birth. Return it as stored."""
    known = find_provider(change.connection, provider.organization_id, provider.id)
    created_at = change.now if known is None else known.created_at
    stored = replace(provider, created_at=created_at, updated_at=change.now)
    values: dict[str, Any] = msgspec.structs.asdict(stored)
    values["parameters"] = msgspec.json.encode(stored.parameters).decode()
    if known is None:
        change.connection.execute(insert(custom_providers).values(values))
    else:
        where = _is(provider.organization_id, provider.id)
        change.connection.execute(update(custom_providers).where(where).values(values))
    change.note(provider.organization_id, AuditAction.PROVIDER_PUT, provider.id, base_url=provider.base_url)
    return stored


def remove_unused_providers(change: Change) -> None:
    """Remove the custom providers that no credential is for."""
    used = exists().where(
        credentials.c.organization_id == custom_providers.c.organization_id,
        credentials.c.provider_id == custom_providers.c.id,
    )
    change.connection.execute(delete(custom_providers).where(~used))


def find_provider(connection: Connection, organization_id: str, provider_id: str) -> CustomProvider | None:
    row = connection.execute(select(custom_providers).where(_is(organization_id, provider_id))).one_or_none()
    return None if row is None else _provider(row)


def custom_providers_of(connection: Connection, organization_id: str | None = None) -> list[CustomProvider]:
    """Return the custom providers of an organization, or of all, by id."""
    query = select(custom_providers).order_by(custom_providers.c.organization_id, custom_providers.c.id)
    if organization_id is not None:
        query = query.where(custom_providers.c.organization_id == organization_id)
    return [_provider(row) for row in connection.execute(query)]


def _is(organization_id: str, provider_id: str) -> Any:
    return (custom_providers.c.organization_id == organization_id) & (custom_providers.c.id == provider_id)


def _provider(row: Any) -> CustomProvider:
    values = dict(row._mapping)
    values["parameters"] = msgspec.json.decode(values["parameters"])
    return CustomProvider(**values)

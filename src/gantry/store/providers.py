"""Custom providers: those that a user named by a base URL. The built-in ones are files of the catalogue."""

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from gantry.store.control import Change
from gantry.store.tables import credentials, providers


class CustomProvider(Struct, frozen=True, kw_only=True):
    id: str
    organization_id: str
    name: str
    base_url: str
    managed_by: str | None = None


def put_provider(change: Change, provider: CustomProvider) -> None:
    """Add a custom provider, or change the one of this id."""
    values: dict[str, Any] = {
        "organization_id": provider.organization_id,
        "name": provider.name,
        "base_url": provider.base_url,
        "managed_by": provider.managed_by,
    }
    changed = change.connection.execute(update(providers).where(providers.c.id == provider.id).values(values))
    if changed.rowcount == 0:
        values |= {"id": provider.id, "created_at": change.now}
        change.connection.execute(insert(providers).values(values))


def remove_unused_providers(change: Change) -> None:
    """Remove the custom providers that no credential is for."""
    used = select(credentials.c.provider_id)
    change.connection.execute(delete(providers).where(providers.c.id.not_in(used)))


def custom_providers(connection: Connection) -> list[CustomProvider]:
    return [
        CustomProvider(
            id=row.id,
            organization_id=row.organization_id,
            name=row.name,
            base_url=row.base_url,
            managed_by=row.managed_by,
        )
        for row in connection.execute(select(providers).order_by(providers.c.id))
    ]

"""How long each organization keeps its logs, as people have said."""

from typing import Final

import msgspec
from sqlalchemy import Connection, select

from gantry.core.retention import SETTING, Retention
from gantry.store.control import Change, put_setting
from gantry.store.control_tables import organizations, settings

_decode: Final = msgspec.json.Decoder(Retention).decode


def retention_of(connection: Connection, organization_id: str, usual: Retention) -> Retention:
    """Return what an organization has said; the usual where it has said nothing."""
    query = select(settings.c.value).where(settings.c.organization_id == organization_id, settings.c.name == SETTING)
    text = connection.scalar(query)
    return usual if text is None else _decode(text)


def put_retention(change: Change, organization_id: str, retention: Retention) -> None:
    put_setting(change, organization_id, SETTING, retention)


def retention_by_organization(connection: Connection, usual: Retention) -> dict[str, Retention]:
    said = select(settings.c.organization_id, settings.c.value).where(settings.c.name == SETTING)
    own = {row.organization_id: _decode(row.value) for row in connection.execute(said)}
    return {one: own.get(one, usual) for one in connection.scalars(select(organizations.c.id))}

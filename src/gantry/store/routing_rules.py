"""Routing rules, with their history: an organization's document as JSON, in versions that count from 1.

Law: a version is never changed. The newest holds; to roll back is to write an old document again, byte for byte. The
newest `MOST_VERSIONS` are kept, and the last that people wrote for as long as what is declared holds in its place. What
a document may say is for the caller to judge.

Whoever writes says which version it was made from, if that matters: writers come one after the other (see
`gantry.store.control`), so two who began with the same do not overwrite each other.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, Select, and_, delete, func, insert, select

from gantry.core.audit_entry import AuditAction
from gantry.core.routing_document import Document, RulesWorld
from gantry.store.control import Change
from gantry.store.control_tables import routing_rules
from gantry.store.credentials import ManagedBy, credentials_of
from gantry.store.custom_models import custom_models_of
from gantry.store.providers import custom_providers_of

MOST_VERSIONS: Final = 100
EMPTY: Final = "{}"


class VersionConflict(Exception):
    """The rules are at another version than the change was made from."""

    def __init__(self, current: int, expected: int) -> None:
        super().__init__(f"the routing rules are at version {current}, and the change was made from {expected}")


class RulesVersion(Struct, frozen=True, kw_only=True):
    """A version without its document. Version 0 is there before any was written."""

    organization_id: str
    version: int = 0
    author: str = ""
    note: str = ""
    managed_by: ManagedBy | None = None
    created_at: int = 0


class WrittenRules(RulesVersion, frozen=True, kw_only=True):
    """A version with its document, as the JSON that was written."""

    text: str = EMPTY

    @property
    def document(self) -> Document:
        document: Document = msgspec.json.decode(self.text)
        return document


def current_rules(connection: Connection, organization_id: str) -> WrittenRules:
    """Return an organization's newest version; version 0, with an empty document, where there is none."""
    query = _newest_first(organization_id).limit(1)
    row = connection.execute(query).one_or_none()
    return WrittenRules(organization_id=organization_id) if row is None else _written(row)


def current_rules_of_all(connection: Connection) -> list[WrittenRules]:
    """Return the newest version of each organization that has one."""
    newest = (
        select(routing_rules.c.organization_id, func.max(routing_rules.c.version).label("version"))
        .group_by(routing_rules.c.organization_id)
        .subquery()
    )
    is_newest = and_(
        routing_rules.c.organization_id == newest.c.organization_id, routing_rules.c.version == newest.c.version
    )
    query = select(routing_rules).join(newest, is_newest).order_by(routing_rules.c.organization_id)
    return [_written(row) for row in connection.execute(query)]


def rules_before(connection: Connection, organization_id: str, version: int) -> Iterator[WrittenRules]:
    """Yield an organization's versions before one, the newest first."""
    query = _newest_first(organization_id).where(routing_rules.c.version < version)
    for row in connection.execute(query):
        yield _written(row)


def find_rules(connection: Connection, organization_id: str, version: int) -> WrittenRules | None:
    where = (routing_rules.c.organization_id == organization_id) & (routing_rules.c.version == version)
    row = connection.execute(select(routing_rules).where(where)).one_or_none()
    return None if row is None else _written(row)


def rules_versions(connection: Connection, organization_id: str) -> list[RulesVersion]:
    """Return the versions that are kept, the newest first, without their documents."""
    columns = [column for column in routing_rules.c if column is not routing_rules.c.document]
    query = select(*columns).where(routing_rules.c.organization_id == organization_id)
    return [RulesVersion(**_values(row)) for row in connection.execute(query.order_by(routing_rules.c.version.desc()))]


def write_rules(
    change: Change,
    organization_id: str,
    text: str,
    *,
    author: str,
    note: str = "",
    managed_by: ManagedBy | None = None,
    expected: int | None = None,
) -> WrittenRules:
    """Write a document as the next version, and return it; what is there already stays as it is.

    Raises VersionConflict where the newest version is not the `expected` one; None takes whichever it is.
    """
    current = current_rules(change.connection, organization_id)
    if expected is not None and current.version != expected:
        raise VersionConflict(current.version, expected)
    if (current.text, current.managed_by) == (text, managed_by):
        return current
    written = WrittenRules(
        organization_id=organization_id,
        version=current.version + 1,
        text=text,
        author=author,
        note=note,
        managed_by=managed_by,
        created_at=change.now,
    )
    values: dict[str, Any] = msgspec.to_builtins(written)
    values["document"] = values.pop("text")
    change.connection.execute(insert(routing_rules).values(values))
    _forget_old(change.connection, written)
    change.note(
        organization_id, AuditAction.ROUTING_CHANGED, f"version {written.version}", version=written.version, note=note
    )
    return written


def own_world(connection: Connection, organization_id: str, world: RulesWorld) -> RulesWorld:
    """Return a world with what an organization has of its own: providers, models, credentials."""
    credentials = credentials_of(connection, organization_id)
    own = {custom.id: custom.id for custom in custom_providers_of(connection, organization_id)}
    return replace(
        world,
        providers={**own, **world.providers},
        customs=frozenset(model.name for model in custom_models_of(connection, organization_id)),
        listed=frozenset(model for credential in credentials for model in credential.models),
        credentials=frozenset((credential.provider_id, credential.name) for credential in credentials),
    )


def _forget_old(connection: Connection, written: WrittenRules) -> None:
    """Delete the versions that are too old to be kept beside what was just written."""
    columns = routing_rules.c
    own = columns.organization_id == written.organization_id
    too_old = and_(own, columns.version <= written.version - MOST_VERSIONS)
    if written.managed_by is not None:
        by_hand = select(func.max(columns.version)).where(own, columns.managed_by.is_(None)).scalar_subquery()
        too_old = and_(too_old, columns.version != func.coalesce(by_hand, 0))
    connection.execute(delete(routing_rules).where(too_old))


def _newest_first(organization_id: str) -> Select[Any]:
    where = routing_rules.c.organization_id == organization_id
    return select(routing_rules).where(where).order_by(routing_rules.c.version.desc())


def _values(row: Any) -> dict[str, Any]:
    values = dict(row._mapping)
    values["managed_by"] = None if values["managed_by"] is None else ManagedBy(values["managed_by"])
    return values


def _written(row: Any) -> WrittenRules:
    values = _values(row)
    return WrittenRules(text=values.pop("document"), **values)

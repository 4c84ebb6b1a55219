"""Organizations: added, listed, found. The first one is the operator's: what all pay with is for it to say."""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, insert, select, update

from gantry.core.audit_entry import AuditAction
from gantry.store.control import Change
from gantry.store.control_tables import organizations

_LONGEST_NAME: Final = 100


class OrganizationRefused(ValueError):
    """An organization cannot have that name; the message says why."""


class OrganizationNotFound(LookupError):
    """No organization, or more than one, goes by that name; the message says which."""


class Organization(Struct, frozen=True):
    id: str
    name: str
    created_at: int


def add_organization(change: Change, name: str) -> Organization:
    """Add an organization. Raises OrganizationRefused."""
    _check_name(change.connection, name)
    organization = Organization(change.new_id(), name, change.now)
    change.connection.execute(
        insert(organizations).values(id=organization.id, name=name, created_at=organization.created_at)
    )
    change.note(organization.id, AuditAction.ORGANIZATION_ADDED, name)
    return organization


def rename_organization(change: Change, organization_id: str, name: str) -> None:
    """Give an organization another name. Raises OrganizationRefused."""
    _check_name(change.connection, name, but=organization_id)
    change.connection.execute(update(organizations).where(organizations.c.id == organization_id).values(name=name))
    change.note(organization_id, AuditAction.ORGANIZATION_RENAMED, name)


def _check_name(connection: Connection, name: str, but: str | None = None) -> None:
    if not name.strip() or name.strip() != name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise OrganizationRefused(f"a name is one line of at most {_LONGEST_NAME} characters")
    if any(other.name == name and other.id != but for other in organizations_of(connection)):
        raise OrganizationRefused(f"there is an organization named {name!r} already; choose another name")


def organizations_of(connection: Connection) -> list[Organization]:
    """Return all organizations, the oldest first."""
    query = select(organizations).order_by(organizations.c.created_at, organizations.c.id)
    return [_organization(row) for row in connection.execute(query)]


def find_organization(connection: Connection, text: str) -> Organization:
    """Return the organization with this id or name. Raises OrganizationNotFound."""
    found = [one for one in organizations_of(connection) if text in (one.id, one.name)]
    if not found:
        raise OrganizationNotFound(f"no organization has the id or name {text!r}; see `gantry organizations list`")
    if len(found) > 1:
        raise OrganizationNotFound(f"{len(found)} organizations go by {text!r}; name one by its id")
    return found[0]


def _organization(row: Any) -> Organization:
    return Organization(row.id, row.name, row.created_at)

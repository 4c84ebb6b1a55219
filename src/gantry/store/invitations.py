"""Invitations: somebody with an address may come to be something in an organization, once, and soon.

Law: only a digest of what the link holds is kept. An address has one invitation at a time to an organization; a newer
one takes its place.
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, select, update

from gantry.core.audit_entry import AuditAction
from gantry.core.role import Role
from gantry.store.control import Change
from gantry.store.control_tables import invitations, organizations

LASTS: Final = 7 * 86_400 * 1_000_000_000


class Invitation(Struct, frozen=True, kw_only=True):
    id: str
    organization_id: str
    organization_name: str
    email: str
    role: Role
    invited_by: str  # as they were called then
    created_at: int
    expires_at: int


def add_invitation(change: Change, organization_id: str, email: str, role: Role, digest: bytes) -> Invitation:
    """Invite somebody; `digest` is of the link's token."""
    change.connection.execute(
        delete(invitations).where(
            (invitations.c.organization_id == organization_id)
            & (invitations.c.email == email)
            & invitations.c.accepted_at.is_(None)
        )
    )
    row = {
        "id": change.new_id(),
        "organization_id": organization_id,
        "email": email,
        "role": role.value,
        "digest": digest,
        "invited_by": change.author.name,
        "created_at": change.now,
        "expires_at": change.now + LASTS,
    }
    change.connection.execute(insert(invitations).values(row))
    change.note(organization_id, AuditAction.INVITATION_MADE, email, role=role)
    return _invitation(change.connection.execute(_open(change.now).where(invitations.c.id == row["id"])).one())


def invitations_of(connection: Connection, organization_id: str, now: int) -> list[Invitation]:
    """Return an organization's open invitations, the newest first."""
    query = _open(now).where(invitations.c.organization_id == organization_id)
    return [_invitation(row) for row in connection.execute(query.order_by(invitations.c.created_at.desc()))]


def invitations_for(connection: Connection, email: str, now: int) -> list[Invitation]:
    """Return the open invitations of an address, to whichever organization."""
    return [_invitation(row) for row in connection.execute(_open(now).where(invitations.c.email == email))]


def find_invitation(connection: Connection, digest: bytes, now: int) -> Invitation | None:
    """Return the open invitation that a link stands for."""
    row = connection.execute(_open(now).where(invitations.c.digest == digest)).one_or_none()
    return None if row is None else _invitation(row)


def accept_invitation(change: Change, invitation: Invitation) -> bool:
    """Use an invitation up, and say whether it was open until now."""
    where = (invitations.c.id == invitation.id) & invitations.c.accepted_at.is_(None)
    accepted = change.connection.execute(update(invitations).where(where).values(accepted_at=change.now)).rowcount > 0
    if accepted:
        change.note(invitation.organization_id, AuditAction.INVITATION_ACCEPTED, invitation.email)
    return accepted


def revoke_invitation(change: Change, organization_id: str, invitation_id: str) -> bool:
    """Take an open invitation back, and say whether there was one."""
    found = change.connection.execute(
        delete(invitations)
        .where(
            (invitations.c.id == invitation_id)
            & (invitations.c.organization_id == organization_id)
            & invitations.c.accepted_at.is_(None)
        )
        .returning(invitations.c.email)
    ).one_or_none()
    if found is not None:
        change.note(organization_id, AuditAction.INVITATION_REVOKED, found.email)
    return found is not None


def revoke_invitations_by(change: Change, organization_id: str, name: str) -> None:
    """Take back the open invitations of somebody, by what they were called."""
    found = change.connection.execute(
        delete(invitations)
        .where(
            (invitations.c.organization_id == organization_id)
            & (invitations.c.invited_by == name)
            & invitations.c.accepted_at.is_(None)
        )
        .returning(invitations.c.email)
    ).all()
    for email in sorted(row.email for row in found):
        change.note(organization_id, AuditAction.INVITATION_REVOKED, email)


def _open(now: int) -> Any:
    return (
        select(invitations, organizations.c.name.label("organization_name"))
        .join(organizations, organizations.c.id == invitations.c.organization_id)
        .where(invitations.c.accepted_at.is_(None), invitations.c.expires_at > now)
    )


def _invitation(row: Any) -> Invitation:
    return Invitation(
        id=row.id,
        organization_id=row.organization_id,
        organization_name=row.organization_name,
        email=row.email,
        role=Role(row.role),
        invited_by=row.invited_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )

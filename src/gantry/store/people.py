"""People: who signs in, by which password or identity, and what they are in which organization.

Law: an organization never loses its last owner. An address is compared in lower case, as it is stored. A password is
kept only as its hash, which never leaves with the person (`password_of`). Whoever may do less from now on keeps no way
around it: neither keys that they made nor invitations that they could accept themselves.
"""

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, func, insert, select, update

from gantry.core.audit_entry import AuditAction
from gantry.core.role import SCOPES, Role, may_give
from gantry.core.vocabulary import Scope
from gantry.store.control import Change
from gantry.store.control_tables import identities, memberships, organizations, people, sessions
from gantry.store.invitations import revoke_invitations_by
from gantry.store.keys import keys_of_person, narrow_keys_of


class PersonExists(ValueError):
    """There is a person with that address already."""


class PersonNotFound(LookupError):
    """No person has that address or id; the message says which."""


class LastOwner(ValueError):
    """The organization would be left without an owner."""


class Person(Struct, frozen=True, kw_only=True):
    id: str
    email: str
    name: str
    has_password: bool
    created_at: int
    seen_at: int | None = None
    disabled_at: int | None = None


class Membership(Struct, frozen=True, kw_only=True):
    """What a person is in an organization."""

    organization_id: str
    organization_name: str
    role: Role
    since: int


class Member(Struct, frozen=True, kw_only=True):
    """A person as one organization sees them."""

    person: Person
    role: Role
    since: int


def is_claimed(connection: Connection) -> bool:
    """Say whether anybody can sign in here."""
    return connection.execute(select(people.c.id).limit(1)).first() is not None


def add_person(change: Change, email: str, name: str, password: str | None) -> Person:
    """Add a person; `password` is a hash. Raises PersonExists."""
    if find_person(change.connection, email) is not None:
        raise PersonExists(f"there is a person with the address {email} already")
    person = Person(
        id=change.new_id(), email=email, name=name, has_password=password is not None, created_at=change.now
    )
    change.connection.execute(
        insert(people).values(id=person.id, email=email, name=name, password=password, created_at=change.now)
    )
    return person


def find_person(connection: Connection, email: str) -> Person | None:
    row = connection.execute(select(people).where(people.c.email == email)).one_or_none()
    return None if row is None else _person(row)


def person_of_id(connection: Connection, person_id: str) -> Person | None:
    row = connection.execute(select(people).where(people.c.id == person_id)).one_or_none()
    return None if row is None else _person(row)


def password_of(connection: Connection, person_id: str) -> str | None:
    """Return the hash of a person's password; None where there is none."""
    return connection.scalar(select(people.c.password).where(people.c.id == person_id))


def people_of(connection: Connection) -> list[Person]:
    """Return all people, the oldest first."""
    return [_person(row) for row in connection.execute(select(people).order_by(people.c.created_at, people.c.id))]


def rename_person(change: Change, person: Person, name: str) -> None:
    change.connection.execute(update(people).where(people.c.id == person.id).values(name=name))
    _note_everywhere(change, AuditAction.PERSON_RENAMED, person, name=name)


def set_password(change: Change, person: Person, password: str) -> None:
    """Give a person another password, by its hash."""
    change.connection.execute(update(people).where(people.c.id == person.id).values(password=password))
    _note_everywhere(change, AuditAction.PERSON_PASSWORD_SET, person)


def drop_password(change: Change, person: Person) -> None:
    """Let nobody sign in as a person by the password they have, nor go on who did."""
    change.connection.execute(update(people).where(people.c.id == person.id).values(password=None))
    change.connection.execute(delete(sessions).where(sessions.c.person_id == person.id))
    _note_everywhere(change, AuditAction.PERSON_PASSWORD_DROPPED, person)


def rehash_password(connection: Connection, person_id: str, before: str, password: str) -> None:
    """Store the same password under another hash, unless it was changed meanwhile."""
    where = (people.c.id == person_id) & (people.c.password == before)
    connection.execute(update(people).where(where).values(password=password))


def note_failed_sign_in(change: Change, person: Person, address: str, failed: int) -> None:
    """Put down that somebody did not come in as a person; `failed` is how often lately, this time included."""
    _note_everywhere(change, AuditAction.PERSON_SIGN_IN_FAILED, person, address=address, failed=failed)


def note_seen(connection: Connection, person_id: str, now: int) -> None:
    connection.execute(update(people).where(people.c.id == person_id).values(seen_at=now))


def person_of_identity(connection: Connection, issuer: str, subject: str) -> Person | None:
    """Return whom an identity provider means."""
    query = select(people).join(identities, identities.c.person_id == people.c.id)
    row = connection.execute(
        query.where((identities.c.issuer == issuer) & (identities.c.subject == subject))
    ).one_or_none()
    return None if row is None else _person(row)


def add_identity(change: Change, person: Person, issuer: str, subject: str) -> None:
    """Let an identity provider vouch for a person from now on."""
    change.connection.execute(insert(identities).values(issuer=issuer, subject=subject, person_id=person.id))
    _note_everywhere(change, AuditAction.PERSON_IDENTITY_ADDED, person, issuer=issuer, identity=subject)


def memberships_of(connection: Connection, person_id: str) -> list[Membership]:
    """Return the organizations of a person, by name."""
    query = (
        select(memberships, organizations.c.name)
        .join(organizations, organizations.c.id == memberships.c.organization_id)
        .where(memberships.c.person_id == person_id)
        .order_by(organizations.c.name, organizations.c.id)
    )
    return [
        Membership(
            organization_id=row.organization_id,
            organization_name=row.name,
            role=Role(row.role),
            since=row.created_at,
        )
        for row in connection.execute(query)
    ]


def members_of(connection: Connection, organization_id: str) -> list[Member]:
    """Return who belongs to an organization, the oldest member first."""
    return [_member(row) for row in connection.execute(_members(organization_id).order_by("since", people.c.id))]


def find_member(connection: Connection, organization_id: str, person_id: str) -> Member | None:
    row = connection.execute(_members(organization_id).where(people.c.id == person_id)).one_or_none()
    return None if row is None else _member(row)


def add_member(change: Change, organization_id: str, person: Person, role: Role) -> None:
    """Let a person belong to an organization they do not belong to yet."""
    change.connection.execute(
        insert(memberships).values(
            organization_id=organization_id, person_id=person.id, role=role.value, created_at=change.now
        )
    )
    change.note(organization_id, AuditAction.MEMBER_ADDED, person.email, role=role)


def set_role(change: Change, organization_id: str, member: Member, role: Role) -> None:
    """Make a member something else. Who may do less then takes it from the keys they made. Raises LastOwner."""
    if role is not Role.OWNER:
        _check_owner_left(change.connection, organization_id, member)
    if not may_give(role, member.role):
        _take_back(change, organization_id, member, SCOPES[role])
    change.connection.execute(update(memberships).where(_is(organization_id, member)).values(role=role.value))
    change.note(organization_id, AuditAction.MEMBER_ROLE_CHANGED, member.person.email, role=role, before=member.role)


def remove_member(change: Change, organization_id: str, member: Member, *, keep_keys: bool = False) -> None:
    """Let a member belong no more: their sessions there end, and their keys are revoked. Raises LastOwner.

    `keep_keys`: the keys stay as they are, for what services call by.
    """
    _check_owner_left(change.connection, organization_id, member)
    _take_back(change, organization_id, member, Scope(sum(Scope)) if keep_keys else Scope(0))
    change.connection.execute(delete(memberships).where(_is(organization_id, member)))
    change.connection.execute(
        delete(sessions).where(
            (sessions.c.organization_id == organization_id) & (sessions.c.person_id == member.person.id)
        )
    )
    change.note(organization_id, AuditAction.MEMBER_REMOVED, member.person.email, role=member.role)


def remove_person(change: Change, person: Person) -> None:
    """Remove a person with their memberships, identities and sessions. Raises LastOwner."""
    for membership in memberships_of(change.connection, person.id):
        member = find_member(change.connection, membership.organization_id, person.id)
        if member is not None:
            remove_member(change, membership.organization_id, member)
    change.connection.execute(delete(people).where(people.c.id == person.id))


def _take_back(change: Change, organization_id: str, member: Member, scopes: Scope) -> None:
    """Take back what a member has given out, as far as it is more than these scopes."""
    keys = keys_of_person(change.connection, organization_id, member.person.id)
    for name in (member.person.email, *sorted({key.name for key in keys if Scope.TEAM in key.policy.scopes})):
        revoke_invitations_by(change, organization_id, name)
    narrow_keys_of(change, organization_id, member.person.id, scopes)


def _note_everywhere(change: Change, action: AuditAction, person: Person, **detail: str | int) -> None:
    """Put down what is done to a person in each organization they belong to."""
    for membership in memberships_of(change.connection, person.id):
        change.note(membership.organization_id, action, person.email, **detail)


def _check_owner_left(connection: Connection, organization_id: str, member: Member) -> None:
    others = connection.scalar(
        select(func.count())
        .select_from(memberships)
        .where(
            memberships.c.organization_id == organization_id,
            memberships.c.role == Role.OWNER.value,
            memberships.c.person_id != member.person.id,
        )
    )
    if member.role is Role.OWNER and not others:
        raise LastOwner("an organization keeps one owner at least; make somebody else an owner first")


def _is(organization_id: str, member: Member) -> Any:
    return (memberships.c.organization_id == organization_id) & (memberships.c.person_id == member.person.id)


def _members(organization_id: str) -> Any:
    return (
        select(people, memberships.c.role, memberships.c.created_at.label("since"))
        .join(memberships, memberships.c.person_id == people.c.id)
        .where(memberships.c.organization_id == organization_id)
    )


def _member(row: Any) -> Member:
    return Member(person=_person(row), role=Role(row.role), since=row.since)


def _person(row: Any) -> Person:
    return Person(
        id=row.id,
        email=row.email,
        name=row.name,
        has_password=row.password is not None,
        created_at=row.created_at,
        seen_at=row.seen_at,
        disabled_at=row.disabled_at,
    )

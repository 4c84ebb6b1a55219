"""Sessions of people: begun, found by the digest of what the browser holds, moved, ended.

Law: a session ends by itself when nobody used it for `IDLE`, and after `LONGEST` in any case. It stands for what the
person is now: whoever loses a role or is disabled loses it with the next request.
"""

from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Connection, delete, insert, or_, select, update

from gantry.core.role import Role
from gantry.store.control_tables import memberships, organizations, people, sessions
from gantry.store.people import Person

_DAY: Final = 86_400 * 1_000_000_000
IDLE: Final = 7 * _DAY
LONGEST: Final = 30 * _DAY
SEEN_AGAIN_AFTER: Final = 60 * 1_000_000_000  # how exactly the last use is known
_LONGEST_AGENT: Final = 256


class Session(Struct, frozen=True, kw_only=True):
    id: str
    digest: bytes
    organization_id: str
    person_id: str
    created_at: int
    seen_at: int
    expires_at: int
    address: str
    user_agent: str


class SignedIn(Struct, frozen=True, kw_only=True):
    """A live session, whose it is, and what they are where they are."""

    session: Session
    person: Person
    role: Role
    organization_name: str


def begin_session(connection: Connection, session: Session) -> None:
    """Store a session; those that have ended by themselves go."""
    now = session.created_at
    connection.execute(delete(sessions).where(or_(sessions.c.expires_at <= now, sessions.c.seen_at <= now - IDLE)))
    values = {name: getattr(session, name) for name in Session.__struct_fields__}
    values["user_agent"] = session.user_agent[:_LONGEST_AGENT]
    connection.execute(insert(sessions).values(values))


def find_session(connection: Connection, digest: bytes, now: int) -> SignedIn | None:
    """Return who is signed in by a session; None when it has ended or gives nothing any more."""
    query = (
        select(
            sessions,
            people.c.email,
            people.c.name,
            people.c.password.is_not(None).label("has_password"),
            people.c.created_at.label("person_since"),
            people.c.seen_at.label("person_seen_at"),
            memberships.c.role,
            organizations.c.name.label("organization_name"),
        )
        .join(people, people.c.id == sessions.c.person_id)
        .join(
            memberships,
            (memberships.c.person_id == sessions.c.person_id)
            & (memberships.c.organization_id == sessions.c.organization_id),
        )
        .join(organizations, organizations.c.id == sessions.c.organization_id)
        .where(
            sessions.c.digest == digest,
            sessions.c.expires_at > now,
            sessions.c.seen_at > now - IDLE,
            people.c.disabled_at.is_(None),
        )
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return SignedIn(
        session=_session(row),
        person=Person(
            id=row.person_id,
            email=row.email,
            name=row.name,
            has_password=bool(row.has_password),
            created_at=row.person_since,
            seen_at=row.person_seen_at,
        ),
        role=Role(row.role),
        organization_name=row.organization_name,
    )


def note_used(connection: Connection, session: Session, now: int) -> None:
    connection.execute(update(sessions).where(sessions.c.digest == session.digest).values(seen_at=now))


def move_session(connection: Connection, session: Session, organization_id: str) -> None:
    """Let a session be in another organization from now on."""
    connection.execute(
        update(sessions).where(sessions.c.digest == session.digest).values(organization_id=organization_id)
    )


def sessions_of(connection: Connection, person_id: str, now: int) -> list[Session]:
    """Return a person's live sessions, the last used first."""
    query = select(sessions).where(
        sessions.c.person_id == person_id, sessions.c.expires_at > now, sessions.c.seen_at > now - IDLE
    )
    return [_session(row) for row in connection.execute(query.order_by(sessions.c.seen_at.desc(), sessions.c.id))]


def end_session(connection: Connection, person_id: str, session_id: str) -> bool:
    """End a session of a person, by its id, and say whether there was one."""
    where = (sessions.c.person_id == person_id) & (sessions.c.id == session_id)
    return connection.execute(delete(sessions).where(where)).rowcount > 0


def end_sessions(connection: Connection, person_id: str, *, apart_from: Session | None = None) -> None:
    """End all sessions of a person, or all but one."""
    where = sessions.c.person_id == person_id
    if apart_from is not None:
        where &= sessions.c.digest != apart_from.digest
    connection.execute(delete(sessions).where(where))


def _session(row: Any) -> Session:
    return Session(
        id=row.id,
        digest=bytes(row.digest),
        organization_id=row.organization_id,
        person_id=row.person_id,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        address=row.address,
        user_agent=row.user_agent,
    )

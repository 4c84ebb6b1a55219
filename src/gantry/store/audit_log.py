"""The audit log: what was changed, by whom. Entries are appended, in the transaction of what they tell, and read.

Law: nothing here changes or removes an entry. Each is a link of its organization's chain: whoever changes one by other
means breaks the chain there, and `find_break` says where. What was cut off at the end shows by the digest of the last
one, where somebody kept it elsewhere.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, insert, select

from gantry.core.audit_entry import FIRST_DIGEST, Actor, AuditAction, AuditEntry, Author, entry_digest
from gantry.store.control_tables import audit_entries

_AT_A_TIME: Final = 1000


class Break(Struct, frozen=True):
    """The first entry that is not what was written, or stands where another one stood."""

    organization_id: str
    number: int


def append_entry(
    connection: Connection,
    organization_id: str,
    author: Author,
    action: AuditAction,
    subject: str,
    detail: dict[str, Any],
    now: int,
) -> None:
    """Append an entry. The transaction must be one that no other is beside: a Change, which writers queue for."""
    number, before = last_entry(connection, organization_id)
    entry = AuditEntry(
        organization_id=organization_id,
        number=number + 1,
        at=now,
        author=author,
        action=action.value,
        subject=subject,
        detail=msgspec.json.encode(detail).decode(),
    )
    connection.execute(
        insert(audit_entries).values(
            organization_id=organization_id,
            number=entry.number,
            at=now,
            actor=author.actor.value,
            actor_id=author.id,
            actor_name=author.name,
            action=entry.action,
            subject=subject,
            detail=entry.detail,
            digest=entry_digest(entry, before),
        )
    )


def last_entry(connection: Connection, organization_id: str) -> tuple[int, bytes]:
    """Return the number and the digest of an organization's last entry."""
    query = select(audit_entries.c.number, audit_entries.c.digest).where(
        audit_entries.c.organization_id == organization_id
    )
    row = connection.execute(query.order_by(audit_entries.c.number.desc()).limit(1)).one_or_none()
    return (0, FIRST_DIGEST) if row is None else (row.number, bytes(row.digest))


def entries_of(
    connection: Connection, organization_id: str, *, page: int, page_size: int
) -> tuple[list[AuditEntry], int]:
    """Return a page of an organization's entries, the newest first, and how many there are."""
    own = audit_entries.c.organization_id == organization_id
    count = connection.scalar(select(func.count()).select_from(audit_entries).where(own)) or 0
    query = select(audit_entries).where(own).order_by(audit_entries.c.number.desc())
    rows = connection.execute(query.limit(page_size).offset((page - 1) * page_size))
    return [_entry(row) for row in rows], count


def find_break(connection: Connection, organization_id: str) -> Break | None:
    """Return where an organization's chain is broken; None where it holds."""
    before = FIRST_DIGEST
    for number, (entry, digest) in enumerate(_in_order(connection, organization_id), 1):
        if entry.number != number or entry_digest(entry, before) != digest:
            return Break(organization_id, number)
        before = digest
    return None


def _in_order(connection: Connection, organization_id: str) -> Iterator[tuple[AuditEntry, bytes]]:
    query = select(audit_entries).where(audit_entries.c.organization_id == organization_id)
    query = query.order_by(audit_entries.c.number).limit(_AT_A_TIME)
    number = None
    while True:
        rows = connection.execute(query if number is None else query.where(audit_entries.c.number > number)).all()
        for row in rows:
            yield _entry(row), bytes(row.digest)
        if len(rows) < _AT_A_TIME:
            return
        number = rows[-1].number


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(
        organization_id=row.organization_id,
        number=row.number,
        at=row.at,
        author=Author(Actor(row.actor), row.actor_id, row.actor_name),
        action=row.action,
        subject=row.subject,
        detail=row.detail,
    )

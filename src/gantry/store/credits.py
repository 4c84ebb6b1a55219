"""The ledger: what an organization was given and what its calls were charged. Nothing in it is changed or deleted.

Law: usage is entered in the transaction that stores the row, once for each log: the log's id makes the entry's, so a
row that is stored again enters nothing. A price that is made again is entered as a difference, and the first entry
stays. So the sum of what calls entered is the sum of `charged`, of the logs and of their sums by day, to the
nano-dollar; `store.integrity` compares them.

The publisher reads what was granted from here and its version from the control tables, which may be another database:
whoever adds an entry raises that version afterwards (adr/0014).
"""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import asdict
from sqlalchemy import ColumnElement, Connection, Row, func, select

from gantry.core.credits import (
    DAY,
    OF_CALLS,
    Entry,
    EntryKind,
    EntryRefused,
    NewEntry,
    check_entry,
    expiry_reference,
    find_expired,
)
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.priced_log import NewPrice
from gantry.core.request_log import RequestLog
from gantry.store.log_rows import INDEXED_LENGTH
from gantry.store.log_tables import NOT_OF_CALLS, credit_entries, day_sums
from gantry.store.upsert import insert_by
from gantry.store.whole_sum import WholeSum

USAGE_COLUMNS: Final = (
    "organization_id",
    "id",
    "kind",
    "amount",
    "created_at",
    "description",
    "log_id",
    "author",
    "metadata",
)
_SAME: Final = ("kind", "amount", "expires_at", "description", "metadata")  # of two entries with one reference
_USAGE: Final = EntryKind.USAGE.value
_REPRICING: Final = EntryKind.REPRICING.value


def add_entry(connection: Connection, entry: NewEntry) -> Entry:
    """Enter what people enter; with a reference that is there, return what it was entered as. Raises EntryRefused."""
    return _put(connection, check_entry(entry))


def expire_entries(connection: Connection, organization_id: str, now: int) -> list[Entry]:
    """Enter what was left of credits that have expired, once each, and return that."""
    given = entries_of(connection, organization_id, page_size=None, kinds=frozenset(EntryKind) - OF_CALLS)
    return [
        _put(
            connection,
            NewEntry(
                organization_id=organization_id,
                kind=EntryKind.EXPIRY,
                amount=-expired.amount,
                created_at=expired.at,
                description=f"what was left of {expired.entry.id}",
                reference=expiry_reference(expired.entry.id),
            ),
        )
        for expired in find_expired(given, charged_by_day(connection, organization_id), now)
    ]


def organizations_with_expiry(connection: Connection, now: int) -> list[str]:
    """Return the organizations that have credits which expired before the day of `now`, entered or not."""
    entries = credit_entries.c
    statement = select(entries.organization_id).where(NOT_OF_CALLS, entries.expires_at < now // DAY * DAY).distinct()
    return list(connection.scalars(statement))


def entries_of(
    connection: Connection,
    organization_id: str,
    *,
    kinds: Collection[EntryKind] | None = None,
    page: int = 1,
    page_size: int | None = 100,
) -> list[Entry]:
    """Return a page of an organization's entries, the newest first."""
    entries = credit_entries.c
    statement = (
        select(credit_entries)
        .where(*_chosen(organization_id, kinds))
        .order_by(entries.created_at.desc(), entries.id.desc())
    )
    if page_size is not None:
        statement = statement.limit(page_size).offset((page - 1) * page_size)
    return [_entry(row) for row in connection.execute(statement)]


def count_entries(connection: Connection, organization_id: str, *, kinds: Collection[EntryKind] | None = None) -> int:
    statement = select(func.count()).select_from(credit_entries).where(*_chosen(organization_id, kinds))
    return connection.scalar(statement) or 0


def find_entry(connection: Connection, organization_id: str, entry_id: str) -> Entry | None:
    entries = credit_entries.c
    found = select(credit_entries).where(entries.organization_id == organization_id, entries.id == entry_id)
    row = connection.execute(found).one_or_none()
    return None if row is None else _entry(row)


def find_by_reference(connection: Connection, organization_id: str, reference: str) -> Entry | None:
    entries = credit_entries.c
    found = select(credit_entries).where(entries.organization_id == organization_id, entries.reference == reference)
    row = connection.execute(found).one_or_none()
    return None if row is None else _entry(row)


def granted_by_organization(connection: Connection) -> dict[str, int]:
    """Return what each organization was given, less what expired: all entries but those of calls."""
    entries = credit_entries.c
    statement = select(entries.organization_id, WholeSum(entries.amount)).where(NOT_OF_CALLS)
    return {of: int(total) for of, total in connection.execute(statement.group_by(entries.organization_id))}


def granted_to(connection: Connection, organization_id: str) -> int:
    entries = credit_entries.c
    statement = select(WholeSum(entries.amount)).where(NOT_OF_CALLS, entries.organization_id == organization_id)
    return int(connection.scalar(statement) or 0)


def charged_to(connection: Connection, organization_id: str) -> int:
    """Return what all calls of an organization were charged, by their sums by day."""
    statement = select(WholeSum(day_sums.c.charged)).where(day_sums.c.organization_id == organization_id)
    return int(connection.scalar(statement) or 0)


def charged_by_day(connection: Connection, organization_id: str) -> Mapping[int, int]:
    days = day_sums.c
    statement = select(days.day, WholeSum(days.charged)).where(days.organization_id == organization_id)
    return {day: int(total) for day, total in connection.execute(statement.group_by(days.day)) if total}


def balance_of(connection: Connection, organization_id: str) -> int:
    """Return an organization's credits. A million calls are some thousand sums, which are the ledger's to the nano."""
    return granted_to(connection, organization_id) - charged_to(connection, organization_id)


def usage_rows(logs: Iterable[RequestLog]) -> list[tuple[Any, ...]]:
    """Return the entries of logs that were charged, in the order of USAGE_COLUMNS."""
    rows = []
    for log in logs:
        if log.charged:
            log_id = log.log_id[:INDEXED_LENGTH]
            rows.append((log.organization_id, f"cu_{log_id}", _USAGE, -log.charged, log.ended_at, "", log_id, "", None))
    return rows


def repricing_rows(prices: Sequence[NewPrice], now: int) -> list[tuple[Any, ...]]:
    """Return the entries that bring the ledger to other prices: one for an organization, as USAGE_COLUMNS."""
    changed: dict[str, list[NewPrice]] = {}
    for price in prices:
        if (price.charged or 0) != (price.log.charged or 0):
            changed.setdefault(price.log.organization_id, []).append(price)
    rows = []
    for organization_id, some in sorted(changed.items()):
        amount = sum((price.log.charged or 0) - (price.charged or 0) for price in some)
        starts = [price.log.started_at for price in some]
        told = {"logs": len(some), "first_started_at": min(starts), "last_started_at": max(starts)}
        text = msgspec.json.encode(told).decode()
        said = f"{len(some)} calls priced again"
        rows.append((organization_id, new_entry_id(now), _REPRICING, amount, now, said, None, "", text))
    return rows


def new_entry_id(now: int) -> str:
    return "ct_" + format_id(now // 1_000_000, secrets.randbits(ENTROPY_BITS))


def _put(connection: Connection, entry: NewEntry) -> Entry:
    made = Entry(**asdict(entry), id=new_entry_id(entry.created_at))
    insert = insert_by(connection, credit_entries)
    row = asdict(made) | {"kind": made.kind.value}
    if connection.execute(insert.values(row).on_conflict_do_nothing().returning(credit_entries.c.id)).first():
        return made
    entries = credit_entries.c
    same = select(credit_entries).where(
        entries.organization_id == entry.organization_id, entries.reference == entry.reference
    )
    known = _entry(connection.execute(same).one())
    for name in _SAME:
        if getattr(known, name) != getattr(entry, name):
            raise EntryRefused("reference", f"{entry.reference!r} is that of {known.id}, whose {name} is another")
    return known


def _chosen(organization_id: str, kinds: Collection[EntryKind] | None) -> list[ColumnElement[bool]]:
    entries = credit_entries.c
    chosen: list[Any] = [entries.organization_id == organization_id]
    if kinds is not None:
        chosen.append(entries.kind.in_(sorted(kind.value for kind in kinds)))
        if _is_not_of_calls(kinds):
            chosen.append(NOT_OF_CALLS)
    return chosen


def _is_not_of_calls(kinds: Collection[EntryKind] | None) -> bool:
    return kinds is not None and not OF_CALLS & set(kinds)


def _entry(row: Row[Any]) -> Entry:
    values = dict(row._mapping)
    return Entry(**values | {"kind": EntryKind(values["kind"])})

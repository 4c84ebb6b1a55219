"""Limits: added, changed, removed, listed, found. What one may say is `gantry.core.limit_check`'s.

Law: a limit's id names its counters, so what is counted never changes: its scope, subject, unit, period and environment
stay, and its amount, action, name and alerts may become others. A row that this version of Gantry does not read is
shown and can be removed, and breaks no other.

A key with a budget of its own is another key to a worker (DESIGN §5), so a limit that gives one or takes it away
changes the keys it names, and those bound by them, in the same version.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from gantry.core.audit_entry import AuditAction
from gantry.core.limit_check import LimitRefused, check_limit
from gantry.core.limits import ANY_SUBJECT, MOST_LIMITS, Limit, LimitAction, LimitScope, LimitUnit
from gantry.core.periods import Period
from gantry.core.vocabulary import Environment
from gantry.store.control import Change
from gantry.store.control_tables import api_keys, limits
from gantry.store.credentials import ManagedBy

_KEPT: Final = ("id", "scope", "subject", "unit", "period", "environment")
_BUDGETED_UNITS: Final = (LimitUnit.COST, LimitUnit.TOKENS)


class LimitNotFound(LookupError):
    """No limit, or more than one, goes by that name; the message says which."""


class StoredLimit(Struct, frozen=True, kw_only=True):
    """A limit as it is kept."""

    organization_id: str
    limit: Limit
    managed_by: ManagedBy | None = None
    created_at: int = 0
    updated_at: int = 0


class BrokenLimit(Struct, frozen=True):
    """A row that this version of Gantry does not read, and why."""

    id: str
    organization_id: str
    name: str
    reason: str


def add_limit(
    change: Change, organization_id: str, limit: Limit, *, managed_by: ManagedBy | None = None
) -> StoredLimit:
    """Store a limit under an id of its own. Raises LimitRefused."""
    count = select(func.count()).select_from(limits).where(limits.c.organization_id == organization_id)
    if change.connection.scalar(count) >= MOST_LIMITS:  # type: ignore[operator]
        raise LimitRefused("limits", f"there are {MOST_LIMITS} already; remove one, or let one of `*` stand for many")
    stored = StoredLimit(
        organization_id=organization_id,
        limit=check_limit(replace(limit, id=change.new_id())),
        managed_by=managed_by,
        created_at=change.now,
        updated_at=change.now,
    )
    change.connection.execute(insert(limits).values(_values(stored)))
    _change_keys(change, organization_id, stored.limit)
    _note(change, AuditAction.LIMIT_ADDED, stored)
    return stored


def change_limit(change: Change, known: StoredLimit, limit: Limit) -> StoredLimit:
    """Store what a known limit says from now on; what it has counted stays. Raises LimitRefused."""
    for name in _KEPT:
        if getattr(limit, name) != getattr(known.limit, name):
            raise LimitRefused(name, "a limit keeps it, for its counters count by it; make another limit instead")
    stored = replace(known, limit=check_limit(limit), updated_at=change.now)
    if stored.limit == known.limit:
        return known
    change.connection.execute(update(limits).where(limits.c.id == known.limit.id).values(_values(stored)))
    if stored.limit.action is not known.limit.action:
        _change_keys(change, known.organization_id, known.limit)
    _note(change, AuditAction.LIMIT_CHANGED, stored)
    return stored


def remove_limit(change: Change, gone: StoredLimit | BrokenLimit) -> None:
    """Remove a limit. Its counters are forgotten by and by."""
    limit_id = gone.limit.id if isinstance(gone, StoredLimit) else gone.id
    change.connection.execute(delete(limits).where(limits.c.id == limit_id))
    if isinstance(gone, StoredLimit):
        _change_keys(change, gone.organization_id, gone.limit)
        _note(change, AuditAction.LIMIT_REMOVED, gone)
    else:
        change.note(gone.organization_id, AuditAction.LIMIT_REMOVED, gone.name, id=gone.id)


def _note(change: Change, action: AuditAction, stored: StoredLimit) -> None:
    detail = asdict(stored.limit)
    if stored.limit.scope is LimitScope.CUSTOMER:  # who that is must not stay here when they are erased
        del detail["subject"]
    change.note(stored.organization_id, action, stored.limit.name, **detail)


def limits_of(connection: Connection, organization_id: str | None = None) -> list[StoredLimit]:
    """Return the limits of an organization, or of all, the oldest first."""
    return [found for found in read_limits(connection, organization_id) if isinstance(found, StoredLimit)]


def read_limits(connection: Connection, organization_id: str | None = None) -> list[StoredLimit | BrokenLimit]:
    """Return the limits of an organization, or of all, the oldest first, and what cannot be read as one."""
    query = select(limits).order_by(limits.c.created_at, limits.c.id)
    if organization_id is not None:
        query = query.where(limits.c.organization_id == organization_id)
    return [_stored(row) for row in connection.execute(query)]


def find_limit(connection: Connection, organization_id: str, text: str) -> StoredLimit | BrokenLimit:
    """Return the limit with this id or name. Raises LimitNotFound."""
    query = select(limits).where(
        limits.c.organization_id == organization_id, (limits.c.id == text) | (limits.c.name == text)
    )
    # A path may hold a NUL, which PostgreSQL takes in no text.
    found = [] if "\0" in text else [_stored(row) for row in connection.execute(query.order_by(limits.c.created_at))]
    if not found:
        raise LimitNotFound(f"no limit has the id or name {text!r}; see `gantry limits list`")
    if len(found) > 1:
        ids = ", ".join(one.limit.id if isinstance(one, StoredLimit) else one.id for one in found)
        raise LimitNotFound(f"{len(found)} limits are named {text!r}; say which by its id: {ids}")
    return found[0]


def budgeted_keys(stored: Iterable[StoredLimit]) -> dict[str, set[tuple[str, Environment | None]]]:
    """Return by organization which keys have a budget of their own: ids, or ANY_SUBJECT, each with its environment.

    What only warns is no budget, and what counts calls is none either: a call on the provider's account is one,
    but what it costs nobody knows.
    """
    found: dict[str, set[tuple[str, Environment | None]]] = {}
    for one in stored:
        if _is_budget(one.limit) and one.limit.action is LimitAction.BLOCK:
            found.setdefault(one.organization_id, set()).add((one.limit.subject, one.limit.environment))
    return found


def has_budget(
    budgeted: Collection[tuple[str, Environment | None]], key_ids: Iterable[str], environment: Environment
) -> bool:
    """Say whether a key of an environment is among those with a budget, under its own id or one that it is bound by."""
    return any((subject, of) in budgeted for subject in (*key_ids, ANY_SUBJECT) for of in (environment, None))


def _is_budget(limit: Limit) -> bool:
    return limit.scope is LimitScope.API_KEY and limit.unit in _BUDGETED_UNITS


def _change_keys(change: Change, organization_id: str, limit: Limit) -> None:
    """Let the keys that a budget names count as changed, so that a snapshot carries them anew."""
    if not _is_budget(limit):
        return
    where = api_keys.c.organization_id == organization_id
    if limit.subject != ANY_SUBJECT:
        bound = api_keys.c.bound_by.contains(f'"{limit.subject}"', autoescape=True)
        where = and_(where, or_(api_keys.c.id == limit.subject, bound))
    change.connection.execute(update(api_keys).where(where).values(changed_in=change.version))


def _values(stored: StoredLimit) -> dict[str, Any]:
    limit = stored.limit
    return {
        "id": limit.id,
        "organization_id": stored.organization_id,
        "name": limit.name,
        "scope": limit.scope.value,
        "subject": limit.subject,
        "unit": limit.unit.value,
        "period": limit.period.value,
        "amount": limit.amount,
        "action": limit.action.value,
        "environment": None if limit.environment is None else limit.environment.value,
        "alerts": msgspec.json.encode(limit.alerts).decode(),
        "managed_by": None if stored.managed_by is None else stored.managed_by.value,
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }


def _stored(row: Any) -> StoredLimit | BrokenLimit:
    try:
        limit = Limit(
            id=row.id,
            scope=LimitScope(row.scope),
            subject=row.subject,
            unit=LimitUnit(row.unit),
            period=Period(row.period),
            amount=row.amount,
            action=LimitAction(row.action),
            name=row.name,
            environment=None if row.environment is None else Environment(row.environment),
            alerts=msgspec.json.decode(row.alerts, type=tuple[int, ...]),
        )
        check_limit(limit)
        managed_by = None if row.managed_by is None else ManagedBy(row.managed_by)
    except (ValueError, msgspec.DecodeError) as error:
        return BrokenLimit(row.id, row.organization_id, row.name, str(error))
    return StoredLimit(
        organization_id=row.organization_id,
        limit=limit,
        managed_by=managed_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )

"""Many logs deleted, a slice at a time: the oldest first, with what was said and its words.

Law: a slice is one short transaction, so that whoever records waits for none of it, and it begins where the one before
ended, so that no row is looked at twice. Sums, customers and the ledger stay.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, func, or_, select

from gantry.core.vocabulary import Environment
from gantry.store.full_text import take_out
from gantry.store.log_tables import request_log_bodies, request_logs

ROW_BYTES: Final = 1000  # of a log without what was said, with its places in the indexes


class Place(Struct, frozen=True):
    """Between two logs in the order of time."""

    started_at: int = -(2**63)
    seq: int = 0


class Found(Struct, frozen=True):
    """A log that may be deleted, and the bytes it takes."""

    place: Place
    size: int


def old_logs(
    connection: Connection,
    organization_id: str,
    after: Place,
    limit: int,
    *,
    before: int | None = None,
    environment: Environment | None = None,
    said: bool = False,
) -> list[Found]:
    """Return logs that began before a moment and are not pinned, the oldest first; only those with words, if `said`."""
    logs, bodies = request_logs.c, request_log_bodies.c
    body = func.coalesce(func.length(bodies.content), 0)
    statement = (
        select(logs.started_at, logs.seq, body.label("size"))
        .select_from(request_logs.outerjoin(request_log_bodies, bodies.seq == logs.seq))
        .where(
            logs.organization_id == organization_id,
            logs.started_at >= after.started_at,
            or_(logs.started_at > after.started_at, logs.seq > after.seq),
            or_(logs.is_pinned.is_(None), logs.is_pinned.is_(False)),
        )
        .order_by(logs.started_at, logs.seq)
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(logs.started_at < before)
    if environment is not None:
        statement = statement.where(logs.environment == environment.value)
    if said:
        statement = statement.where(bodies.seq.is_not(None))
    rows = connection.execute(statement)
    return [Found(Place(row.started_at, row.seq), row.size + ROW_BYTES) for row in rows]


def delete_logs(connection: Connection, numbers: Sequence[int]) -> None:
    """Delete logs by their numbers, with all that was said."""
    said = request_log_bodies.c.seq.in_(numbers)
    take_out(connection, said)
    connection.execute(delete(request_logs).where(request_logs.c.seq.in_(numbers)))
    connection.execute(delete(request_log_bodies).where(said))


def delete_said(connection: Connection, numbers: Sequence[int]) -> None:
    """Delete what was said in some logs, and its words."""
    wanted = request_log_bodies.c.seq.in_(numbers)
    take_out(connection, wanted)
    connection.execute(delete(request_log_bodies).where(wanted))


def stored_bytes(connection: Connection, organization_id: str) -> int:
    """Return about how many bytes an organization's logs take."""
    logs, bodies = request_logs.c, request_log_bodies.c
    joined = request_logs.outerjoin(request_log_bodies, bodies.seq == logs.seq)
    statement = select(func.count(), func.sum(func.length(bodies.content))).select_from(joined)
    count, said = connection.execute(statement.where(logs.organization_id == organization_id)).one()
    return int(count) * ROW_BYTES + int(said or 0)


def oldest_log(connection: Connection, organization_id: str) -> int | None:
    """Return when the oldest log began."""
    owned = request_logs.c.organization_id == organization_id
    oldest: int | None = connection.scalar(select(func.min(request_logs.c.started_at)).where(owned))
    return oldest


def count_old_logs(connection: Connection, organization_id: str, cuts: dict[Environment, int], most: int) -> int:
    """Return how many logs began before the cut of their environment and are not pinned; `most` at most."""
    logs = request_logs.c
    old = or_(*(and_(logs.environment == of.value, logs.started_at < cut) for of, cut in cuts.items()))
    conditions: list[ColumnElement[bool]] = [logs.organization_id == organization_id, old]
    conditions.append(or_(logs.is_pinned.is_(None), logs.is_pinned.is_(False)))
    conditions.append(logs.started_at < max(cuts.values()))
    some = select(logs.seq).where(*conditions).limit(most).subquery()
    return int(connection.scalar(select(func.count()).select_from(some)) or 0)

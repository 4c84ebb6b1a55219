"""Erasures: what is to be forgotten of a customer, a slice at a time, and the receipt that stays.

Law: a slice deletes and counts in one transaction, under the receipt's own lock, so that clerks of several machines
count nothing twice, and whoever dies in between goes on from there.
"""

from collections.abc import Sequence

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, Connection, Row, and_, delete, func, insert, or_, select, update

from gantry.core.erasure import Erased, Erasure
from gantry.core.limits import LimitScope
from gantry.core.vocabulary import Environment
from gantry.store.log_deletion import delete_logs
from gantry.store.log_tables import (
    alerts,
    cached_answers,
    customer_days,
    customers,
    deliveries,
    erasures,
    request_logs,
)

_UNFINISHED = '%"subject":%'
_decode = msgspec.json.Decoder(Erased).decode


def add_erasure(connection: Connection, erasure: Erasure) -> None:
    values = structs.asdict(erasure)
    connection.execute(insert(erasures).values(counts=_text(values.pop("erased")), **values))


def erasures_of(connection: Connection, organization_id: str, limit: int, offset: int = 0) -> list[Erasure]:
    """Return a page of an organization's receipts, the newest first."""
    owned = select(erasures).where(erasures.c.organization_id == organization_id)
    newest = owned.order_by(erasures.c.erased_at.desc(), erasures.c.id.desc()).limit(limit).offset(offset)
    return [_erasure(row) for row in connection.execute(newest)]


def count_erasures(connection: Connection, organization_id: str | None = None) -> int:
    statement = select(func.count()).select_from(erasures)
    if organization_id is not None:
        statement = statement.where(erasures.c.organization_id == organization_id)
    return int(connection.scalar(statement) or 0)


def find_erasure(connection: Connection, organization_id: str, erasure_id: str) -> Erasure | None:
    owned = and_(erasures.c.organization_id == organization_id, erasures.c.id == erasure_id)
    row = connection.execute(select(erasures).where(owned)).first()
    return None if row is None else _erasure(row)


def all_erasures(connection: Connection) -> list[Erasure]:
    return [_erasure(row) for row in connection.execute(select(erasures))]


def unfinished_erasures(connection: Connection) -> list[Erasure]:
    """Return what is under way, the oldest first."""
    waiting = select(erasures).where(erasures.c.counts.like(_UNFINISHED)).order_by(erasures.c.erased_at)
    return [found for row in connection.execute(waiting) if (found := _erasure(row)).erased.subject is not None]


def erase_slice(connection: Connection, erasure: Erasure, limit: int) -> tuple[Erasure, list[str], int]:
    """Erase some logs; return the receipt as it is then, the names of cached answers to forget, and how many logs."""
    erasure = _locked(connection, erasure)
    logs = request_logs.c
    conditions = [
        logs.organization_id == erasure.organization_id,
        logs.customer_identifier == erasure.erased.subject,
        logs.started_at <= erasure.erased_at,
    ]
    if erasure.environment is not None:
        conditions.append(logs.environment == erasure.environment.value)
    found = connection.execute(select(logs.seq, logs.log_id, logs.started_at).where(*conditions).limit(limit)).all()
    if not found:
        return erasure, [], 0
    kept = cached_answers.c
    names = list(
        connection.scalars(
            delete(cached_answers)
            .where(kept.organization_id == erasure.organization_id, kept.log_id.in_([row.log_id for row in found]))
            .returning(kept.cache_key)
        )
    )
    delete_logs(connection, [row.seq for row in found])
    times = [row.started_at for row in found]
    erasure = structs.replace(
        erasure,
        erased=structs.replace(
            erasure.erased,
            logs=erasure.erased.logs + len(found),
            cached_answers=erasure.erased.cached_answers + len(names),
        ),
        oldest_at=min([*times, *([] if erasure.oldest_at is None else [erasure.oldest_at])]),
        newest_at=max([*times, *([] if erasure.newest_at is None else [erasure.newest_at])]),
    )
    _put(connection, erasure)
    return erasure, names, len(found)


def erase_customer(connection: Connection, erasure: Erasure) -> Erasure:
    """Forget the customer with its sums by day, and what was told about it."""
    erasure = _locked(connection, erasure)
    subject = erasure.erased.subject
    environments: Sequence[str] = [one.value for one in Environment if erasure.environment in (None, one)]
    gone = 0
    for table in (customer_days, customers):
        columns = table.c
        theirs = and_(
            columns.organization_id == erasure.organization_id,
            columns.environment.in_(environments),
            columns.customer_identifier == subject,
        )
        gone = connection.execute(delete(table).where(theirs)).rowcount
    told = connection.execute(
        delete(alerts).where(
            alerts.c.organization_id == erasure.organization_id,
            or_(alerts.c.environment.is_(None), alerts.c.environment.in_(environments)),
            _names(alerts.c.payload, subject or ""),
        )
    ).rowcount
    connection.execute(
        delete(deliveries).where(
            deliveries.c.organization_id == erasure.organization_id, _names(deliveries.c.payload, subject or "")
        )
    )
    erased = structs.replace(
        erasure.erased, customers=erasure.erased.customers + gone, alerts=erasure.erased.alerts + told
    )
    erasure = structs.replace(erasure, erased=erased)
    _put(connection, erasure)
    return erasure


def _names(payload: ColumnElement[str], subject: str) -> ColumnElement[bool]:
    """Say whether an alert is about a customer; one that is called `test` is in other words of many others."""
    quoted = msgspec.json.encode(subject).decode()
    places = ('"customer_identifier":', f'"scope":"{LimitScope.CUSTOMER.value}","limit_subject":')
    return or_(*(payload.contains(place + quoted, autoescape=True) for place in places))


def finish_erasure(connection: Connection, erasure: Erasure, at: int, rejected: int) -> None:
    """Write the receipt as it stays: without the identifier."""
    erasure = _locked(connection, erasure)
    if erasure.erased.finished_at is None:
        erased = structs.replace(erasure.erased, subject=None, finished_at=at, rejected=rejected)
        _put(connection, structs.replace(erasure, erased=erased))


def _locked(connection: Connection, erasure: Erasure) -> Erasure:
    row = connection.execute(select(erasures).where(erasures.c.id == erasure.id).with_for_update()).one()
    return _erasure(row)


def _put(connection: Connection, erasure: Erasure) -> None:
    values = {"counts": _text(erasure.erased), "oldest_at": erasure.oldest_at, "newest_at": erasure.newest_at}
    connection.execute(update(erasures).where(erasures.c.id == erasure.id).values(values))


def _text(erased: Erased) -> str:
    return msgspec.json.encode(erased).decode()


def _erasure(row: Row[tuple[object, ...]]) -> Erasure:
    values = dict(row._mapping)
    values["erased"] = _decode(str(values.pop("counts")))
    environment = values["environment"]
    values["environment"] = None if environment is None else Environment(str(environment))
    return Erasure(**values)

"""Alerts that were raised, and their deliveries: an outbox, written in the transaction of whatever is told.

Law: what is said is said once, and surely. An alert is unique by organization, event and subject, and only the one who
inserts it puts its deliveries beside it. Whoever delivers claims a delivery first, by moving its time to when the claim
is over: if nobody says until then what became of it, it is due again. So each arrives at least once, and a receiver
knows a second time by the id, which stays the same.

A delivery of a request log holds the log's id and no content, and goes when it is delivered: the log is the record.
"""

import secrets
from collections.abc import Collection, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, or_, select, update

from gantry.core.alert import Alert, Event, payload_of
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.request_log import RequestLog
from gantry.store.alert_channels import Channel
from gantry.store.log_rows import storable
from gantry.store.log_tables import alerts, deliveries
from gantry.store.upsert import insert_by

_DAY: Final = 86_400_000_000_000
KEPT_DELIVERED: Final = 7 * _DAY
KEPT_DEAD: Final = 30 * _DAY
MOST_AT_ONCE: Final = 10_000  # that are given up or deleted while nobody else writes
_SHOWN_ERROR: Final = 500  # characters


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # it was tried often enough; people may have it tried again


class Outbox(Struct, frozen=True):
    """What a batch of records gives reason to tell, and to whom. `at` is when, in ns since the epoch."""

    alerts: Sequence[Alert] = ()
    channels: Sequence[Channel] = ()
    at: int = 0


NOTHING_TO_TELL: Final = Outbox()


class RaisedAlert(Struct, frozen=True):
    id: str
    organization_id: str
    environment: str | None
    event: str
    subject: str
    message: str
    payload: str
    raised_at: int


class Delivery(Struct, frozen=True):
    """`attempts` counts the one that is under way. `payload` is JSON, or a request log's id."""

    id: str
    organization_id: str
    channel_id: str
    event: str
    payload: str
    state: DeliveryState
    attempts: int
    next_at: int
    created_at: int
    delivered_at: int | None
    last_error: str | None


class Delivered(Struct, frozen=True):
    """What became of an attempt: it arrived, or is to be tried `again_at`, or (None) is given up."""

    delivery: Delivery
    at: int
    error: str | None = None
    again_at: int | None = None


def raise_alert(connection: Connection, alert: Alert, channels: Iterable[Channel], now: int) -> bool:
    """Store an alert with a delivery to each channel that wants it; False where the same was said before."""
    insert_new = insert_by(connection, alerts)
    alert_id = _new_id(now)
    payload = payload_of(alert, alert_id, now)
    subject, message = storable((alert.subject, alert.message))
    row = {
        "id": alert_id,
        "organization_id": alert.organization_id,
        "environment": alert.environment,
        "event": alert.event,
        "subject": subject,
        "message": message,
        "payload": payload,
        "raised_at": now,
    }
    same = ["organization_id", "event", "subject"]
    statement = insert_new.values(row).on_conflict_do_nothing(index_elements=same).returning(alerts.c.id)
    if connection.execute(statement).first() is None:
        return False
    for channel in channels:
        if channel.wants(alert.organization_id, alert.event, alert.environment):
            add_delivery(connection, channel, alert.event, payload, now)
    return True


def add_delivery(connection: Connection, channel: Channel, event: Event, payload: str, now: int) -> str:
    """Put a delivery to a channel into the outbox, and return its id."""
    row = _delivery_row(channel, event, payload, now)
    connection.execute(insert(deliveries).values(row))
    return str(row["id"])


def post(connection: Connection, outbox: Outbox, logs: Iterable[RequestLog]) -> None:
    """Store what an outbox tells, and a delivery of each new log to the channels that are told of logs.

    Alerts go in the order of their subjects, so that two nodes do not lock each other out.
    """
    in_order = sorted(outbox.alerts, key=lambda one: (one.organization_id, one.event, one.subject))
    for alert in in_order:
        raise_alert(connection, alert, outbox.channels, outbox.at)
    listening = [channel for channel in outbox.channels if Event.REQUEST_LOG in channel.events]
    rows = [
        _delivery_row(channel, Event.REQUEST_LOG, log.log_id, outbox.at)
        for log in (logs if listening else ())
        for channel in listening
        if channel.wants(log.organization_id, Event.REQUEST_LOG, log.environment)
    ]
    if rows:
        connection.execute(insert(deliveries), rows)


def due_among(connection: Connection, channel_ids: Iterable[str], now: int) -> list[str]:
    """Return the channels to which something is due; a look at an index for each."""
    query = select(deliveries.c.id).where(_is_due(now), deliveries.c.channel_id == bindparam("channel")).limit(1)
    return [one for one in channel_ids if connection.execute(query, {"channel": one}).first() is not None]


def claim_due(connection: Connection, channel_id: str, now: int, until: int, limit: int) -> list[Delivery]:
    """Take a channel's next deliveries; they are nobody else's until then."""
    query = (
        select(deliveries)
        .where(_is_due(now), deliveries.c.channel_id == channel_id)
        .order_by(deliveries.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    claimed = [_delivery(row) for row in connection.execute(query)]
    if claimed:
        values = {"next_at": until, "attempts": deliveries.c.attempts + 1}
        ids = [delivery.id for delivery in claimed]
        connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(values))
    return [msgspec.structs.replace(one, attempts=one.attempts + 1, next_at=until) for one in claimed]


def settle(connection: Connection, results: Iterable[Delivered]) -> None:
    """Store what became of attempts."""
    for result in results:
        where = deliveries.c.id == result.delivery.id
        error = None if result.error is None else result.error[:_SHOWN_ERROR]
        if result.error is None and result.delivery.event == Event.REQUEST_LOG:
            connection.execute(delete(deliveries).where(where))
            continue
        values: dict[str, Any] = {"last_error": error}
        if error is None:
            values |= {"state": DeliveryState.DELIVERED, "delivered_at": result.at}
        elif result.again_at is None:
            values |= {"state": DeliveryState.DEAD}
        else:
            values |= {"next_at": result.again_at}
        connection.execute(update(deliveries).where(where).values(values))


def bury_orphans(connection: Connection, known: Collection[str], before: int, *, most: int = MOST_AT_ONCE) -> int:
    """Give up what is on its way to channels that are gone, and was `before` a time; return how much that was.

    A channel that was down for long may have had a million on their way: no more than so many at once.
    """
    gone = [channel_id for channel_id in _awaited(connection) if channel_id not in known]
    if not gone:
        return 0
    columns = deliveries.c
    some = (
        select(columns.id)
        .where(columns.state == DeliveryState.PENDING, columns.channel_id.in_(gone), columns.created_at < before)
        .limit(most)
    )
    values = {"state": DeliveryState.DEAD, "last_error": "its channel was removed"}
    return connection.execute(update(deliveries).where(columns.id.in_(some)).values(values)).rowcount


def _awaited(connection: Connection) -> Iterator[str]:
    """Yield the channels to which something is on its way: a look at an index for each, however much that is."""
    columns = deliveries.c
    following = select(func.min(columns.channel_id)).where(
        columns.state == DeliveryState.PENDING, columns.channel_id > bindparam("last")
    )
    channel_id = connection.scalar(following, {"last": ""})
    while channel_id is not None:
        yield channel_id
        channel_id = connection.scalar(following, {"last": channel_id})


def prune_deliveries(connection: Connection, now: int, *, most: int = MOST_AT_ONCE) -> int:
    """Delete what was delivered, or given up, long ago; return how much that was: no more than so many at once."""
    columns = deliveries.c
    dead = columns.state.concat("") == DeliveryState.DEAD  # by the index of states, all of them would be looked at
    old = (
        and_(columns.state == DeliveryState.DELIVERED, columns.created_at < now - KEPT_DELIVERED),
        and_(columns.id < _first_id(now - KEPT_DEAD), dead),
    )
    some = (select(columns.id).where(one).limit(most) for one in old)
    return sum(connection.execute(delete(deliveries).where(columns.id.in_(ids))).rowcount for ids in some)


def redeliver(connection: Connection, organization_id: str, ids: Collection[str], now: int) -> int:
    """Have deliveries tried again from the first attempt on, at once; return how many of them there were."""
    where = and_(deliveries.c.organization_id == organization_id, deliveries.c.id.in_(ids))
    values = {"state": DeliveryState.PENDING, "attempts": 0, "next_at": now, "delivered_at": None}
    return connection.execute(update(deliveries).where(where).values(values)).rowcount


def alerts_of(connection: Connection, organization_id: str, limit: int, before: str | None = None) -> list[RaisedAlert]:
    """Return an organization's alerts, the newest first; those `before` the one with that id."""
    query = select(alerts).where(alerts.c.organization_id == organization_id)
    if before is not None:
        mark = select(alerts.c.raised_at).where(alerts.c.id == before, alerts.c.organization_id == organization_id)
        raised_at = connection.execute(mark).scalar()
        if raised_at is None:  # there is none with that id
            return []
        query = query.where(
            or_(alerts.c.raised_at < raised_at, and_(alerts.c.raised_at == raised_at, alerts.c.id < before))
        )
    query = query.order_by(alerts.c.raised_at.desc(), alerts.c.id.desc()).limit(limit)
    return [RaisedAlert(**row._mapping) for row in connection.execute(query)]


def deliveries_of(
    connection: Connection, organization_id: str, limit: int, state: DeliveryState | None = None
) -> list[Delivery]:
    """Return an organization's deliveries, the newest first."""
    query = select(deliveries).where(deliveries.c.organization_id == organization_id)
    if state is not None:
        query = query.where(deliveries.c.state == state)
    query = query.order_by(deliveries.c.created_at.desc(), deliveries.c.id.desc()).limit(limit)
    return [_delivery(row) for row in connection.execute(query)]


def find_delivery(connection: Connection, organization_id: str, delivery_id: str) -> Delivery | None:
    where = and_(deliveries.c.organization_id == organization_id, deliveries.c.id == delivery_id)
    row = connection.execute(select(deliveries).where(where)).one_or_none()
    return None if row is None else _delivery(row)


def count_deliveries(connection: Connection, organization_id: str) -> dict[str, int]:
    """Return how many deliveries there are, by state."""
    query = (
        select(deliveries.c.state, func.count())
        .where(deliveries.c.organization_id == organization_id)
        .group_by(deliveries.c.state)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _is_due(now: int) -> Any:
    return and_(deliveries.c.state == DeliveryState.PENDING, deliveries.c.next_at <= now)


def _delivery_row(channel: Channel, event: Event, payload: str, now: int) -> dict[str, Any]:
    return {
        "id": _new_id(now),
        "organization_id": channel.organization_id,
        "channel_id": channel.id,
        "event": event,
        "payload": storable((payload,))[0],
        "state": DeliveryState.PENDING,
        "attempts": 0,
        "next_at": now,
        "created_at": now,
    }


def _delivery(row: Row[Any]) -> Delivery:
    values = dict(row._mapping)
    values["state"] = DeliveryState(row.state)
    return Delivery(**values)


def _first_id(at: int) -> str:
    """Return the id before which all ids are that were made before a time."""
    return format_id(at // 1_000_000, 0)


def _new_id(now: int) -> str:
    return format_id(now // 1_000_000, secrets.randbits(ENTROPY_BITS))

"""What organizations and their API keys spent by the hour, from the sums."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from gantry.store.log_tables import hour_sums
from gantry.store.whole_sum import WholeSum


def spent_in_hour(connection: Connection, organization_id: str, hour: int) -> dict[str, int]:
    """Return what an organization's keys spent in an hour since the epoch; "" is without a key."""
    columns = hour_sums.c
    query = (
        select(columns.key_id, WholeSum(columns.cost))
        .where(columns.organization_id == organization_id, columns.hour == hour)
        .group_by(columns.key_id)
    )
    return {key_id: int(cost) for key_id, cost in connection.execute(query)}


def spent_in_hours(
    connection: Connection, organization_id: str, hours: Collection[int], key_id: str | None = None
) -> dict[int, int]:
    """Return what an organization, or one of its keys, spent in each of some hours; without those of nothing."""
    columns = hour_sums.c
    query = (
        select(columns.hour, WholeSum(columns.cost))
        .where(columns.organization_id == organization_id, columns.hour.in_(hours))
        .group_by(columns.hour)
    )
    if key_id is not None:
        query = query.where(columns.key_id == key_id)
    return {int(hour): int(cost) for hour, cost in connection.execute(query)}

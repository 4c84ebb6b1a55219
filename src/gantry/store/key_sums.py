"""What API keys were used for, from the sums by day and the newest of their logs."""

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, func, select

from gantry.store.log_tables import day_sums, request_logs
from gantry.store.whole_sum import WholeSum

_DAY: Final = 86_400_000_000_000


class KeySums(Struct, frozen=True):
    """Of all its calls; `last_used` is ns since the epoch, or the beginning of a day whose logs are gone."""

    requests: int = 0
    cost: int = 0
    last_used: int | None = None


def sum_keys(connection: Connection, organization_id: str, key_ids: Collection[str]) -> Mapping[str, KeySums]:
    """Return what is known of some keys; of a key that was never used, nothing."""
    if not key_ids:
        return {}
    by_day = day_sums.c
    summed = (
        select(by_day.key_id, WholeSum(by_day.requests), WholeSum(by_day.cost), func.max(by_day.day))
        .where(by_day.organization_id == organization_id, by_day.key_id.in_(key_ids))
        .group_by(by_day.key_id)
    )
    return {
        key_id: KeySums(
            int(requests or 0), int(cost or 0), _newest(connection, organization_id, key_id) or int(day) * _DAY
        )
        for key_id, requests, cost, day in connection.execute(summed)
    }


def _newest(connection: Connection, organization_id: str, key_id: str) -> int | None:
    logs = request_logs.c
    owned = (logs.organization_id == organization_id) & (logs.key_id == key_id)
    newest: int | None = connection.scalar(select(func.max(logs.started_at)).where(owned))
    return newest

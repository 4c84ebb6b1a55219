"""Rollups: sums by hour, so that a dashboard reads hundreds of rows and not millions.

Law: only logs really inserted are counted; the store calls this in the transaction that inserted them.
"""

from collections.abc import Iterable

from gantry.core.request_log import RequestLog, tokens_per_second, total_tokens
from gantry.core.vocabulary import Outcome
from gantry.store.log_rows import INDEXED_LENGTH
from gantry.store.tables import rollups

_HOUR = 3_600_000_000_000
_FINE = frozenset((Outcome.SUCCESS, Outcome.LOGGED))

KEY = tuple(column.name for column in rollups.primary_key)
SUMS = tuple(column.name for column in rollups.c if column.name not in KEY)

Bucket = tuple[str, int, str, str, str, str, str]


def rollup_rows(logs: Iterable[RequestLog]) -> list[tuple[str | int, ...]]:
    """Return what these logs add, a row for each bucket; sorted, so that two writers lock rows in one order."""
    buckets: dict[Bucket, list[int]] = {}
    for log in logs:
        bucket: Bucket = (
            log.organization_id,
            log.started_at // _HOUR,
            log.environment,
            log.key_id or "",
            (log.model or "")[:INDEXED_LENGTH],
            (log.provider_id or "")[:INDEXED_LENGTH],
            log.outcome,
        )
        sums = buckets.get(bucket)
        if sums is None:
            sums = buckets[bucket] = [0] * len(SUMS)
        _add(sums, log)
    return [(*bucket, *buckets[bucket]) for bucket in sorted(buckets)]


def _add(sums: list[int], log: RequestLog) -> None:
    """Add one log, in the order of SUMS."""
    usage = log.usage
    sums[0] += 1
    if log.outcome not in _FINE or log.status_code >= 400:
        sums[1] += 1
    sums[2] += usage.input_tokens or 0
    sums[3] += usage.cached_input_tokens or 0
    sums[4] += usage.output_tokens or 0
    sums[5] += total_tokens(log) or 0
    if log.cost is not None:
        sums[6] += log.cost
    if log.price_missing:
        sums[7] += 1
    if log.latency is not None:
        sums[8] += log.latency
        sums[9] += 1
    if log.time_to_first_token is not None:
        sums[10] += log.time_to_first_token
        sums[11] += 1
    speed = tokens_per_second(log)
    if speed is not None:
        sums[12] += round(speed * 1000)
        sums[13] += 1

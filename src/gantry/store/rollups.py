"""Rollups: sums by hour and by day, so that a dashboard reads hundreds of rows and not millions.

Law: only logs really inserted are counted; the store calls this in the transaction that inserted them, or priced them
again.
"""

from collections.abc import Iterable
from operator import add

from gantry.core.priced_log import NewPrice, PricedLog
from gantry.core.request_log import RequestLog, is_cache_hit, tokens_per_second, total_tokens
from gantry.core.vocabulary import Outcome
from gantry.store.log_rows import INDEXED_LENGTH
from gantry.store.tables import rollups

_HOUR = 3_600_000_000_000
_FINE = frozenset((Outcome.SUCCESS, Outcome.LOGGED))

_HOURS_OF_A_DAY = 24

SUMS = tuple(column.name for column in rollups.c if not column.primary_key)
_COST, _UNPRICED = map(SUMS.index, ("cost", "unpriced"))

Bucket = tuple[str, int, str, str, str, str, str]
Buckets = dict[Bucket, list[int]]
SumRow = tuple[str | int, ...]


def rollup_rows(logs: Iterable[RequestLog]) -> tuple[list[SumRow], list[SumRow]]:
    """Return what these logs add, a row for each bucket of an hour, and of a day."""
    return _rows_by_span(_by_hour(logs))


def drift_rows(prices: Iterable[NewPrice]) -> tuple[list[SumRow], list[SumRow]]:
    """Return what other prices add to the sums of the hours and the days of their logs."""
    hours: Buckets = {}
    for price in prices:
        before, bucket = price.log, _bucket_of(price.log)
        sums = hours.get(bucket)
        if sums is None:
            sums = hours[bucket] = [0] * len(SUMS)
        sums[_COST] += (price.cost or 0) - (before.cost or 0)
        sums[_UNPRICED] += price.price_missing - before.price_missing
    return _rows_by_span(hours)


def _rows_by_span(hours: Buckets) -> tuple[list[SumRow], list[SumRow]]:
    days: Buckets = {}
    for hour, sums in hours.items():
        bucket: Bucket = (hour[0], hour[1] // _HOURS_OF_A_DAY, *hour[2:])
        known = days.get(bucket)
        days[bucket] = sums if known is None else [*map(add, known, sums)]
    return _rows_of(hours), _rows_of(days)


def _rows_of(buckets: Buckets) -> list[SumRow]:
    """Return rows sorted, so that two writers lock them in one order."""
    return [(*bucket, *buckets[bucket]) for bucket in sorted(buckets)]


def _by_hour(logs: Iterable[RequestLog]) -> Buckets:
    buckets: Buckets = {}
    for log in logs:
        bucket = _bucket_of(log)
        sums = buckets.get(bucket)
        if sums is None:
            sums = buckets[bucket] = [0] * len(SUMS)
        _add(sums, log)
    return buckets


def _bucket_of(log: RequestLog | PricedLog) -> Bucket:
    return (
        log.organization_id,
        log.started_at // _HOUR,
        log.environment,
        log.key_id or "",
        (log.model or "")[:INDEXED_LENGTH],
        (log.provider_id or "")[:INDEXED_LENGTH],
        log.outcome,
    )


def _add(sums: list[int], log: RequestLog) -> None:
    """Add one log, in the order of SUMS."""
    usage = log.usage
    sums[0] += 1
    if log.outcome not in _FINE or log.status_code >= 400:
        sums[1] += 1
    if is_cache_hit(log):  # whose tokens nobody bought
        sums[14] += 1
        sums[15] += total_tokens(log) or 0
        sums[16] += log.cache_savings or 0
    else:
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

"""Rollups: what logs add to the sums by minute, hour and day, so that a dashboard reads some rows and not millions.

Law: only logs really inserted are counted; the store calls this in the transaction that inserted them, or priced them
again. A day is the sum of its hours and an hour that of its minutes, to the nano-dollar.
"""

from collections.abc import Iterable, Mapping
from operator import add
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, delete

from gantry.core.log_figures import is_cache_hit, tokens_per_second, total_tokens
from gantry.core.priced_log import NewPrice, PricedLog
from gantry.core.request_log import RequestLog
from gantry.core.sketch import Sketch, merge, sketch_of
from gantry.core.vocabulary import Outcome
from gantry.store.log_rows import INDEXED_LENGTH
from gantry.store.log_tables import minute_sums

MINUTE: Final = 60_000_000_000
MINUTES_KEPT: Final = 3 * 24 * 60
_FINE: Final = frozenset((Outcome.SUCCESS, Outcome.LOGGED))
_FASTEST: Final = 10**12  # thousandths: a posted latency of a nanosecond makes a speed that bursts its sum
_MINUTES_OF_AN_HOUR: Final = 60
_HOURS_OF_A_DAY: Final = 24

SUMS: Final = tuple(column.name for column in minute_sums.c if not column.primary_key)
DRIFTING: Final = ("cost", "charged", "unpriced")  # what another price changes
_COST, _CHARGED, _UNPRICED = map(SUMS.index, DRIFTING)
_BUCKET: Final = len(minute_sums.primary_key.columns)
_NOTHING: Final = [0] * len(SUMS)

Bucket = tuple[str, int, str, str, str, str, str, str, int]
Called = tuple[str, int, str, str, str, str, str]  # a bucket without how calls ended
Sketches = tuple[Sketch, Sketch, Sketch]  # of latencies, times to the first token and speeds
SumRow = tuple[str | int, ...]
SketchRow = tuple[Called, Sketches]
_Amounts = tuple[int, ...]  # what one log adds, in the order of SUMS
_Values = tuple[list[int], list[int], list[int]]


class Rollup(Struct, frozen=True):
    """What some logs add: a row for each bucket, sorted, so that two writers lock them in one order."""

    minutes: list[SumRow]
    hours: list[SumRow]
    days: list[SumRow]
    hour_sketches: list[SketchRow] = []
    day_sketches: list[SketchRow] = []


def rollup_of(logs: Iterable[RequestLog]) -> Rollup:
    """Return what these logs add. Amounts are gathered log by log, and added up bucket by bucket."""
    gathered: dict[Bucket, tuple[list[_Amounts], _Values]] = {}
    for log in logs:
        bucket = _bucket_of(log)
        found = gathered.get(bucket)
        if found is None:
            found = gathered[bucket] = [], ([], [], [])
        amounts, (latencies, firsts, speeds) = found
        speed = tokens_per_second(log)
        thousandths = None if speed is None else min(round(speed * 1000), _FASTEST)
        amounts.append(_amounts_of(log, thousandths))
        if log.latency is not None:
            latencies.append(log.latency)
        if log.time_to_first_token is not None:
            firsts.append(log.time_to_first_token)
        if thousandths is not None:
            speeds.append(thousandths)
    minutes = {bucket: [*map(sum, zip(*amounts, strict=True))] for bucket, (amounts, _) in gathered.items()}
    hours = _sketched({bucket: values for bucket, (_, values) in gathered.items() if any(values)})
    return _rollup_by(minutes, _sorted_sketches(hours), _sorted_sketches(_sketches_by_day(hours)))


def prune_minutes(connection: Connection, now: int) -> int:
    """Delete the sums of minutes that are not kept any longer, and return how many those were."""
    old = minute_sums.c.minute < now // MINUTE - MINUTES_KEPT
    return connection.execute(delete(minute_sums).where(old)).rowcount


def drift_of(prices: Iterable[NewPrice]) -> Rollup:
    """Return what other prices add to the sums of their logs."""
    minutes: dict[Bucket, list[int]] = {}
    for price in prices:
        before, bucket = price.log, _bucket_of(price.log)
        sums = minutes.get(bucket)
        if sums is None:
            sums = minutes[bucket] = _NOTHING.copy()
        sums[_COST] += (price.cost or 0) - (before.cost or 0)
        sums[_CHARGED] += (price.charged or 0) - (before.charged or 0)
        sums[_UNPRICED] += price.price_missing - before.price_missing
    return _rollup_by(minutes, [], [])


def drift_of_minutes(drift: Rollup) -> list[SumRow]:
    """Return what other prices add to minutes that are kept: DRIFTING, then the bucket. Those that went stay away."""
    return [
        (*(row[_BUCKET + place] for place in (_COST, _CHARGED, _UNPRICED)), *row[:_BUCKET]) for row in drift.minutes
    ]


def _rollup_by(
    minutes: dict[Bucket, list[int]], hour_sketches: list[SketchRow], day_sketches: list[SketchRow]
) -> Rollup:
    hours = _by_longer_sums(minutes, _MINUTES_OF_AN_HOUR)
    days = _by_longer_sums(hours, _HOURS_OF_A_DAY)
    return Rollup(_sorted_sums(minutes), _sorted_sums(hours), _sorted_sums(days), hour_sketches, day_sketches)


def _by_longer_sums(buckets: dict[Bucket, list[int]], length: int) -> dict[Bucket, list[int]]:
    """Return sums by a span of time that is so many times as long."""
    longer: dict[Bucket, list[int]] = {}
    for bucket, sums in buckets.items():
        at: Bucket = (bucket[0], bucket[1] // length, *bucket[2:])
        known = longer.get(at)
        longer[at] = sums if known is None else [*map(add, known, sums)]
    return longer


def _sketched(minutes: Mapping[Bucket, _Values]) -> dict[Called, Sketches]:
    """Return the distributions by hour of values by minute."""
    hours: dict[Called, _Values] = {}
    for bucket, values in minutes.items():
        called = (bucket[0], bucket[1] // _MINUTES_OF_AN_HOUR, *bucket[2:7])
        for known, some in zip(hours.setdefault(called, ([], [], [])), values, strict=True):
            known += some
    return {called: (sketch_of(one), sketch_of(two), sketch_of(three)) for called, (one, two, three) in hours.items()}


def _sketches_by_day(hours: Mapping[Called, Sketches]) -> dict[Called, Sketches]:
    days: dict[Called, Sketches] = {}
    for called, sketches in hours.items():
        day: Called = (called[0], called[1] // _HOURS_OF_A_DAY, *called[2:])
        for known, some in zip(days.setdefault(day, ({}, {}, {})), sketches, strict=True):
            merge(known, some)
    return days


def _sorted_sums(buckets: dict[Bucket, list[int]]) -> list[SumRow]:
    return [(*bucket, *buckets[bucket]) for bucket in sorted(buckets)]


def _sorted_sketches(buckets: Mapping[Called, Sketches]) -> list[SketchRow]:
    return [(called, buckets[called]) for called in sorted(buckets)]


def _bucket_of(log: RequestLog | PricedLog) -> Bucket:
    model, provider_id = log.model or "", log.provider_id or ""
    if len(model) > INDEXED_LENGTH:
        model = model[:INDEXED_LENGTH]
    if len(provider_id) > INDEXED_LENGTH:
        provider_id = provider_id[:INDEXED_LENGTH]
    return (
        log.organization_id,
        log.started_at // MINUTE,
        log.environment,
        log.key_id or "",
        model,
        provider_id,
        log.credential_id or "",
        log.outcome,
        log.status_code,
    )


def _amounts_of(log: RequestLog, speed: int | None) -> _Amounts:
    """Return what one log adds, in the order of SUMS."""
    usage, latency, first = log.usage, log.latency, log.time_to_first_token
    hit = is_cache_hit(log)  # whose tokens nobody bought
    total = total_tokens(log) or 0
    return (
        1,
        1 if log.status_code >= 400 or log.outcome not in _FINE else 0,
        0 if hit else usage.input_tokens or 0,
        0 if hit else usage.cached_input_tokens or 0,
        0 if hit else usage.cache_write_tokens or 0,
        0 if hit else usage.output_tokens or 0,
        0 if hit else usage.reasoning_tokens or 0,
        0 if hit else total,
        log.cost or 0,
        log.charged or 0,
        1 if log.price_missing else 0,
        latency or 0,
        0 if latency is None else 1,
        first or 0,
        0 if first is None else 1,
        speed or 0,
        0 if speed is None else 1,
        1 if hit else 0,
        total if hit else 0,
        (log.cache_savings or 0) if hit else 0,
    )

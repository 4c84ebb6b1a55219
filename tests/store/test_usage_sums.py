"""Sums by buckets of time are the same from days, hours, minutes and rows, in every zone, and groups add up."""

import random
from collections import defaultdict
from collections.abc import Callable

import pytest
from msgspec import structs
from sqlalchemy import event

from gantry.core.log_figures import is_cache_hit, tokens_per_second, total_tokens
from gantry.core.request_log import CACHED_MODEL, RequestLog
from gantry.core.sketch import quantile
from gantry.core.time_range import DAY, HOUR, MINUTE, QUARTER, Tick, TimeRange, make_range
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, Outcome
from gantry.store.active_customers import count_all, count_by_bucket
from gantry.store.log_filter import AllOf, Condition, Operator, field_named
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.rollups import MINUTES_KEPT, prune_minutes
from gantry.store.usage_quantiles import read_sketches
from gantry.store.usage_sums import (
    CUSTOMER_MEASURES,
    MEASURES,
    Found,
    Sums,
    UsageQuery,
    largest_customers,
    read_bytes,
    read_usage,
    sum_customers,
)
from tests.store.logs_of_tests import ORGANIZATION, OTHER, make_log

START = 20_000 * DAY
SPEED = MEASURES.index("speed_sum")
BY = {
    "model": lambda log: log.model,
    "organization_key_id": lambda log: log.key_id,
    "provider_id": lambda log: log.provider_id,
    "credential_id": lambda log: log.credential_id,
    "customer_identifier": lambda log: log.customer_identifier,
    "prompt_id": lambda log: "p" if log.extra else None,
}


def some_logs(count: int = 400) -> list[RequestLog]:
    chance = random.Random(7)
    return [
        make_log(
            str(number),
            organization_id=OTHER if number % 10 == 0 else ORGANIZATION,
            environment=Environment.TEST if number % 7 == 0 else Environment.PROD,
            key_id=chance.choice(("one", "two", None)),
            model=chance.choice(("a", "b", None, CACHED_MODEL)),
            provider_id=chance.choice(("mistral", None)),
            credential_id=chance.choice(("c1", "c2", None)),
            customer_identifier=chance.choice(("ada", "bob", None, None)),
            extra=chance.choice(('{"prompt_id":"p"}', None)),
            cache_savings=chance.choice((None, 5)),
            outcome=chance.choice((Outcome.SUCCESS, Outcome.UPSTREAM_ERROR)),
            started_at=START + chance.randrange(40 * DAY),
            latency=chance.choice((None, chance.randrange(1, 10**10))),
            time_to_first_token=chance.choice((None, 10**8)),
            stream=chance.random() < 0.5,
            cost=chance.choice((None, chance.randrange(10**9))),
            price_missing=chance.random() < 0.1,
            usage=Usage(
                input_tokens=chance.choice((None, 5)),
                output_tokens=chance.choice((None, 7)),
                cached_input_tokens=chance.choice((None, 2)),
                reasoning_tokens=chance.choice((None, 1)),
            ),
            request_bytes=chance.randrange(1000),
            response_bytes=3,
        )
        for number in range(count)
    ]


def measured(log: RequestLog) -> Sums:
    usage, hit, speed = log.usage, is_cache_hit(log), tokens_per_second(log)
    values = {
        "requests": 1,
        "errors": log.outcome is not Outcome.SUCCESS,
        "cost": log.cost,
        "input_tokens": not hit and usage.input_tokens,
        "output_tokens": not hit and usage.output_tokens,
        "total_tokens": not hit and total_tokens(log),
        "latency_sum": log.latency,
        "latency_count": log.latency is not None,
        "time_to_first_token_sum": log.time_to_first_token,
        "time_to_first_token_count": log.time_to_first_token is not None,
        "speed_sum": round((speed or 0) * 1000),
        "speed_count": speed is not None,
        "cache_hits": hit,
        "cached_tokens": hit and total_tokens(log),
        "cache_savings": hit and log.cache_savings,
        "cached_input_tokens": not hit and usage.cached_input_tokens,
        "reasoning_tokens": not hit and usage.reasoning_tokens,
        "unpriced": log.price_missing,
    }
    return [int(values[name] or 0) for name in MEASURES]


def naive(logs: list[RequestLog], shown: TimeRange, group: Callable[[RequestLog], str | None] | None) -> Found:
    found: Found = defaultdict(lambda: [0] * len(MEASURES))
    for log in logs:
        if shown.since <= log.started_at < shown.until:
            key = (shown.bucket_of(log.started_at), "" if group is None else group(log) or "")
            found[key] = [one + other for one, other in zip(found[key], measured(log), strict=True)]
    return dict(found)


def same(found: Found, expected: Found, names: tuple[str, ...] = MEASURES) -> bool:
    """Compare sums; rounding makes each speed differ by a thousandth."""
    indexes = [MEASURES.index(name) for name in names]
    found = {key: sums for key, sums in found.items() if any(sums)}
    return found.keys() == expected.keys() and all(
        abs(found[key][index] - expected[key][index]) <= (expected[key][0] if index == SPEED else 0)
        for key in expected
        for index in indexes
    )


RANGES = [
    make_range(START, START + 40 * DAY, Tick.DAY),
    make_range(START + 5 * HOUR, START + 33 * DAY + 7 * HOUR, Tick.DAY, 11 * HOUR // 2),
    make_range(START - 3 * DAY + 17, START + 25 * DAY + 99, Tick.DAY, -7 * QUARTER),
    make_range(START + 3 * DAY + 12 * MINUTE, START + 6 * DAY + 5, Tick.HOUR, 23 * QUARTER),
    make_range(START + 3 * DAY, START + 6 * DAY, Tick.HOUR),
    make_range(START + 10 * DAY + 30_000_000_000, START + 11 * DAY + 5, Tick.MINUTE),
    make_range(START, START + 40 * DAY, Tick.MONTH, 5 * HOUR),
    make_range(START + 1, START + 39 * DAY, Tick.WEEK, 3 * QUARTER),
    make_range(START + 8 * HOUR + 1, START + 8 * HOUR + 2, Tick.HOUR),
    make_range(START, START + 40 * DAY + 11 * MINUTE, Tick.MONTH),
]


def test_all_ways_tell_the_same(logs: LogStore) -> None:
    some = some_logs()
    logs.record(RecordBatch(logs=some))
    ours = [log for log in some if log.organization_id == ORGANIZATION and log.environment is Environment.PROD]
    always = Condition(field_named("latency"), Operator.EQUAL, (-1,), negated=True)  # which sums do not know
    not_a = Condition(field_named("model"), Operator.EQUAL, ("a",), negated=True)
    failed = Condition(field_named("status"), Operator.EQUAL, ("error",))
    with logs.reading() as connection:
        for shown in RANGES:
            for conditions in ((), (always,), (not_a,), (not_a, always), (failed,), (failed, always)):
                chosen = [log for log in ours if not_a not in conditions or log.model != "a"]
                chosen = [log for log in chosen if failed not in conditions or log.outcome is not Outcome.SUCCESS]
                query = UsageQuery(
                    organization_id=ORGANIZATION,
                    environment=Environment.PROD,
                    shown=shown,
                    filters=AllOf(conditions),
                )
                whole = naive(chosen, shown, None)
                assert same(read_usage(connection, query), whole), (shown, conditions)
                for by, group in BY.items():
                    is_partial = by == "customer_identifier" and not conditions
                    expected = naive(chosen, shown, group)
                    if not is_partial:
                        found = read_usage(connection, query, by)
                        assert same(found, expected), (shown, conditions, by)
                        assert same(added_up(found), whole), "groups add up to the whole"
                        continue
                    known = {key: sums for key, sums in read_usage(connection, query, by).items() if key[1]}
                    customers = {key: sums for key, sums in expected.items() if key[1]}
                    assert same(known, customers, CUSTOMER_MEASURES), (shown, by)
                    assert same(read_usage(connection, query, by, exactly=True), expected), (shown, by)


@pytest.mark.parametrize("kept", [START + 20 * DAY + 7 * MINUTE, START + 60 * DAY])
@pytest.mark.parametrize("shown", [shown for shown in RANGES if not shown.offset % HOUR])
def test_the_ends_of_a_range_are_counted_also_where_minutes_are_gone(
    logs: LogStore, shown: TimeRange, kept: int
) -> None:
    some = some_logs()
    logs.record(RecordBatch(logs=some))
    with logs.writing() as connection:
        prune_minutes(connection, kept + MINUTES_KEPT * MINUTE)
    ours = [log for log in some if log.organization_id == ORGANIZATION]
    with logs.reading() as connection:
        query = UsageQuery(organization_id=ORGANIZATION, shown=shown)
        assert same(read_usage(connection, query), naive(ours, shown, None))
        assert same(read_usage(connection, query, "model"), naive(ours, shown, BY["model"]))


def added_up(found: Found) -> Found:
    total: Found = defaultdict(lambda: [0] * len(MEASURES))
    for (bucket, _), sums in found.items():
        total[(bucket, "")] = [one + other for one, other in zip(total[(bucket, "")], sums, strict=True)]
    return dict(total)


@pytest.mark.parametrize("shown", RANGES)
def test_a_key_sees_its_own_and_all_environments_add_up(logs: LogStore, shown: TimeRange) -> None:
    some = some_logs(150)
    logs.record(RecordBatch(logs=some))
    ours = [log for log in some if log.organization_id == ORGANIZATION]
    with logs.reading() as connection:
        query = UsageQuery(organization_id=ORGANIZATION, shown=shown)
        assert same(read_usage(connection, query), naive(ours, shown, None))
        mine = UsageQuery(organization_id=ORGANIZATION, shown=shown, key_id="one")
        own = [log for log in ours if log.key_id == "one"]
        assert same(read_usage(connection, mine), naive(own, shown, None))
        assert same(read_usage(connection, mine, "customer_identifier"), naive(own, shown, BY["customer_identifier"]))
        said: dict[int, int] = defaultdict(int)
        seen: dict[int, set[str]] = defaultdict(set)
        for log in ours:
            if shown.since <= log.started_at < shown.until:
                said[shown.bucket_of(log.started_at)] += log.request_bytes + log.response_bytes
                seen[shown.bucket_of(log.started_at)] |= {log.customer_identifier} - {None}  # type: ignore[arg-type]
        assert read_bytes(connection, query) == said
        assert count_by_bucket(connection, query) == [len(seen[number]) for number in range(len(shown.starts))]
        assert count_all(connection, query) == len(set().union(*seen.values()))


@pytest.mark.parametrize("shown", RANGES)
@pytest.mark.parametrize("known", [True, False])
def test_quantiles_are_within_two_per_cent(logs: LogStore, shown: TimeRange, known: bool) -> None:
    some = some_logs()
    logs.record(RecordBatch(logs=some))
    always = Condition(field_named("latency"), Operator.EQUAL, (-1,), negated=True)
    query = UsageQuery(organization_id=ORGANIZATION, shown=shown, filters=AllOf(() if known else (always,)))
    with logs.reading() as connection:
        found = read_sketches(connection, query)
    moved = shown.offset % HOUR != 0 and known  # an hour is where it begins
    for number in range(len(shown.starts)):
        latencies = sorted(
            log.latency
            for log in some
            if log.organization_id == ORGANIZATION
            and log.latency is not None
            and shown.since <= log.started_at < shown.until
            and shown.bucket_of(log.started_at) == number
        )
        sketch = found.get(number, ({}, {}, {}))[0]
        if not moved:
            assert sum(sketch.values()) == len(latencies)
            for part in (0.5, 0.9, 0.99) if latencies else ():
                exact = latencies[int(part * (len(latencies) - 1))]
                told = quantile(sketch, part)
                assert told is not None
                assert abs(told - exact) <= 0.021 * exact
    counted = sum(sum(sketches[0].values()) for sketches in found.values())
    between = [
        log for log in some if log.organization_id == ORGANIZATION and shown.since <= log.started_at < shown.until
    ]
    assert counted == sum(log.latency is not None for log in between)


@pytest.mark.parametrize("shown", RANGES)
@pytest.mark.parametrize(
    "measure", [("cost", None), ("requests", None), ("errors", "requests"), ("latency_sum", "latency_count")]
)
def test_the_largest_customers(logs: LogStore, shown: TimeRange, measure: tuple[str, str | None]) -> None:
    some = [
        structs.replace(log, customer_identifier=f"c{index % 23}" if index % 3 else None)
        for index, log in enumerate(some_logs())
    ]
    logs.record(RecordBatch(logs=some))
    inside = [
        log for log in some if log.organization_id == ORGANIZATION and shown.since <= log.started_at < shown.until
    ]
    sums: dict[str, Sums] = defaultdict(lambda: [0] * len(MEASURES))
    for log in inside:
        if log.customer_identifier is not None:
            known = sums[log.customer_identifier]
            sums[log.customer_identifier] = [one + other for one, other in zip(known, measured(log), strict=True)]

    def size(name: str) -> float:
        part, whole = (None if one is None else sums[name][MEASURES.index(one)] for one in measure)
        return part or 0 if whole is None else (part or 0) / whole if whole else float("-inf")

    expected = sorted(sums, key=lambda name: (size(name), name), reverse=True)[:5]
    query = UsageQuery(organization_id=ORGANIZATION, shown=shown)
    with logs.reading() as connection:
        found = largest_customers(connection, query, measure, 5)
        assert [size(name) for name in found] == pytest.approx([size(name) for name in expected])
        total = sum(one[MEASURES.index(measure[0])] for one in sums.values())
        assert sum_customers(connection, query, measure[0]) == total
        series = read_usage(connection, query, "customer_identifier", only=found)
        everything = naive(inside, shown, lambda log: log.customer_identifier)
        assert same(series, {key: one for key, one in everything.items() if key[1] in found}, CUSTOMER_MEASURES)


@pytest.mark.parametrize(
    "shown",
    [
        make_range(0, 2800 * 7 * DAY, Tick.WEEK, 22 * QUARTER),
        make_range(START, START + 10_000 * HOUR, Tick.HOUR, 22 * QUARTER),
        make_range(START, START + 10_000 * MINUTE, Tick.MINUTE),
    ],
)
def test_a_chart_of_thousands_of_buckets_takes_few_statements(logs: LogStore, shown: TimeRange) -> None:
    logs.record(RecordBatch(logs=some_logs()))
    query = UsageQuery(organization_id=ORGANIZATION, shown=shown)
    statements: list[str] = []
    with logs.reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *told: statements.append(told[2]))
        read_usage(connection, query)
        count_by_bucket(connection, query)
    assert 0 < len(statements) < 400  # some for each bucket with calls

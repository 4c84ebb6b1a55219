"""Sums from days, from hours and from rows are the same sums, on both engines."""

import random

from msgspec import structs

from gantry.core.log_figures import is_cache_hit, tokens_per_second, total_tokens
from gantry.core.request_log import CACHED_MODEL, RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, Outcome
from gantry.store.log_filter import AllOf, Condition, Operator, field_named
from gantry.store.log_query import LogQuery
from gantry.store.log_summary import Summary
from gantry.store.logs import LogStore, RecordBatch
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, OTHER, make_log

__all__ = ["address"]


def _some_logs() -> list[RequestLog]:
    chance = random.Random(5)
    return [
        make_log(
            str(number),
            organization_id=OTHER if number % 10 == 0 else ORGANIZATION,
            environment=Environment.TEST if number % 7 == 0 else Environment.PROD,
            key_id=chance.choice(("one", "two", None)),
            model=chance.choice(("a", "b", None, CACHED_MODEL)),
            cache_savings=chance.choice((None, 5)),
            outcome=chance.choice((Outcome.SUCCESS, Outcome.UPSTREAM_ERROR)),
            started_at=chance.randrange(90 * HOUR),
            latency=chance.choice((None, chance.randrange(1, 10**10))),
            time_to_first_token=chance.choice((None, 10**8)),
            stream=chance.random() < 0.5,
            cost=chance.choice((None, chance.randrange(10**9))),
            usage=Usage(input_tokens=chance.choice((None, 5)), output_tokens=chance.choice((None, 7))),
        )
        for number in range(300)
    ]


def _naive(logs: list[RequestLog]) -> Summary:
    speeds = [speed for log in logs if (speed := tokens_per_second(log)) is not None]
    latencies = [log.latency for log in logs if log.latency is not None]
    bought = [log for log in logs if not is_cache_hit(log)]
    hits = [log for log in logs if is_cache_hit(log)]
    firsts = [log.time_to_first_token for log in logs if log.time_to_first_token is not None]
    return Summary(
        len(logs),
        sum(log.outcome is not Outcome.SUCCESS for log in logs),
        sum(log.cost or 0 for log in logs),
        sum(log.usage.input_tokens or 0 for log in bought),
        sum(log.usage.output_tokens or 0 for log in bought),
        sum(total_tokens(log) or 0 for log in bought),
        sum(latencies),
        len(latencies),
        sum(firsts),
        len(firsts),
        sum(round(speed * 1000) for speed in speeds),
        len(speeds),
        len(hits),
        sum(total_tokens(log) or 0 for log in hits),
        sum(log.cache_savings or 0 for log in hits),
    )


def test_days_hours_and_rows_tell_the_same(logs: LogStore) -> None:
    some = _some_logs()
    logs.record(RecordBatch(logs=some))
    model_a = Condition(field_named("model"), Operator.EQUAL, ("a",))
    not_a = Condition(field_named("model"), Operator.EQUAL, ("a",), negated=True)
    always = Condition(field_named("latency"), Operator.EQUAL, (-1,), negated=True)  # which hours do not know
    for since, until in (
        (None, None),
        (0, 4 * HOUR),
        (HOUR // 2, 5 * HOUR + 7),
        (HOUR + 1, HOUR + 9 * 10**11),
        (3 * HOUR, None),
        (None, 50 * HOUR + 3),
        (22 * HOUR + 5, 75 * HOUR + 7),
        (24 * HOUR, 72 * HOUR),
    ):
        for key, environment in ((None, None), ("one", Environment.PROD)):
            for condition, holds in ((None, None), (model_a, True), (not_a, False)):
                chosen = [
                    log
                    for log in some
                    if log.organization_id == ORGANIZATION
                    and (since or 0) <= log.started_at < (until or 99 * HOUR)
                    and key in (None, log.key_id)
                    and environment in (None, log.environment)
                    and (holds is None or (log.model == "a") is holds)
                ]
                for filters in ((condition,), (condition, always)):
                    parts = AllOf(tuple(part for part in filters if part is not None))
                    found = logs.summary(
                        LogQuery(
                            organization_id=ORGANIZATION,
                            since=since,
                            until=until,
                            key_id=key,
                            environment=environment,
                            filters=parts,
                        )
                    )
                    naive = _naive(chosen)
                    assert abs(found.speed_sum - naive.speed_sum) <= 1 + naive.speed_count
                    assert found == structs.replace(naive, speed_sum=found.speed_sum)

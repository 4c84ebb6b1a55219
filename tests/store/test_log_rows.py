"""A log as a row: nothing of it is lost, and nothing a caller sends can stop the store."""

import string
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from gantry.core.request_log import CACHED_MODEL, RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.store.content import Content, pack_content
from gantry.store.log_rows import COLUMNS, INDEXED_LENGTH, SHORT_COLUMNS, log_of, row_of, short_row_of, storable
from gantry.store.log_tables import minute_sums
from gantry.store.rollups import SUMS, rollup_of
from tests.store.logs_of_tests import HOUR, make_log

IN_CONTENT = {"full_request", "full_response", "input", "output"}
NAMES = st.text(string.ascii_letters, min_size=1, max_size=20)
WHOLE = st.integers(0, 2**62)
USAGE = st.builds(
    Usage,
    input_tokens=st.none() | WHOLE,
    output_tokens=st.none() | WHOLE,
    input_audio_seconds=st.none() | st.decimals(0, 10**6, places=6),
    estimated=st.booleans(),
)


def test_every_field_has_its_column() -> None:
    renamed = {"estimated", "input_audio_seconds"}
    said_in_warnings = {"clamped"}
    usage = {"usage_estimated", "input_audio"} | set(Usage.__struct_fields__) - renamed - said_in_warnings
    assert set(COLUMNS) == set(RequestLog.__struct_fields__) - IN_CONTENT - {"usage"} | usage


@given(
    st.builds(
        RequestLog,
        log_id=NAMES,
        organization_id=NAMES,
        key_id=st.none() | NAMES,
        environment=st.sampled_from(Environment),
        log_method=st.sampled_from(LogMethod),
        outcome=st.sampled_from(Outcome),
        status_code=st.integers(0, 599),
        started_at=WHOLE,
        ended_at=WHOLE,
        latency=st.none() | WHOLE,
        model=st.none() | NAMES,
        stream=st.booleans(),
        usage=USAGE,
        cost=st.none() | WHOLE,
        metadata=st.none() | st.text(),
        input=st.none() | st.text(),
        full_response=st.none() | st.binary(),
    )
)
def test_a_log_comes_back_from_its_row(log: RequestLog) -> None:
    content = pack_content(Content(log.full_request, log.input, log.full_response, log.output))
    assert log_of((1, *row_of(log)), content) == log


@given(st.none() | NAMES, st.none() | st.integers(1, 9))
def test_a_short_row_leaves_out_nothing_but_nulls(customer: str | None, pages: int | None) -> None:
    log = make_log("a", customer_identifier=customer, usage=Usage(pages=pages))
    row, short = row_of(log), short_row_of(log)
    last = "pages" if pages is not None else "customer_identifier" if customer is not None else SHORT_COLUMNS[-1]
    assert len(short) == COLUMNS.index(last) + 1
    assert not any(isinstance(value, bool) for value in short)
    assert list(row) == [*short, *[None] * (len(COLUMNS) - len(short))]


def test_seconds_of_audio_are_exact() -> None:
    log = make_log("a", usage=Usage(input_audio_seconds=Decimal("12.345678901")))
    assert row_of(log)[COLUMNS.index("input_audio")] == 12_345_678_901


def test_a_text_in_an_index_is_bounded() -> None:
    row = row_of(make_log("a", customer_identifier="c" * 5000, model="m" * 5000, error_message="e" * 5000))
    assert len(row[COLUMNS.index("customer_identifier")]) == INDEXED_LENGTH
    assert len(row[COLUMNS.index("model")]) == INDEXED_LENGTH
    assert len(row[COLUMNS.index("error_message")]) == 5000


def test_a_storable_row_has_nothing_that_an_engine_refuses() -> None:
    assert storable(["a\0b", "\ud800x", 10**30, -(10**30), True, None, b"\0"]) == [
        "a\ufffdb",
        "?x",
        2**63 - 1,
        1 - 2**63,
        True,
        None,
        b"\0",
    ]


def test_sums_are_named_as_they_are_added() -> None:
    log = make_log(
        "a",
        started_at=7 * HOUR + 5,
        model="m",
        provider_id="p",
        outcome=Outcome.UPSTREAM_ERROR,
        status_code=500,
        usage=Usage(
            input_tokens=3,
            cached_input_tokens=2,
            cache_write_tokens=1,
            output_tokens=5,
            reasoning_tokens=4,
            total_tokens=8,
        ),
        credential_id="c",
        cost=11,
        charged=12,
        price_missing=True,
        latency=13,
        time_to_first_token=17,
    )
    rollup = rollup_of([log])
    (row,), (hour,), (day,) = rollup.minutes, rollup.hours, rollup.days
    key = minute_sums.primary_key.columns.keys()
    assert hour == (row[0], 7, *row[2:])
    assert day == (row[0], 0, *row[2:])
    assert dict(zip(key, row, strict=False)) == {
        "organization_id": log.organization_id,
        "minute": 7 * 60,
        "environment": "prod",
        "key_id": "key",
        "model": "m",
        "provider_id": "p",
        "credential_id": "c",
        "outcome": "upstream_error",
        "status_code": 500,
    }
    assert dict(zip(SUMS, row[len(key) :], strict=True)) == {
        "requests": 1,
        "errors": 1,
        "input_tokens": 3,
        "cached_input_tokens": 2,
        "cache_write_tokens": 1,
        "output_tokens": 5,
        "reasoning_tokens": 4,
        "total_tokens": 8,
        "cost": 11,
        "charged": 12,
        "unpriced": 1,
        "latency_sum": 13,
        "latency_count": 1,
        "time_to_first_token_sum": 17,
        "time_to_first_token_count": 1,
        "speed_sum": 5_000_000_000_000 // 13,
        "speed_count": 1,
        "cache_hits": 0,
        "cached_tokens": 0,
        "cache_savings": 0,
    }


def test_what_a_hit_used_is_not_summed_as_bought() -> None:
    usage = Usage(input_tokens=3, cached_input_tokens=2, output_tokens=5)
    log = make_log("a", model=CACHED_MODEL, usage=usage, cost=0, cache_savings=11, latency=13)
    (row,) = rollup_of([log]).hours
    sums = dict(zip(SUMS, row[-len(SUMS) :], strict=True))
    named = {name: value for name, value in sums.items() if value}
    assert named == {
        "requests": 1,
        "latency_sum": 13,
        "latency_count": 1,
        "cache_hits": 1,
        "cached_tokens": 8,
        "cache_savings": 11,
    }


def test_no_speed_bursts_a_sum() -> None:
    log = make_log("a", started_at=5, usage=Usage(output_tokens=10**15), latency=1)
    (row,) = rollup_of([log]).days
    assert dict(zip(SUMS, row[-len(SUMS) :], strict=True))["speed_sum"] == 10**12

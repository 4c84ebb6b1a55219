"""What users of other gateways suffered from in their bills, through the meter: usage JSON in, a priced row out."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from gantry.clerk.meter import meter_call
from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.dialects.usage import IMPOSSIBLE
from gantry.journal.frames import AttemptRecord
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from tests.clerk.test_meter import CLOSED, OPENED, REQUEST, SERVED, body
from tests.dialects.test_metered_answers import STARTED, claude, sse


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def chunk(usage: dict[str, Any] | None = None, **delta: Any) -> dict[str, Any]:
    told = {} if usage is None else {"usage": usage}
    return {"id": "r", "model": "mistral-large-latest", "choices": [{"index": 0, "delta": delta}], **told}


def metered(rates: Rates, stream: bytes, attempt: AttemptRecord = SERVED, dialect: str = "mistral") -> RequestLog:
    opened = replace(OPENED, stream=True, dialect=dialect)
    closed = replace(CLOSED, attempts=[attempt], response_content_type="text/event-stream")
    return meter_call(opened, REQUEST, stream, closed, rates)


def on_claude(model: str) -> AttemptRecord:
    return replace(SERVED, provider_id="anthropic", upstream_model=model)


def test_pain_2_a_cost_is_the_sum_of_its_parts(rates: Rates) -> None:
    """A row said 0 while its own breakdown said 45 dollars."""
    end = {"output_tokens": 40, "server_tool_use": {"web_search_requests": 2}}
    log = metered(rates, claude(STARTED, end), on_claude("claude-opus-4-5"), "anthropic")
    parts = json.loads(log.cost_by_unit or "")
    assert parts == {
        "input_tokens": 50_000,
        "cached_input_tokens": 50_000,
        "cache_write_1h_tokens": 300_000,
        "cache_write_tokens": 125_000,
        "output_tokens": 1_000_000,
        "web_searches": 20_000_000,
    }
    assert log.cost == sum(parts.values())


def test_pain_3_usage_counts_in_whatever_chunk_it_comes(rates: Rates) -> None:
    """Usage beside a last piece of text was dropped, and with it what was cached: four times too much."""
    early = {"prompt_tokens": 1000, "completion_tokens": 1, "total_tokens": 1001}
    last = {**early, "completion_tokens": 500, "total_tokens": 1500, "prompt_tokens_details": {"cached_tokens": 640}}
    expected = 360 * 500 + 640 * 50 + 500 * 1500
    beside = sse(chunk(content="a"), chunk(last, content="b"))
    alone = sse(chunk(content="ab"), {**chunk(last), "choices": []})
    twice = sse(chunk(early, content="a"), chunk(last, content="b"), chunk(content=""))
    assert [metered(rates, stream).cost for stream in (beside, alone, twice)] == [expected] * 3


def test_pain_4_what_is_written_to_a_cache_is_priced_from_the_final_count(rates: Rates) -> None:
    """Only the first event was read: with the provider's own tools it is a fifth to two thirds of the whole."""
    end = {
        "input_tokens": 12,
        "cache_read_input_tokens": 300,
        "cache_creation_input_tokens": 80,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 60},
        "output_tokens": 90,
    }
    log = metered(rates, claude(STARTED, end), on_claude("claude-opus-4-5"), "anthropic")
    assert log.usage.cache_write_tokens == 80
    assert log.cost == 12 * 5000 + 300 * 500 + 20 * 6250 + 60 * 10_000 + 90 * 25_000
    assert json.loads(log.usage_raw or "") == end


NEGATIVE: dict[str, tuple[dict[str, Any], int]] = {
    "negative output": ({"prompt_tokens": 1000, "completion_tokens": -500}, 500_000),
    "negative input": ({"prompt_tokens": -1000, "completion_tokens": 500}, 750_000),
    "more cached than given": (
        {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 5000}},
        50_000,
    ),
    "negative cached": (
        {"prompt_tokens": 1000, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": -5000}},
        500_000,
    ),
}


@pytest.mark.parametrize(("usage", "cost"), NEGATIVE.values(), ids=NEGATIVE)
def test_pain_16_a_negative_usage_credits_nobody(rates: Rates, usage: dict[str, Any], cost: int) -> None:
    log = meter_call(OPENED, REQUEST, body(usage=usage), CLOSED, rates)
    assert (log.cost, log.price_missing) == (cost, False)
    assert json.loads(log.warnings or "[]") == [IMPOSSIBLE]


@pytest.mark.parametrize("count", ["-7", "1e30", "99999999999999999999"])
def test_pain_16_holds_in_every_family(rates: Rates, count: str) -> None:
    end = json.loads(f'{{"output_tokens":{int(float(count))}}}')
    log = metered(rates, claude(STARTED, end), on_claude("claude-opus-4-5"), "anthropic")
    assert log.cost is not None
    assert log.cost >= 0
    assert IMPOSSIBLE in json.loads(log.warnings or "[]")


NO_COUNTS: dict[str, tuple[Any, Usage]] = {
    "a boolean": (True, Usage(input_tokens=1000)),
    "a word": ("many", Usage(input_tokens=1000)),
    "half a token": (0.5, Usage(input_tokens=1000)),
    "a list": ([500], Usage(input_tokens=1000)),
    "an object": ({"n": 500}, Usage(input_tokens=1000)),
}


@pytest.mark.parametrize(("count", "usage"), NO_COUNTS.values(), ids=NO_COUNTS)
def test_what_is_no_count_is_left_out_and_said(rates: Rates, count: Any, usage: Usage) -> None:
    log = meter_call(OPENED, REQUEST, body(usage={"prompt_tokens": 1000, "completion_tokens": count}), CLOSED, rates)
    assert log.usage == usage
    assert json.loads(log.warnings or "[]") == ["usage.completion_tokens: not of the expected type"]


@pytest.mark.parametrize(("count", "cost"), [(500.0, 1_250_000), ("500", 1_250_000)])
def test_a_count_in_other_clothes_counts(rates: Rates, count: Any, cost: int) -> None:
    log = meter_call(OPENED, REQUEST, body(usage={"prompt_tokens": 1000, "completion_tokens": count}), CLOSED, rates)
    assert (log.cost, log.warnings) == (cost, None)


def test_a_cost_that_the_provider_tells_is_compared_and_not_billed(rates: Rates) -> None:
    told = {"prompt_tokens": 1000, "completion_tokens": 500, "cost": 9.5}
    log = meter_call(OPENED, REQUEST, body(usage=told), CLOSED, rates)
    assert log.cost == 1_250_000
    assert json.loads(log.warnings or "[]") == [
        "the provider says that this cost 9.500000000 USD; by our rates it is 0.001250000"
    ]

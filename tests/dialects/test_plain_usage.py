"""What is read at once of a usage is what the reader of its dialect says of it, or nothing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.plain_usage import read_plain, usage_in_answer
from gantry.dialects.reported_usage import read_reported_usage
from gantry.prices.cost import cost
from gantry.prices.plain import plain_prices
from gantry.prices.rate import Prices, Rate

COUNTS = st.one_of(st.integers(-3, 200), st.just(10**16), st.none())
DETAILS = st.dictionaries(
    st.sampled_from(["cached_tokens", "audio_tokens", "reasoning_tokens", "image_tokens", "ephemeral_1h_input_tokens"]),
    st.one_of(st.just(0), st.integers(0, 9), st.none()),
    max_size=3,
)
OPENAI = st.fixed_dictionaries(
    {"prompt_tokens": COUNTS, "completion_tokens": COUNTS, "total_tokens": COUNTS},
    optional={
        "prompt_tokens_details": st.one_of(DETAILS, st.none()),
        "completion_tokens_details": st.one_of(DETAILS, st.none()),
        "num_cached_tokens": COUNTS,
        "prompt_audio_seconds": COUNTS,
        "input_tokens": COUNTS,
    },
)
ANTHROPIC = st.fixed_dictionaries(
    {"input_tokens": COUNTS, "output_tokens": COUNTS},
    optional={
        "cache_creation_input_tokens": COUNTS,
        "cache_read_input_tokens": COUNTS,
        "cache_creation": st.one_of(DETAILS, st.none()),
        "server_tool_use": st.just({"web_search_requests": 1}),
        "completion_tokens": COUNTS,
        "total_tokens": COUNTS,
    },
)
RATE = Rate(
    Prices(input=3_000_000_001, cached_input=1, cache_write=2, output=7_777_777_777, input_image=5), "m", "s", "v"
)


def check(dialect: Dialect, said: dict[str, Any]) -> None:
    raw = json.dumps(said).encode()
    plain = read_plain(raw)
    if plain is None:
        return
    usage = read_reported_usage(dialect, raw)[0]
    read, written, total = plain
    assert (usage.input_tokens, usage.output_tokens) == (read, written)
    assert total == (
        usage.total_tokens if usage.total_tokens is not None else (usage.input_tokens or 0) + (usage.output_tokens or 0)
    )
    assert not usage.clamped
    prices = plain_prices(RATE)
    assert prices is not None
    assert prices.cost(read, written) == cost(RATE, usage)


@given(OPENAI)
def test_chats_are_read_alike(said: dict[str, Any]) -> None:
    check(Dialect.OPENAI_CHAT, said)
    check(Dialect.MISTRAL, said)


@given(ANTHROPIC)
def test_messages_are_read_alike(said: dict[str, Any]) -> None:
    check(Dialect.ANTHROPIC, said)


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}, (5, 2, 7)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "total_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 0},
            },
            (5, 2, 7),
        ),
        ({"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 0}, (5, 2, 7)),
    ],
)
def test_what_most_answers_say_is_read(said: dict[str, Any], counts: tuple[int, int, int]) -> None:
    body = json.dumps({"id": "1", "choices": [{"text": '"usage":{}'}], "usage": said}).encode()
    assert read_plain(usage_in_answer(body)) == counts


def test_a_price_by_threshold_or_request_is_not_for_two_prices_to_say() -> None:
    for prices in (Prices(input=1, output=1, requests=1), Prices(input=1, output=1, above=((5, Prices(input=2)),))):
        assert plain_prices(Rate(prices, "m", "s", "v")) is None
    free = Rate(Prices(input=0, output=0), "m", "s", "v")
    plain = plain_prices(free)
    assert plain is not None
    assert plain.cost(5, 5) == cost(free, Usage(input_tokens=5, output_tokens=5)) == 0

"""The cost of a usage: exact, and None where there is no price."""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gantry.core.money import MOST_COST
from gantry.core.usage import NO_USAGE, Usage
from gantry.prices.cost import cost, cost_and_parts
from gantry.prices.plain import plain_prices
from gantry.prices.rate import Prices, Rate, scaled, searched_once, with_share

IMAGES = Prices(input=5_000_000, output=10_000_000, input_image=8_000_000, output_image=32_000_000)
OPUS = Prices(
    input=5_000_000,
    cached_input=500_000,
    cache_write=6_250_000,
    cache_write_1h=10_000_000,
    output=25_000_000,
    web_searches=10**13,
)
SOUND = Prices(input=10, output=20, cached_input=1, input_audio=40, cached_audio=4, output_audio=80, input_video=70)
M = 1_000_000
LARGE = Prices(input=500_000_000, cached_input=50_000_000, output=1_500_000_000)


def price(prices: Prices, **usage: Any) -> int | None:
    return cost(Rate(prices, "m", "override", "1"), Usage(**usage))


COSTS: list[tuple[Prices, dict[str, Any], int | None]] = [
    (LARGE, {"input_tokens": 1000, "output_tokens": 500}, 500_000 + 750_000),
    (LARGE, {"input_tokens": 1000, "cached_input_tokens": 64, "output_tokens": 0}, 936 * 500 + 64 * 50),
    (LARGE, {"input_tokens": 1000, "output_tokens": 500, "reasoning_tokens": 400}, 1_250_000),
    (LARGE, {"input_tokens": 10, "output_tokens": 10, "total_tokens": 999_999}, 20_000),
    (LARGE, {"input_tokens": 0, "output_tokens": 0}, 0),
    (Prices(input=10), {"input_tokens": 1_000_000}, 10),
    (Prices(input=10), {"input_tokens": 1_000_000, "cached_input_tokens": 1_000_000}, 10),
    (Prices(input=10, cache_write=20), {"input_tokens": 1_000_000, "cache_write_tokens": 500_000}, 15),
    (Prices(input=10), {"input_tokens": 1_000_000, "output_tokens": 0}, 10),
    (Prices(input=10), {"input_tokens": 1_000_000, "output_tokens": 1}, None),
    (Prices(input=1), {"input_tokens": 500_000}, 0),
    (Prices(input=1), {"input_tokens": 1_500_000}, 2),
    (Prices(audio_hour=180_000_000), {"input_audio_seconds": Decimal(203)}, 10_150_000),
    (
        Prices(audio_hour=180_000_000),
        {"input_audio_seconds": Decimal(203), "input_tokens": 4, "output_tokens": 635},
        10_150_000,
    ),
    (
        Prices(input=100_000_000, output=400_000_000, audio_hour=240_000_000),
        {"input_tokens": 10, "output_tokens": 67, "input_audio_seconds": Decimal("19.5")},
        1000 + 26_800 + 1_300_000,
    ),
    (Prices(audio_hour=180_000_000), {"input_tokens": 4}, None),
    (Prices(characters=16_000_000_000), {"characters": 1000}, 16_000_000),
    (Prices(pages=4_000_000_000_000, annotated_pages=5_000_000_000_000), {"pages": 29}, 29 * 4_000_000),
    (
        Prices(pages=4_000_000_000_000, annotated_pages=5_000_000_000_000),
        {"pages": 3, "annotated_pages": 1},
        13_000_000,
    ),
    (Prices(input=1_000_000, requests=5_000_000_000_000), {"input_tokens": 0}, 5_000_000),
    (Prices(input=10, above=((200_000, Prices(input=20)),)), {"input_tokens": 200_000}, 2),
    (Prices(input=10, above=((200_000, Prices(input=20)),)), {"input_tokens": 1_000_000}, 20),
    (Prices(input=0, output=0), {"input_tokens": 5, "output_tokens": 5}, 0),
    (Prices(), {"input_tokens": 5}, None),
    (Prices(searches=2_000_000_000_000), {"searches": 3}, 6_000_000),
    (Prices(images=40_000_000_000_000), {"images": 2, "input_tokens": 9}, 80_000_000),
    (Prices(searches=2_000_000_000_000), {"input_tokens": 5}, None),
    (IMAGES, {"input_tokens": 100, "input_image_tokens": 60, "output_tokens": 10}, 40 * 5 + 60 * 8 + 10 * 10),
    (IMAGES, {"input_tokens": 10, "input_image_tokens": 60, "cached_input_tokens": 5}, 5 * 8 + 5 * 5),
    (IMAGES, {"input_tokens": 0, "output_tokens": 300, "output_image_tokens": 272}, 28 * 10 + 272 * 32),
    (IMAGES, {"output_tokens": 5, "output_image_tokens": 9}, 5 * 32),
    (Prices(input=10, output=10), {"input_tokens": 10**6, "output_tokens": 0, "input_image_tokens": 10**6}, 10),
    (OPUS, {"input_tokens": 100, "cache_write_tokens": 60, "cache_write_1h_tokens": 40}, 40 * 5 + 20 * 6 + 5 + 400),
    (OPUS, {"input_tokens": 100, "cache_write_tokens": 60, "cache_write_1h_tokens": 99}, 40 * 5 + 600),
    (Prices(input=5, cache_write=6), {"input_tokens": 9, "cache_write_tokens": 9, "cache_write_1h_tokens": 1}, None),
    (Prices(input=M), {"input_tokens": 9, "cache_write_tokens": 9, "cache_write_1h_tokens": 1}, 9),
    (OPUS, {"input_tokens": 0, "output_tokens": 0, "web_searches": 3}, 30_000_000),
    (OPUS, {"input_tokens": 0, "output_tokens": 0, "web_searches": 0}, 0),
    (LARGE, {"input_tokens": 0, "output_tokens": 0, "web_searches": 1}, None),
    (OPUS, {"input_tokens": 0, "output_tokens": 0, "billed_tool_calls": 1}, None),
    (Prices(input=1, tool_calls=5 * M), {"input_tokens": 0, "billed_tool_calls": 2}, 10),
    (Prices(input=1, requests=7 * M), {"input_tokens": 0, "web_searches": 2}, 7),
    (Prices(input=1, searching=9 * M), {"input_tokens": 0, "web_searches": 2}, 9),
    (Prices(input=1, searching=9 * M), {"input_tokens": 0}, 0),
    (SOUND, {"input_tokens": 3 * M, "input_audio_tokens": 2 * M}, 10 + 80),
    (SOUND, {"input_tokens": 3 * M, "input_audio_tokens": 2 * M, "cached_input_tokens": 2 * M}, 40 + 2),
    (
        SOUND,
        {"input_tokens": 3 * M, "input_audio_tokens": 2 * M, "cached_input_tokens": M, "cached_audio_tokens": M},
        10 + 40 + 4,
    ),
    (SOUND, {"output_tokens": 3 * M, "output_audio_tokens": 2 * M}, 20 + 160),
    (SOUND, {"input_tokens": 3 * M, "input_video_tokens": M, "input_audio_tokens": M}, 10 + 40 + 70),
    (SOUND, {"input_tokens": M, "input_video_tokens": M, "input_audio_tokens": M}, 40),
    (Prices(input=10), {"input_tokens": M, "input_audio_tokens": M, "output_audio_tokens": M}, 10),
    (Prices(input=10, cached_input=1), {"input_tokens": M, "cached_input_tokens": M, "cached_audio_tokens": M}, 1),
]


@pytest.mark.parametrize(("prices", "usage", "expected"), COSTS)
def test_costs(prices: Prices, usage: dict[str, Any], expected: int | None) -> None:
    assert price(prices, **usage) == expected


def test_no_usage_has_no_cost() -> None:
    assert cost(Rate(LARGE, "m", "s", "v"), NO_USAGE) is None


COUNTS = st.integers(0, 10**9)
PRICES = st.integers(0, 10**13)


@given(tokens=COUNTS, cached=COUNTS, output=COUNTS, rates=st.tuples(PRICES, PRICES, PRICES))
def test_the_sum_is_exact_and_rounded_once(tokens: int, cached: int, output: int, rates: tuple[int, int, int]) -> None:
    cached = min(cached, tokens)
    found = price(
        Prices(input=rates[0], cached_input=rates[1], output=rates[2]),
        input_tokens=tokens,
        cached_input_tokens=cached,
        output_tokens=output,
    )
    exact = Decimal((tokens - cached) * rates[0] + cached * rates[1] + output * rates[2]) / 1_000_000
    assert found == min(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)), MOST_COST)


def test_cached_input_is_a_fraction_of_the_input_where_it_has_no_price() -> None:
    base = Prices(input=100, output=3, above=((9, Prices(input=200, cached_input=7)),))
    expected = Prices(input=100, cached_input=10, output=3, above=((9, Prices(input=200, cached_input=7)),))
    assert with_share(base, "cached_input", 1, 10) == expected
    assert with_share(Prices(pages=5), "cached_input", 1, 10) == Prices(pages=5)


def test_a_tier_scales_no_call_of_a_tool() -> None:
    assert scaled(Prices(input=100, web_searches=8, tool_calls=6, searching=4), 1, 2) == Prices(
        input=50, web_searches=8, tool_calls=6, searching=4
    )


def test_searches_may_be_billed_once() -> None:
    base = Prices(web_searches=5, above=((9, Prices(web_searches=7)),))
    assert searched_once(base) == Prices(searching=5, above=((9, Prices(searching=7)),))


def test_a_tier_scales_every_price() -> None:
    base = Prices(input=100, output=3, above=((9, Prices(input=200)),))
    assert scaled(base, 7, 4) == Prices(input=175, output=5, above=((9, Prices(input=350)),))


@pytest.mark.parametrize("prices", [LARGE, replace(LARGE, requests=1)])
@pytest.mark.parametrize("tokens", [10**12, 10**15])
def test_nothing_costs_more_than_anything_can(prices: Prices, tokens: int) -> None:
    rate, usage = Rate(prices, "m", "override", "1"), Usage(input_tokens=tokens, output_tokens=tokens)
    assert cost(rate, usage) == MOST_COST
    assert cost_and_parts(rate, usage) == (MOST_COST, {})
    plain = plain_prices(rate)
    assert plain is None or plain.cost(tokens, tokens) == MOST_COST


@pytest.mark.parametrize(
    "usage",
    [
        Usage(input_tokens=0, cached_input_tokens=1_000_000, output_tokens=0),
        Usage(input_tokens=5, cached_input_tokens=3, cache_write_tokens=4, input_audio_tokens=9),
        Usage(input_tokens=5, cache_write_tokens=10**15),
    ],
)
def test_a_part_beyond_its_whole_pays_nothing_back(usage: Usage) -> None:
    amount, parts = cost_and_parts(Rate(OPUS, "m", "override", "1"), usage)
    assert amount is not None
    assert min([amount, *parts.values()]) >= 0

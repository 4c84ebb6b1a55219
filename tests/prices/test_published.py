"""Our compiled prices against the calculator of the data's own authors."""

from datetime import UTC, datetime
from decimal import Decimal

import genai_prices
import pytest

from gantry.core.usage import Usage
from gantry.prices.published import compile_published
from gantry.prices.rate import Rate, cost
from gantry.prices.table import PriceTable

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODELS = [
    ("mistral", "mistral-small-2603"),
    ("mistral", "mistral-large-4"),
    ("mistral", "voxtral-small-2507"),
    ("openai", "gpt-4o"),
    ("openai", "gpt-5.5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("deepseek", "deepseek-chat"),
    ("groq", "llama-3.3-70b-versatile"),
    ("x-ai", "grok-4"),
]
USAGES = [(1000, 0, 500), (1000, 640, 500), (300_000, 0, 7), (1, 0, 0)]


@pytest.fixture(scope="module")
def published() -> PriceTable:
    return compile_published()


@pytest.mark.parametrize(("provider", "model"), MODELS)
@pytest.mark.parametrize(("given", "cached", "made"), USAGES)
def test_agrees_with_the_authors_calculator(
    published: PriceTable, provider: str, model: str, given: int, cached: int, made: int
) -> None:
    theirs = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=given, cache_read_tokens=cached, output_tokens=made),
        model,
        provider_id=provider,
        genai_request_timestamp=NOON,
    ).total_price
    record = published.find(provider, model)
    assert record is not None
    prices = record.at(int(NOON.timestamp()) * 1_000_000_000, None)
    assert prices is not None
    ours = cost(Rate(prices, "", "", ""), Usage(input_tokens=given, cached_input_tokens=cached, output_tokens=made))
    assert ours is not None
    assert abs(Decimal(ours) / 10**9 - theirs) <= Decimal("0.0000000005")

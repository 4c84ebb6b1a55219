"""Our compiled prices against the calculator of the data's own authors."""

from datetime import UTC, date, datetime
from decimal import Decimal

import genai_prices
import pytest

from gantry.core.usage import Usage
from gantry.prices.cost import cost
from gantry.prices.published import compile_published
from gantry.prices.rate import Rate
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


BATCHES = [
    ("mistral", "mistral-large-4", date(2026, 10, 14)),
    ("mistral", "mistral-large-4", date(2026, 10, 20)),
    ("mistral", "mistral-large-4", date(2026, 10, 29)),
    ("mistral", "voxtral-small-2507", date(2026, 11, 22)),
    ("groq", "openai/gpt-oss-120b", date(2026, 11, 22)),
    ("x-ai", "grok-4.3", date(2026, 11, 22)),
    ("openai", "gpt-5.5", date(2026, 11, 22)),
]


@pytest.mark.parametrize(("provider", "model", "day"), BATCHES)
def test_agrees_with_it_on_batches_too(published: PriceTable, provider: str, model: str, day: date) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    theirs = genai_prices.calc_price(
        genai_prices.Usage(input_tokens=1000, cache_read_tokens=640, output_tokens=500),
        model,
        provider_id=provider,
        genai_request_timestamp=noon,
        price_context={"processing": "batch"},
    ).total_price
    record = published.find(provider, model)
    assert record is not None
    prices = record.at_batch(int(noon.timestamp()) * 1_000_000_000)
    assert prices is not None
    ours = cost(Rate(prices, "", "", ""), Usage(input_tokens=1000, cached_input_tokens=640, output_tokens=500))
    assert ours is not None
    assert abs(Decimal(ours) / 10**9 - theirs) <= Decimal("0.0000000005")
    assert record.at(int(noon.timestamp()) * 1_000_000_000, None) != prices


def test_a_batch_before_its_prices_were_known_has_none(published: PriceTable) -> None:
    record = published.find("mistral", "mistral-large-4")
    assert record is not None
    assert record.at_batch(int(datetime(2026, 10, 13, tzinfo=UTC).timestamp()) * 1_000_000_000) is None

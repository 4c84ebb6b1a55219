"""Mistral's price list: what a million tokens, an hour of sound, a million characters, a thousand pages cost.

Figures are those that docs.mistral.ai published, and for models newer than our copy of it those of the published data.
Each goes through what the clerk calls, `Rates.find` and `cost`. The last column says whose table they come from.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from gantry.core.usage import Usage
from gantry.prices.cost import cost, cost_by_unit
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates

TODAY = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp()) * 1_000_000_000
DATA = "genai-prices"
OURS = "override"
EU = {"host": "api.eu.mistral.ai"}
US = {"host": "api.us.mistral.ai"}
BATCH = {"batch": True}
PRIORITY = {"service_tier": "priority"}

USAGES = {
    "input": Usage(input_tokens=1_000_000),
    "cached": Usage(input_tokens=1_000_000, cached_input_tokens=1_000_000),
    "output": Usage(input_tokens=0, output_tokens=1_000_000),
    "audio hour": Usage(input_audio_seconds=Decimal(3600)),
    "audio minute": Usage(input_audio_seconds=Decimal(60)),
    "characters": Usage(characters=1_000_000),
    "pages": Usage(pages=1000),
    "annotated pages": Usage(pages=1000, annotated_pages=1000),
}

# USD per million tokens: in, cached in, out.
TOKENS = [
    ("mistral-large-4", "0.7", "0.07", "2.1", DATA),
    ("mistral-large-4-0", "0.7", "0.07", "2.1", DATA),
    ("mistral-large-2512", "0.5", "0.05", "1.5", DATA),
    ("mistral-large-latest", "0.5", "0.05", "1.5", DATA),
    ("mistral-large-3", "0.5", "0.05", "1.5", DATA),
    ("mistral-large-2411", "2", "0.2", "6", DATA),
    ("mistral-medium-3-5", "1.5", "0.15", "7.5", DATA),
    ("mistral-medium-3", "1.5", "0.15", "7.5", DATA),
    ("mistral-medium-latest", "1.5", "0.15", "7.5", DATA),
    ("mistral-medium-2604", "1.5", "0.15", "7.5", DATA),
    ("mistral-medium-2505", "0.4", "0.04", "2", DATA),
    ("mistral-medium-2508", "0.4", "0.04", "2", DATA),
    ("mistral-small-2603", "0.15", "0.015", "0.6", DATA),
    ("mistral-small-latest", "0.15", "0.015", "0.6", DATA),
    ("mistral-small-2506", "0.1", "0.01", "0.3", DATA),
    ("ministral-14b-2512", "0.2", "0.02", "0.2", DATA),
    ("ministral-14b-latest", "0.2", "0.02", "0.2", DATA),
    ("ministral-8b-2512", "0.15", "0.015", "0.15", DATA),
    ("ministral-8b-latest", "0.15", "0.015", "0.15", DATA),
    ("ministral-3b-2512", "0.1", "0.01", "0.1", DATA),
    ("ministral-3b-latest", "0.1", "0.01", "0.1", DATA),
    ("codestral-2508", "0.3", "0.03", "0.9", DATA),
    ("codestral-latest", "0.3", "0.03", "0.9", DATA),
    ("devstral-2512", "0.4", "0.04", "2", DATA),
    ("devstral-latest", "0.4", "0.04", "2", DATA),
    ("devstral-medium-latest", "0.4", "0.04", "2", DATA),
    ("devstral-small-latest", "0.1", "0.01", "0.3", DATA),
    ("magistral-medium-2509", "2", "0.2", "5", DATA),
    ("magistral-medium-latest", "2", "0.2", "5", DATA),
    ("magistral-small-latest", "0.5", "0.05", "1.5", DATA),
    ("magistral-small", "0.5", "0.05", "1.5", DATA),
    ("pixtral-large-2411", "2", "0.2", "6", DATA),
    ("pixtral-large-latest", "2", "0.2", "6", DATA),
    ("pixtral-12b-2409", "0.15", "0.015", "0.15", DATA),
    ("pixtral-12b-latest", "0.15", "0.015", "0.15", DATA),
    ("open-mistral-nemo", "0.15", "0.015", "0.15", DATA),
    ("open-mistral-nemo-2407", "0.15", "0.015", "0.15", DATA),
    ("voxtral-small-2507", "0.1", "0.01", "0.4", DATA),
    ("voxtral-small-latest", "0.1", "0.01", "0.4", DATA),
    ("mistral-embed", "0.1", "0.01", "0", OURS),
    ("mistral-embed-2312", "0.1", "0.01", "0", OURS),
    ("mistral-moderation-2411", "0.1", "0.01", "0", OURS),
    ("mistral-moderation-2603", "0", "0", "0", OURS),
    ("mistral-moderation-latest", "0", "0", "0", OURS),
    ("labs-leanstral-1-5", "0", "0", "0", OURS),
    ("zai-glm-5-2", "1.4", "0.14", "4.4", OURS),
    ("zai-glm-5-3", "1.4", "0.14", "4.4", DATA),
    ("zai-glm-5-3-flash", "0.15", "0.03", "0.5", DATA),
    ("deepseek-v4-1-flash-1017", "0.3", "0.007", "1.2", DATA),
]

OTHER_UNITS = [
    ("codestral-embed", "input", "0.15", DATA),
    ("codestral-embed-2505", "input", "0.15", DATA),
    ("voxtral-small-2507", "audio minute", "0.004", DATA),
    ("voxtral-small-latest", "audio minute", "0.004", DATA),
    ("voxtral-mini-2602", "audio minute", "0.003", DATA),
    ("voxtral-mini-latest", "audio minute", "0.003", DATA),
    ("voxtral-mini-transcribe-3-0", "audio hour", "0.21", DATA),
    ("voxtral-small-transcribe-3-0", "audio hour", "0.24", DATA),
    ("voxtral-mini-transcribe-realtime-2602", "audio minute", "0.006", DATA),
    ("voxtral-mini-transcribe-realtime-3-0", "audio hour", "0.48", DATA),
    ("voxtral-mini-tts-2603", "characters", "16", OURS),
    ("voxtral-mini-tts-latest", "characters", "16", OURS),
    ("voxtral-mini-tts-3", "characters", "13", OURS),
    ("mistral-ocr-latest", "pages", "4", DATA),
    ("mistral-ocr-latest", "annotated pages", "5", DATA),
    ("mistral-ocr-4", "pages", "4", DATA),
    ("mistral-ocr-4", "annotated pages", "5", DATA),
    ("mistral-ocr-4-1", "pages", "4", DATA),
    ("mistral-ocr-4-1", "annotated pages", "5", DATA),
    ("mistral-ocr-2512", "pages", "2", DATA),
    ("mistral-ocr-2512", "annotated pages", "3", DATA),
]

LIST = OTHER_UNITS + [
    (model, unit, price, source)
    for model, *prices, source in TOKENS
    for unit, price in zip(("input", "cached", "output"), prices, strict=True)
]

# A factor times the list price: a batch half, Priority 1.75 after the discount for cached input, a region 1.1.
FACTORS: list[tuple[str, dict[str, Any], str, str]] = [
    ("mistral-small-latest", BATCH, "input", "0.075"),
    ("mistral-small-latest", BATCH, "cached", "0.0075"),
    ("mistral-small-latest", BATCH, "output", "0.3"),
    ("mistral-large-latest", BATCH, "output", "0.75"),
    ("magistral-medium-latest", BATCH, "cached", "0.1"),
    ("codestral-embed", BATCH, "input", "0.075"),
    ("mistral-embed", BATCH, "input", "0.05"),
    ("mistral-ocr-latest", BATCH, "pages", "2"),
    ("mistral-ocr-latest", BATCH, "annotated pages", "2.5"),
    ("voxtral-mini-latest", BATCH, "audio hour", "0.09"),
    ("voxtral-small-latest", BATCH, "audio hour", "0.12"),
    ("mistral-moderation-latest", BATCH, "input", "0"),
    ("mistral-small-latest", PRIORITY, "input", "0.2625"),
    ("mistral-small-latest", PRIORITY, "cached", "0.02625"),
    ("mistral-small-latest", PRIORITY, "output", "1.05"),
    ("mistral-large-2411", PRIORITY, "cached", "0.35"),
    ("mistral-small-latest", {"service_tier": "standard"}, "input", "0.15"),
    ("mistral-small-latest", {"host": "api.mistral.ai"}, "input", "0.15"),
    ("mistral-small-latest", EU, "input", "0.165"),
    ("mistral-small-latest", EU, "cached", "0.0165"),
    ("mistral-large-latest", US, "output", "1.65"),
    ("mistral-ocr-latest", EU, "pages", "4.4"),
    ("voxtral-mini-tts-latest", US, "characters", "17.6"),
    ("mistral-small-latest", EU | PRIORITY, "input", "0.28875"),
    ("mistral-small-latest", US | BATCH, "input", "0.0825"),
]


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


@pytest.mark.parametrize(("model", "unit", "expected", "source"), LIST)
def test_the_price_list(rates: Rates, model: str, unit: str, expected: str, source: str) -> None:
    rate = rates.find("mistral", model, TODAY)
    assert rate is not None
    assert cost(rate, USAGES[unit]) == Decimal(expected) * 10**9
    assert rate.source == source


@pytest.mark.parametrize(("model", "circumstances", "unit", "expected"), FACTORS)
def test_factors(rates: Rates, model: str, circumstances: dict[str, Any], unit: str, expected: str) -> None:
    rate = rates.find("mistral", model, TODAY, **circumstances)
    assert rate is not None
    assert cost(rate, USAGES[unit]) == Decimal(expected) * 10**9


def test_the_cost_of_a_call_is_the_sum_over_its_units(rates: Rates) -> None:
    rate = rates.find("mistral", "voxtral-small-latest", TODAY)
    assert rate is not None
    usage = Usage(
        input_tokens=1000,
        cached_input_tokens=640,
        output_tokens=200,
        input_audio_seconds=Decimal(30),
        total_tokens=1575,
    )
    by_unit = cost_by_unit(rate, usage)
    assert by_unit == {
        "input_tokens": 36_000,
        "cached_input_tokens": 6_400,
        "output_tokens": 80_000,
        "input_audio_seconds": 2_000_000,
    }
    assert cost(rate, usage) == sum(by_unit.values())


def test_pages_are_plain_or_annotated(rates: Rates) -> None:
    rate = rates.find("mistral", "mistral-ocr-latest", TODAY)
    assert rate is not None
    assert cost_by_unit(rate, Usage(pages=3, annotated_pages=1)) == {"pages": 8_000_000, "annotated_pages": 5_000_000}


@pytest.mark.parametrize("usage", [Usage(characters=5), Usage(pages=1), Usage(input_audio_seconds=Decimal(1))])
def test_a_unit_without_a_price_makes_the_cost_unknown(rates: Rates, usage: Usage) -> None:
    rate = rates.find("mistral", "mistral-large-latest", TODAY)
    assert rate is not None
    assert cost(rate, usage) is None
    assert cost_by_unit(rate, usage) == {}


def test_what_a_connector_did_has_no_price_yet(rates: Rates) -> None:
    rate = rates.find("mistral", "mistral-medium-latest", TODAY)
    assert rate is not None
    assert cost(rate, Usage(input_tokens=10, output_tokens=5, connector_calls=1)) is None
    assert cost(rate, Usage(input_tokens=10, output_tokens=5, connector_calls=0, connector_tokens=0)) == 52_500

"""Every Mistral model of the price list, and how rates are found."""

from datetime import UTC, datetime

import pytest

from gantry.prices.load import load_rates
from gantry.prices.overrides import parse_overrides
from gantry.prices.rate import Prices
from gantry.prices.rates import Rates
from gantry.prices.table import DatedPrices, Match, ModelPrices, Pattern, PriceTable, ProviderPrices


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


TODAY = at("2026-11-22")


@pytest.fixture(scope="module")
def rates() -> Rates:
    return load_rates()


def usd(nano_per_million: int | None) -> float | None:
    return None if nano_per_million is None else nano_per_million / 1e9


# USD per million tokens in, out, cached in.
TOKENS = [
    ("mistral-large-2512", 0.5, 1.5, 0.05),
    ("mistral-large-latest", 0.5, 1.5, 0.05),
    ("mistral-large-3", 0.5, 1.5, 0.05),
    ("mistral-large-4", 0.7, 2.1, 0.07),
    ("mistral-large-4-0", 0.7, 2.1, 0.07),
    ("mistral-large-2411", 2, 6, None),
    ("mistral-medium-3-5", 1.5, 7.5, 0.15),
    ("mistral-medium-3", 1.5, 7.5, 0.15),
    ("mistral-medium-latest", 1.5, 7.5, 0.15),
    ("mistral-medium-2604", 1.5, 7.5, 0.15),
    ("mistral-medium-2505", 0.4, 2, 0.04),
    ("mistral-medium-2508", 0.4, 2, 0.04),
    ("mistral-small-2603", 0.15, 0.6, 0.015),
    ("mistral-small-latest", 0.15, 0.6, 0.015),
    ("mistral-small-2506", 0.1, 0.3, None),
    ("ministral-14b-2512", 0.2, 0.2, 0.02),
    ("ministral-14b-latest", 0.2, 0.2, 0.02),
    ("ministral-8b-2512", 0.15, 0.15, 0.015),
    ("ministral-8b-latest", 0.15, 0.15, 0.015),
    ("ministral-3b-2512", 0.1, 0.1, 0.01),
    ("ministral-3b-latest", 0.1, 0.1, 0.01),
    ("codestral-2508", 0.3, 0.9, 0.03),
    ("codestral-latest", 0.3, 0.9, 0.03),
    ("codestral-embed", 0.15, None, 0.015),
    ("codestral-embed-2505", 0.15, None, 0.015),
    ("mistral-embed", 0.1, 0, None),
    ("mistral-embed-2312", 0.1, 0, None),
    ("devstral-2512", 0.4, 2, 0.04),
    ("devstral-latest", 0.4, 2, 0.04),
    ("devstral-medium-latest", 0.4, 2, 0.04),
    ("devstral-small-latest", 0.1, 0.3, None),
    ("magistral-medium-2509", 2, 5, None),
    ("magistral-medium-latest", 2, 5, None),
    ("magistral-small-latest", 0.5, 1.5, None),
    ("magistral-small", 0.5, 1.5, None),
    ("pixtral-large-2411", 2, 6, None),
    ("pixtral-large-latest", 2, 6, None),
    ("pixtral-12b-2409", 0.15, 0.15, None),
    ("pixtral-12b-latest", 0.15, 0.15, None),
    ("open-mistral-nemo", 0.15, 0.15, None),
    ("open-mistral-nemo-2407", 0.15, 0.15, None),
    ("voxtral-small-2507", 0.1, 0.4, 0.01),
    ("voxtral-small-latest", 0.1, 0.4, 0.01),
    ("mistral-moderation-2411", 0.1, 0, None),
    ("mistral-moderation-2603", 0, 0, None),
    ("mistral-moderation-latest", 0, 0, None),
    ("labs-leanstral-1-5", 0, 0, None),
    ("zai-glm-5-2", 1.4, 4.4, 0.14),
    ("zai-glm-5-3", 1.4, 4.4, 0.14),
    ("zai-glm-5-3-flash", 0.15, 0.5, 0.03),
    ("deepseek-v4-1-flash-1017", 0.3, 1.2, 0.007),
]


@pytest.mark.parametrize(("model", "given", "made", "cached"), TOKENS)
def test_token_prices_of_mistral(rates: Rates, model: str, given: float, made: float, cached: float) -> None:
    rate = rates.find("mistral", model, TODAY)
    assert rate is not None
    found = rate.prices
    assert (usd(found.input), usd(found.output), usd(found.cached_input)) == (given, made, cached)


OTHER_UNITS = [
    ("voxtral-small-latest", Prices(audio_hour=240_000_000)),
    ("voxtral-mini-2602", Prices(audio_hour=180_000_000)),
    ("voxtral-mini-latest", Prices(audio_hour=180_000_000)),
    ("voxtral-mini-transcribe-3-0", Prices(audio_hour=210_000_000)),
    ("voxtral-small-transcribe-3-0", Prices(audio_hour=240_000_000)),
    ("voxtral-mini-transcribe-realtime-2602", Prices(audio_hour=360_000_000)),
    ("voxtral-mini-transcribe-realtime-3-0", Prices(audio_hour=480_000_000)),
    ("voxtral-mini-tts-2603", Prices(characters=16_000_000_000)),
    ("voxtral-mini-tts-latest", Prices(characters=16_000_000_000)),
    ("mistral-ocr-latest", Prices(pages=4_000_000_000_000, annotated_pages=5_000_000_000_000)),
    ("mistral-ocr-4-1", Prices(pages=4_000_000_000_000, annotated_pages=5_000_000_000_000)),
    ("mistral-ocr-4", Prices(pages=4_000_000_000_000, annotated_pages=5_000_000_000_000)),
    ("mistral-ocr-2512", Prices(pages=2_000_000_000_000, annotated_pages=3_000_000_000_000)),
]


@pytest.mark.parametrize(("model", "expected"), OTHER_UNITS)
def test_prices_of_mistral_in_other_units(rates: Rates, model: str, expected: Prices) -> None:
    rate = rates.find("mistral", model, TODAY)
    assert rate is not None
    for unit in ("audio_hour", "characters", "pages", "annotated_pages"):
        assert getattr(rate.prices, unit) == getattr(expected, unit)


DATED = [
    ("mistral-large-latest", "2025-12-01", 2.0),
    ("mistral-large-latest", "2025-12-02", 0.5),
    ("mistral-large-4", "2026-10-07", 0.68),
    ("mistral-large-4", "2026-10-20", 1.36),
    ("mistral-large-4", "2026-10-28", 1.36),
    ("mistral-large-4", "2026-10-29", 0.7),
    ("mistral-small-latest", "2026-03-15", 0.1),
    ("mistral-small-latest", "2026-03-16", 0.15),
]


@pytest.mark.parametrize(("model", "day", "given"), DATED)
def test_a_call_costs_what_its_day_cost(rates: Rates, model: str, day: str, given: float) -> None:
    rate = rates.find("mistral", model, at(day))
    assert rate is not None
    assert usd(rate.prices.input) == given


def test_where_a_price_comes_from_is_said(rates: Rates) -> None:
    found = {
        name: rates.find("mistral", name, TODAY)
        for name in ("mistral-large-2512", "mistral-large-latest", "mistral-embed")
    }
    assert [(rate.source, rate.version, rate.model) for rate in found.values() if rate] == [
        ("genai-prices", "genai-prices 0.2.3", "mistral-large-2512"),
        ("genai-prices", "genai-prices 0.2.3, aliases 2026-11-22", "mistral-large-2512"),
        ("override", "overrides 2026-11-22", "mistral-embed"),
    ]


UNKNOWN = [
    ("mistral", "no-such-model"),
    ("mistral", ""),
    ("mistral", "x" * 10_000),
    ("nobody", "mistral-large-latest"),
    ("mistral", "ft:mistral-small:x"),
    ("mistral", "devstral-small:free"),
]


@pytest.mark.parametrize(("provider_id", "model"), UNKNOWN)
def test_an_unknown_price_is_none(rates: Rates, provider_id: str, model: str) -> None:
    assert rates.find(provider_id, model, TODAY) is None


@pytest.mark.parametrize("name", ["MISTRAL-LARGE-LATEST", "Mistral-Small-Latest"])
def test_case_does_not_matter(rates: Rates, name: str) -> None:
    assert rates.find("mistral", name, TODAY) is not None


PROVIDERS = [
    ("openai", "gpt-4o"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("google_gemini_ai", "gemini-2.5-flash"),
    ("xai", "grok-4"),
    ("azure_openai", "gpt-4o"),
    ("groq", "llama-3.3-70b-versatile"),
    ("deepseek", "deepseek-chat"),
]


@pytest.mark.parametrize(("provider_id", "model"), PROVIDERS)
def test_other_providers_are_found_under_our_ids(rates: Rates, provider_id: str, model: str) -> None:
    assert rates.find(provider_id, model, TODAY) is not None
    assert provider_id in rates.providers


def test_the_service_tier_changes_the_price(rates: Rates) -> None:
    ordinary, priority = (
        rates.find("mistral", "mistral-small-latest", TODAY, tier) for tier in ("standard", "priority")
    )
    assert ordinary is not None
    assert priority is not None
    assert (usd(ordinary.prices.input), usd(priority.prices.input)) == (0.15, 0.2625)
    flex = rates.find("openai", "gpt-5.5", TODAY, "flex")
    default = rates.find("openai", "gpt-5.5", TODAY, "default")
    assert flex is not None
    assert default is not None
    assert flex.prices.input == (default.prices.input or 0) // 2


@pytest.mark.parametrize(
    ("model", "provider_id"),
    [
        ("mistral-large-latest", "mistral"),
        ("codestral-2508", "mistral"),
        ("gpt-4o", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("no-such", None),
        ("x" * 10_000, None),
    ],
)
def test_a_bare_name_means_its_home(rates: Rates, model: str, provider_id: str | None) -> None:
    assert rates.provider_of(model) == provider_id


def test_names_that_callers_write_do_not_pile_up() -> None:
    rates = small_rates()
    for number in range(10_000):
        assert rates.find("mistral", f"made-up-{number}", TODAY) is None
        assert rates.provider_of(f"made-up-{number}") is None
    assert len(rates._memo) <= 4096
    assert len(rates._homes) <= 4096


def small_rates() -> Rates:
    record = ModelPrices("m", Pattern(Match.EQUALS, "m"), (DatedPrices(Prices(input=1)),))
    return Rates(parse_overrides('version = "1"'), PriceTable("s", "v", {"mistral": ProviderPrices((record,))}))

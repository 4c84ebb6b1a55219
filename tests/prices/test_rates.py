"""How rates are found: by provider and name, day, service tier, batch and host."""

from datetime import UTC, datetime

import pytest

from gantry.core.usage import Usage
from gantry.prices.cost import cost
from gantry.prices.load import load_rates
from gantry.prices.overrides import load_overrides, parse_overrides
from gantry.prices.published import compile_published
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


def test_what_is_remembered_of_a_price_ends_with_it(rates: Rates) -> None:
    last, first = at("2026-10-20") - 1, at("2026-10-20")
    found = [rates.find("mistral", "mistral-large-4", moment) for moment in (last, first, last, first)]
    assert [usd(rate.prices.input) for rate in found if rate is not None] == [0.68, 1.36, 0.68, 1.36]


def test_no_price_begins_or_ends_inside_a_minute() -> None:
    tables = compile_published(), load_overrides().table()
    models = [model for table in tables for provider in table.providers.values() for model in provider.models]
    entries = [entry for model in models for entry in model.entries]
    assert any(entry.since for entry in entries)
    assert any(entry.hours for entry in entries)
    assert all((entry.since or 0) % 60_000_000_000 == 0 for entry in entries)
    assert all(second % 60 == 0 for entry in entries for second in entry.hours or ())


def test_where_a_price_comes_from_is_said(rates: Rates) -> None:
    found = {
        name: rates.find("mistral", name, TODAY)
        for name in ("mistral-large-2512", "mistral-large-latest", "mistral-embed")
    }
    assert [(rate.source, rate.version, rate.model) for rate in found.values() if rate] == [
        ("genai-prices", "genai-prices 0.2.3", "mistral-large-2512"),
        ("genai-prices", "genai-prices 0.2.3, aliases 2026-11-29", "mistral-large-2512"),
        ("override", "overrides 2026-11-29", "mistral-embed"),
    ]


UNKNOWN = [
    ("mistral", "no-such-model"),
    ("mistral", ""),
    ("mistral", "x" * 10_000),
    ("nobody", "mistral-large-latest"),
    ("mistral", "ft:mistral-small:x"),
    ("mistral", "devstral-small:free"),
    ("nebius", "deepseek-ai/DeepSeek-V3"),
    ("deepinfra", "meta-llama/Meta-Llama-3-8B-Instruct"),
    ("ollama", "llama3.2"),
    ("vllm", "mistralai/Mistral-7B-Instruct-v0.3"),
    ("cerebras", "llama-99b"),
    ("perplexity", "sonar-deep-research"),  # counts reasoning, citations and searches apart, which its usage does not
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
    ("togetherai", "openai/gpt-oss-120b"),
    ("together_ai", "openai/gpt-oss-120b"),
    ("fireworks", "accounts/fireworks/models/gpt-oss-120b"),
    ("fireworks_ai", "accounts/fireworks/models/gpt-oss-120b"),
    ("cerebras", "gpt-oss-120b"),
    ("perplexity", "sonar-pro"),
    ("novita", "deepseek/deepseek-r1"),
    ("moonshot", "kimi-k2.6"),
    ("openrouter", "openai/gpt-4o"),
    ("openai", "text-embedding-3-small"),
    ("openai", "whisper-1"),
    ("openai", "tts-1"),
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


BATCHES = [
    ("groq", "openai/gpt-oss-120b", 0.075, 0.075),  # no discount on cached input there, and the data says so
    ("xai", "grok-4.3", 1.0, 0.16),
    ("openai", "gpt-5.5", 2.5, 0.25),
    ("mistral", "mistral-large-2512", 0.25, 0.025),
    ("mistral", "zai-glm-5-3", 0.7, 0.07),
]


@pytest.mark.parametrize(("provider_id", "model", "given", "cached"), BATCHES)
def test_a_batch_costs_what_the_provider_says(
    rates: Rates, provider_id: str, model: str, given: float, cached: float
) -> None:
    rate = rates.find(provider_id, model, TODAY, batch=True)
    assert rate is not None
    assert (usd(rate.prices.input), usd(rate.prices.cached_input)) == (given, cached)


def test_where_nobody_says_what_a_batch_costs_it_is_unknown(rates: Rates) -> None:
    assert rates.find("deepseek", "deepseek-v4-flash", TODAY) is not None
    assert rates.find("deepseek", "deepseek-v4-flash", TODAY, batch=True) is None


def test_a_host_changes_the_price_only_of_its_own_provider(rates: Rates) -> None:
    for provider_id, model in (("openai", "gpt-4o"), ("mistral", "mistral-small-latest")):
        plain = rates.find(provider_id, model, TODAY)
        assert plain is not None
        assert rates.find(provider_id, model, TODAY, host="api.example.com") == plain
        regional = rates.find(provider_id, model, TODAY, host="api.eu.mistral.ai")
        assert (regional == plain) is (provider_id == "openai")


FREE = [
    ("openrouter", "deepseek/deepseek-r1:free"),
    ("openai", "omni-moderation-latest"),
    ("mistral", "mistral-moderation-latest"),
]


@pytest.mark.parametrize(("provider_id", "model"), FREE)
def test_what_is_free_costs_nothing_and_says_so(rates: Rates, provider_id: str, model: str) -> None:
    rate = rates.find(provider_id, model, TODAY)
    assert rate is not None
    assert cost(rate, Usage(input_tokens=10, output_tokens=10)) == 0
    assert rate.source == "override"


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

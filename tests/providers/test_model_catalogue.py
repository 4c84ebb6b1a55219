"""The catalogue: one row for each model, under every name that a call takes."""

from datetime import date

import pytest

from gantry.core.model_ref import parse_model_ref
from gantry.prices.load import load_rates
from gantry.providers.model_catalogue import Catalogue, compile_catalogue
from gantry.providers.model_facts import ModelFacts, ModelKind, load_facts
from gantry.providers.spec import custom_spec, load_catalog

OF_2026_11 = 1_795_000_000_000_000_000
SPECS = {**load_catalog(), "acme": custom_spec("acme", "Acme", "https://acme.test")}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return compile_catalogue(SPECS, load_facts(), load_rates(), OF_2026_11)


@pytest.mark.parametrize(
    ("text", "provider", "name"),
    [
        ("mistral-large-latest", "mistral", "mistral-large-2512"),
        ("mistral/mistral-large-latest", "mistral", "mistral-large-2512"),
        ("mistralai/mistral-large-2512", "mistral", "mistral-large-2512"),
        ("gpt-4o", "openai", "gpt-4o"),
        ("gpt-4o-2024-08-06", "openai", "gpt-4o"),
        ("gemini/gemini-2.5-flash", "google_gemini_ai", "gemini-2.5-flash"),
        ("openrouter/openai/gpt-4o", "openrouter", "openrouter/openai/gpt-4o"),
        ("azure/gpt-4o", "azure_openai", "azure/gpt-4o"),
    ],
)
def test_every_spelling_leads_to_its_row(catalogue: Catalogue, text: str, provider: str, name: str) -> None:
    found = catalogue.find(text)
    assert found is not None
    assert (found.provider.id, found.name) == (provider, name)
    assert text in (found.name, *found.aliases) or text.startswith("mistralai/")


@pytest.mark.parametrize("text", ["who-knows", "acme/x", "mistral/who-knows", "openai/mistral-large-latest", ""])
def test_what_is_not_known_is_not_found(catalogue: Catalogue, text: str) -> None:
    assert catalogue.find(text) is None


def test_a_row_has_its_price_with_source_and_date(catalogue: Catalogue) -> None:
    large = catalogue.find("mistral-large-4")
    assert large is not None
    assert large.rate is not None
    assert (large.rate.prices.input, large.rate.source) == (700_000_000, "genai-prices")
    assert large.priced_since == 1_793_232_000_000_000_000  # 2026-10-29
    embed = catalogue.find("mistral-embed")
    assert embed is not None
    assert embed.rate is not None
    assert (embed.rate.source, embed.priced_since) == ("override", 1_702_252_800_000_000_000)


def test_no_two_rows_have_one_name_and_bare_names_are_those_of_their_home(catalogue: Catalogue) -> None:
    names = [model.name for model in catalogue.models]
    assert len(names) == len(set(names))
    assert {model.provider.id for model in catalogue.models if "gemini-2.5-flash" in model.facts.names} == {
        "google_gemini_ai",
        "google_vertex_ai",
    }
    prefixes = {prefix for spec in SPECS.values() for prefix in spec.prefixes}
    for model in catalogue.models:
        if parse_model_ref(model.name, prefixes).prefix is None:
            assert model.provider.claims(model.facts.names[0])


def test_where_the_name_of_an_unknown_model_leads(catalogue: Catalogue) -> None:
    for text, provider, name in (
        ("mistral-from-next-year", "mistral", "mistral-from-next-year"),
        ("acme/x/y", "acme", "x/y"),
        ("openai/ft:gpt-4o:me", "openai", "ft:gpt-4o:me"),
    ):
        home = catalogue.home_of(text)
        assert home is not None
        assert (home[0].id, home[1]) == (provider, name)
    assert catalogue.home_of("who-knows") is None


def test_what_has_retired_is_left_out_and_what_will_is_marked() -> None:
    facts = {
        "mistral": (
            ModelFacts(("mistral-gone",), retires=date(2026, 11, 1)),
            ModelFacts(("mistral-going",), retires=date(2027, 1, 1)),
            ModelFacts(("mistral-old",), deprecated=True),
        )
    }
    rows = compile_catalogue(load_catalog(), facts, None, OF_2026_11).models
    assert [(row.name, row.is_deprecated(date(2026, 11, 29)), row.rate) for row in rows] == [
        ("mistral-going", False, None),
        ("mistral-old", True, None),
    ]
    assert rows[0].is_deprecated(date(2027, 1, 1))


def test_a_reseller_says_of_a_model_what_its_maker_says(catalogue: Catalogue) -> None:
    azure, openai = catalogue.find("azure/gpt-4o"), catalogue.find("gpt-4o")
    assert azure is not None
    assert openai is not None
    assert azure.facts.capabilities == openai.facts.capabilities
    assert azure.facts.kind is ModelKind.CHAT

"""What calls tell OpenRouter: `models` are fallbacks, the rest is passed on by calls as before."""

from collections.abc import Mapping
from typing import Any

import pytest

from gantry.core.routing_document import read_rules
from gantry.imports.finding import Fate
from gantry.imports.openrouter import PREFERENCES, read_openrouter
from gantry.imports.plan import ImportRefused
from gantry.providers.spec import ProviderSpec

Catalog = Mapping[str, ProviderSpec]

# The shape is that of openrouter.ai/docs/features/provider-routing.
SAMPLE: dict[str, Any] = {
    "models": ["mistralai/mistral-large", "anthropic/claude-sonnet-4.5", "openai/gpt-4o"],
    "provider": {
        "order": ["mistral", "together"],
        "allow_fallbacks": False,
        "data_collection": "deny",
        "sort": "price",
        "max_price": {"prompt": 1, "completion": 2},
        "brand_new": 1,
    },
    "route": "fallback",
}


def test_models_in_turn_are_a_rule(catalog: Catalog) -> None:
    plan = read_openrouter(SAMPLE, catalog)
    assert plan.routing == {
        "models": [
            {
                "match": "openrouter/mistralai/mistral-large",
                "fallback_models": ["openrouter/anthropic/claude-sonnet-4.5", "openrouter/openai/gpt-4o"],
                "strategy": "cheapest",
            }
        ]
    }
    assert read_rules(plan.routing).models
    assert [(one.provider, one.api_key_env) for one in plan.providers] == [("openrouter", "OPENROUTER_API_KEY")]


def test_no_member_is_ignored_in_silence(catalog: Catalog) -> None:
    said = {one.place: one.fate for one in read_openrouter(SAMPLE, catalog).findings}
    assert [place for place, fate in said.items() if fate is Fate.UNKNOWN] == ["provider.brand_new"]
    assert said["provider.order"] is Fate.LEFT
    assert said["provider.sort"] is Fate.CHANGED
    assert said["provider.data_collection"] is said["provider.max_price"] is Fate.NEEDLESS


def test_a_list_of_calls_is_read_one_by_one(catalog: Catalog) -> None:
    plan = read_openrouter([{"model": "a/b", "models": ["c/d"]}, {"model": "e/f"}], catalog)
    assert plan.routing["models"] == [{"match": "openrouter/a/b", "fallback_models": ["openrouter/c/d"]}]
    assert [one.place for one in plan.findings] == ["[0].model", "[0].models", "[1].model"]


@pytest.mark.parametrize("document", [None, [], {}, {"messages": []}, ["text"]])
def test_what_says_nothing_to_openrouter_is_refused(catalog: Catalog, document: Any) -> None:
    with pytest.raises(ImportRefused, match="OpenRouter"):
        read_openrouter(document, catalog)


@pytest.mark.parametrize("sort", ["latency", {"by": "latency", "partition": "none"}])
def test_what_is_sorted_by_is_a_strategy_in_either_form(catalog: Catalog, sort: Any) -> None:
    call = {"model": "a/b", "messages": [{"role": "user", "content": "Hello"}], "provider": {"sort": sort}}
    plan = read_openrouter(call, catalog)
    assert plan.routing["models"] == [{"match": "openrouter/a/b", "strategy": "least_latency"}]
    said = {one.place: one.fate for one in plan.findings}
    assert said["messages"] is Fate.NEEDLESS
    assert Fate.UNKNOWN not in said.values()


def test_every_preference_has_a_word() -> None:
    # ProviderPreferences of its API reference.
    names = """
        allow_fallbacks require_parameters data_collection zdr enforce_distillable_text order only ignore quantizations
        sort max_price preferred_min_throughput preferred_max_latency
    """
    assert set(names.split()) <= PREFERENCES.keys()

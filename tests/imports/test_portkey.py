"""Portkey's configs: strategies become groups and fallbacks, and each member has a word."""

from collections.abc import Mapping
from typing import Any

import pytest

from gantry.core.routing_document import read_rules
from gantry.core.secret import Secret
from gantry.imports.finding import Fate
from gantry.imports.plan import ImportRefused, Plan
from gantry.imports.portkey import CONFIG, read_portkey
from gantry.providers.spec import ProviderSpec

Catalog = Mapping[str, ProviderSpec]

# The shape is that of src/middlewares/requestValidator/schema/config.ts and src/types/requestBody.ts in
# github.com/Portkey-AI/gateway.
SAMPLE: dict[str, Any] = {
    "strategy": {"mode": "loadbalance"},
    "retry": {"attempts": 3, "on_status_codes": [429, 529]},
    "cache": {"mode": "semantic", "max_age": 600},
    "targets": [
        {
            "provider": "mistral-ai",
            "api_key": "mistral-secret",
            "weight": 0.7,
            "override_params": {"model": "mistral-small-latest", "temperature": 0.2},
            "request_timeout": 20_000,
        },
        {
            "strategy": {"mode": "fallback", "on_status_codes": [500]},
            "weight": 0.3,
            "targets": [
                {"provider": "openai", "apiKey": "openai-secret", "overrideParams": {"model": "gpt-4o-mini"}},
                {"virtual_key": "anthropic-prod", "override_params": {"model": "claude-sonnet-4-5"}},
            ],
        },
    ],
    "input_guardrails": [{"id": "x"}],
    "novelty": True,
}


def fates(plan: Plan) -> dict[str, tuple[Fate, str]]:
    return {one.place: (one.fate, one.words) for one in plan.findings}


def test_a_balanced_config_is_a_group_that_is_called_by_its_name(catalog: Catalog) -> None:
    plan = read_portkey(SAMPLE, catalog, "My targets")
    (group,) = plan.routing["groups"]
    assert (group["id"], group["name"]) == ("My-targets", "My targets")
    assert group["members"] == [
        {"model": "mistral/mistral-small-latest", "weight": 0.7, "credential": "portkey"},
        {"model": "openai/gpt-4o-mini", "weight": 0.3, "credential": "portkey"},
    ]
    assert plan.routing["retries"] == {"num_retries": 3}
    assert plan.routing["cache"] == {"enabled": True, "ttl": 600}
    assert plan.routing["models"] == [{"match": "mistral/mistral-small-latest", "total_timeout": 20.0}]
    assert {one.provider: one.api_key for one in plan.providers} == {
        "mistral": Secret("mistral-secret"),
        "openai": Secret("openai-secret"),
    }
    assert read_rules(plan.routing).groups


def test_no_member_is_ignored_in_silence(catalog: Catalog) -> None:
    said = fates(read_portkey(SAMPLE, catalog))
    assert [place for place, (fate, _) in said.items() if fate is Fate.UNKNOWN] == ["novelty"]
    assert "group_id = portkey" in said["strategy.mode"][1]
    assert said["retry.on_status_codes"][0] is Fate.LEFT
    assert said["input_guardrails"][0] is Fate.LEFT
    assert said["cache.mode"][0] is Fate.CHANGED
    assert said["targets[1].strategy.mode"][0] is Fate.CHANGED
    for place in ("targets[1].targets[1].virtual_key", "targets[1].targets[1].override_params.model"):
        assert "lies with Portkey" in said[place][1]


def test_the_model_alone_of_override_params_is_carried_over(catalog: Catalog) -> None:
    said = fates(read_portkey(SAMPLE, catalog))
    assert said["targets[0].override_params.model"][0] is Fate.CARRIED
    assert said["targets[0].override_params.temperature"][0] is Fate.LEFT


def test_fallbacks_are_a_rule_of_the_first(catalog: Catalog) -> None:
    targets = [
        {"provider": "mistral-ai", "api_key": "a", "override_params": {"model": "mistral-large-latest"}},
        {"provider": "groq", "api_key": "b", "override_params": {"model": "llama-3.3-70b-versatile"}},
    ]
    plan = read_portkey({"strategy": {"mode": "fallback"}, "targets": targets}, catalog)
    assert plan.routing["models"] == [
        {"match": "mistral/mistral-large-latest", "fallback_models": ["groq/llama-3.3-70b-versatile"]}
    ]
    assert "groups" not in plan.routing


def test_a_single_provider_is_a_credential(catalog: Catalog) -> None:
    plan = read_portkey({"provider": "openai", "api_key": "k", "custom_host": "http://10.0.0.7:8000/v1"}, catalog)
    (entry,) = plan.providers
    assert (entry.provider, entry.base_url, entry.models) == ("10-0-0-7-8000", "http://10.0.0.7:8000/v1", ())
    assert fates(plan)["provider"][0] is Fate.CHANGED


def test_azure_is_addressed_by_its_resource(catalog: Catalog) -> None:
    config = {"provider": "azure-openai", "api_key": "k", "resource_name": "house", "deployment_id": "chat-eu"}
    plan = read_portkey({**config, "api_version": "2024-06-01"}, catalog)
    (entry,) = plan.providers
    assert (entry.provider, entry.base_url) == ("azure_openai", "https://house.openai.azure.com")
    assert entry.fields == {"api_version": Secret("2024-06-01")}
    assert entry.models == ("chat-eu",)


def test_of_a_single_strategy_the_first_target_is_read_and_the_others_are_told(catalog: Catalog) -> None:
    target = {"provider": "groq", "api_key": "b", "override_params": {"model": "llama-3.3-70b-versatile"}}
    plan = read_portkey({"strategy": {"mode": "single"}, "targets": [target, {**target, "api_key": "c"}]}, catalog)
    assert len(plan.providers) == 1
    assert fates(plan)["targets[1].api_key"][0] is Fate.LEFT


@pytest.mark.parametrize("document", [None, [], {}, {"model": "x"}])
def test_what_is_no_config_is_refused(catalog: Catalog, document: Any) -> None:
    with pytest.raises(ImportRefused, match="Portkey"):
        read_portkey(document, catalog)


def test_every_option_of_the_gateway_has_a_word() -> None:
    # `Options` and `Targets` of src/types/requestBody.ts, with underscores.
    names = """
        provider virtual_key api_key weight retry override_params url_to_fetch resource_name deployment_id api_version
        ad_auth azure_auth_mode azure_managed_client_id azure_entra_client_id azure_entra_client_secret
        azure_entra_tenant_id azure_ad_token azure_model_name workers_ai_account_id custom_host forward_headers index
        cache metadata request_timeout transform_to_form_data aws_secret_access_key aws_access_key_id
        aws_session_token aws_region aws_auth_type aws_role_arn aws_external_id vertex_region vertex_project_id
        vertex_service_account_json after_request_hooks before_request_hooks default_input_guardrails
        default_output_guardrails openai_project openai_organization strict_open_ai_compliance anthropic_beta
        anthropic_version snowflake_account azure_entra_scope model_pricing_config name original_index
    """
    known = {name.partition(".")[0] for name in CONFIG}
    assert set(names.split()) <= known

"""Portkey's configs: strategies become groups and fallbacks, and each member has a word."""

import json
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
    assert plan.routing["models"] == [
        {"match": "mistral/mistral-small-latest", "total_timeout": 20.0},
        {"match": "openai/gpt-4o-mini", "fallback_models": ["anthropic/claude-sonnet-4-5"]},
    ]
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
    assert "lies with Portkey" in said["targets[1].targets[1].virtual_key"][1]
    assert "anthropic/claude-sonnet-4-5" in said["targets[1].targets[1].virtual_key"][1]


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


def test_an_account_that_lies_with_portkey_is_no_credential_and_its_model_is_read(catalog: Catalog) -> None:
    # As in product/ai-gateway/fallbacks.mdx of github.com/Portkey-AI/docs-core.
    targets = [
        {"override_params": {"model": "@one/gpt-4o"}},
        {"provider": "@two", "override_params": {"model": "claude-sonnet-4-5"}},
        {"virtual_key": "three", "override_params": {"model": "who-knows"}},
    ]
    plan = read_portkey({"strategy": {"mode": "fallback"}, "targets": targets}, catalog)
    assert plan.providers == ()
    assert plan.routing["models"] == [{"match": "openai/gpt-4o", "fallback_models": ["anthropic/claude-sonnet-4-5"]}]
    said = fates(plan)
    assert "openai/gpt-4o" in said["targets[0].override_params.model"][1]
    assert said["targets[1].provider"][0] is said["targets[2].virtual_key"][0] is Fate.LEFT


def test_what_holds_for_all_calls_needs_no_target(catalog: Catalog) -> None:
    plan = read_portkey({"virtual_key": "x", "retry": {"attempts": 5}, "request_timeout": 1000, "cache": {}}, catalog)
    assert plan.routing == {"retries": {"num_retries": 5}, "models": [{"match": "*", "total_timeout": 1.0}]}
    said = fates(plan)
    assert said["retry.attempts"][0] is Fate.CARRIED
    assert (said["request_timeout"][0], said["virtual_key"][0]) == (Fate.CHANGED, Fate.LEFT)


def test_a_strategy_without_a_model_is_not_told_as_carried_over(catalog: Catalog) -> None:
    within = {"strategy": {"mode": "loadbalance"}, "weight": 1, "request_timeout": 5, "targets": [{"provider": "@a"}]}
    said = fates(read_portkey({"strategy": {"mode": "fallback"}, "targets": [within, {"provider": "@b"}]}, catalog))
    assert {fate for fate, _ in said.values()} == {Fate.LEFT}
    assert "no target of it names a model" in said["targets[0].strategy.mode"][1]


def test_calls_that_go_where_they_say_fall_back_to_the_other_targets(catalog: Catalog) -> None:
    spare = {"provider": "groq", "api_key": "k", "override_params": {"model": "llama-3.3-70b-versatile"}}
    plan = read_portkey({"strategy": {"mode": "fallback"}, "targets": [{"passthrough": True}, spare]}, catalog)
    assert plan.routing == {"fallback_models": ["groq/llama-3.3-70b-versatile"]}
    assert fates(plan)["targets[0].passthrough"][0] is Fate.NEEDLESS


def test_a_condition_on_the_model_is_a_name_of_ones_own(catalog: Catalog) -> None:
    conditions = [
        {"query": {"params.model": {"$eq": "fast"}}, "then": "small"},
        {"query": {"metadata.plan": {"$eq": "paid"}}, "then": "small"},
    ]
    small = {"name": "small", "provider": "@x", "override_params": {"model": "gpt-4o-mini"}}
    strategy = {"mode": "conditional", "conditions": conditions, "default": "small"}
    plan = read_portkey({"strategy": strategy, "targets": [small]}, catalog)
    assert [(model.name, model.base) for model in plan.models] == [("fast", "openai/gpt-4o-mini")]
    assert "fast" in fates(plan)["strategy.conditions"][1]


def test_a_strategy_says_for_all_in_it_how_long_they_may_take(catalog: Catalog) -> None:
    # As in product/ai-gateway/request-timeouts.mdx: what is within may say otherwise.
    def target(model: str, **more: Any) -> dict[str, Any]:
        return {"provider": "groq", "api_key": "k", "override_params": {"model": model}, **more}

    inner = {"strategy": {"mode": "loadbalance"}, "request_timeout": 5000, "targets": [target("b")]}
    targets = [target("a"), inner, target("c", request_timeout=10_000)]
    plan = read_portkey({"strategy": {"mode": "loadbalance"}, "request_timeout": 2000, "targets": targets}, catalog)
    assert {one["match"]: one["total_timeout"] for one in plan.routing["models"]} == {
        "groq/a": 2.0,
        "groq/b": 5.0,
        "groq/c": 10.0,
    }


def test_azure_and_vertex_by_their_other_names(catalog: Catalog) -> None:
    azure = {"provider": "azure-openai", "api_key": "k", "azure_resource_name": "h", "azure_deployment_id": "chat"}
    (entry,) = read_portkey({**azure, "azure_api_version": "2024-06-01"}, catalog).providers
    assert (entry.base_url, entry.models) == ("https://h.openai.azure.com", ("chat",))
    assert entry.fields == {"api_version": Secret("2024-06-01")}
    account = {"type": "service_account", "project_id": "p"}
    vertex = {"provider": "vertex-ai", "vertex_project_id": "p", "vertex_service_account_json": account}
    plan = read_portkey(vertex, catalog)
    (entry,) = plan.providers
    assert json.loads(entry.fields["vertex_ai_credentials"].reveal()) == account
    assert fates(plan)["vertex_service_account_json"][0] is Fate.CARRIED
    assert "service_account" not in repr(plan.providers)


def test_an_account_that_is_not_whole_is_no_credential(catalog: Catalog) -> None:
    claude = {"provider": "bedrock", "aws_region": "eu-west-1", "override_params": {"model": "anthropic.claude-v2"}}
    plan = read_portkey({"strategy": {"mode": "loadbalance"}, "targets": [claude]}, catalog)
    assert plan.providers == ()
    assert plan.routing["groups"][0]["members"] == [{"model": "bedrock/anthropic.claude-v2", "weight": 1.0}]
    assert "no credential is made" in fates(plan)["targets[0].aws_region"][1]


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
    # The JSON schema of aigw/api-reference/inference-api/config-object.mdx in github.com/Portkey-AI/docs-core.
    names += """
        input_guardrails output_guardrails strategy deployments default_params drop_params prompt_id cb_config
        on_status_codes passthrough targets azure_region azure_deployment_name azure_deployment_type
        azure_endpoint_name azure_api_version
    """
    known = {name.partition(".")[0].removesuffix("[]") for name in CONFIG}
    assert set(names.split()) <= known

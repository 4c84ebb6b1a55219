"""What published LiteLLM configurations do beyond the ordinary: variables for everything, accounts without keys, ids.

The shapes are those of docs/my-website/docs/proxy/ and litellm/proxy/ in github.com/BerriAI/litellm; values are ours.
"""

from collections.abc import Mapping
from typing import Any

import pytest

from gantry.core.routing_document import read_rules
from gantry.core.secret import Secret
from gantry.imports.finding import Fate, Finding
from gantry.imports.litellm_config import read_litellm
from gantry.imports.plan import Plan
from gantry.imports.report import lines_of
from gantry.providers.spec import ProviderSpec

Catalog = Mapping[str, ProviderSpec]
HERE = {"AZURE_API_BASE": "https://house.openai.azure.com", "HOUSE_SECRET": "never-read", "PROJECT": "house-1"}


def read(catalog: Catalog, *deployments: dict[str, Any], environ: Mapping[str, str] = HERE, **sections: Any) -> Plan:
    entries = [
        {"model_name": one.pop("name"), "model_info": one.pop("info", {}), "litellm_params": one} for one in deployments
    ]
    return read_litellm({"model_list": entries, **sections}, catalog, environ=environ)


def at(plan: Plan, place: str) -> Finding:
    return next(finding for finding in plan.findings if finding.place == place)


def param(plan: Plan, member: str, index: int = 0) -> Finding:
    return at(plan, f"model_list[{index}].litellm_params.{member}")


def azure(**more: Any) -> dict[str, Any]:
    key, base = "os.environ/AZURE_API_KEY", "os.environ/AZURE_API_BASE"
    return {"name": "chat", "model": "azure/chat-eu", "api_key": key, "api_base": base, **more}


def test_an_address_in_a_variable_is_read_where_the_import_runs(catalog: Catalog) -> None:
    plan = read(catalog, azure(api_version="os.environ/NOT_SET"))
    (entry,) = plan.providers
    assert (entry.base_url, entry.api_key, entry.api_key_env) == (HERE["AZURE_API_BASE"], None, "AZURE_API_KEY")
    assert param(plan, "api_base").fate is Fate.CHANGED
    assert "$NOT_SET, which is not set here" in param(plan, "api_version").words
    assert entry.fields == {}


def test_a_variable_of_the_configuration_itself_is_what_it_says_there(catalog: Catalog) -> None:
    own = {"AZURE_API_BASE": "https://own.openai.azure.com", "AZURE_API_KEY": "own-secret"}
    (entry,) = read(catalog, azure(), environment_variables=own).providers
    assert (entry.base_url, entry.api_key, entry.api_key_env) == (own["AZURE_API_BASE"], Secret("own-secret"), None)


def test_a_secret_of_the_environment_is_never_read(catalog: Catalog) -> None:
    claude = {"name": "c", "model": "bedrock/anthropic.claude-v2", "aws_region_name": "eu-west-1"}
    keys = {"aws_access_key_id": "os.environ/HOUSE_SECRET", "aws_secret_access_key": "os.environ/HOUSE_SECRET"}
    plan = read(catalog, {**claude, **keys})
    assert plan.providers == ()
    assert "a secret in $HOUSE_SECRET" in param(plan, "aws_secret_access_key").words
    assert "never-read" not in repr(plan)


def test_who_is_called_at_an_address_that_is_not_known_gets_no_credential_and_no_other_address(
    catalog: Catalog,
) -> None:
    """A key of one's own server must not go to the provider whose format it speaks."""
    mine = {"api_key": "k", "api_base": "os.environ/MINE"}
    plan = read(
        catalog,
        {"name": "a", "model": "anthropic/claude-sonnet-4-5", **mine},
        {"name": "b", "model": "openai/llama-3", **mine},
        {"name": "c", "model": "litellm_proxy/llama-3", "api_key": "k"},
    )
    assert plan.providers == ()
    assert [(model.name, model.base) for model in plan.models] == [("a", "anthropic/claude-sonnet-4-5")]
    for index in (0, 1):
        assert "$MINE, which is not set here" in param(plan, "api_base", index).words
    assert "needs api_base" in param(plan, "api_key", 2).words


def test_a_deployment_without_a_whole_credential_keeps_its_name_and_its_place_in_the_group(catalog: Catalog) -> None:
    plan = read(
        catalog,
        {"name": "chat", "model": "openai/gpt-4o", "api_key": "k"},
        {"name": "chat", "model": "vertex_ai/gemini-2.5-flash", "vertex_project": "os.environ/PROJECT"},
        azure(api_base="os.environ/MISSING"),
        {"name": "alone", "model": "vertex_ai/gemini-2.5-pro", "vertex_location": "eu"},
    )
    assert [entry.provider for entry in plan.providers] == ["openai"]
    assert plan.routing["groups"][0]["members"] == [
        {"model": "openai/gpt-4o", "weight": 1.0, "credential": "litellm"},
        {"model": "vertex_ai/gemini-2.5-flash", "weight": 1.0},
        {"model": "azure/chat-eu", "weight": 1.0},
    ]
    assert read_rules(plan.routing).groups
    assert "Service account key" in param(plan, "model", 1).words
    assert param(plan, "vertex_project", 1).fate is param(plan, "api_key", 2).fate is Fate.LEFT
    assert [model.name for model in plan.models] == ["chat", "alone"]


def test_a_region_alone_leaves_bedrock_its_key_in_the_environment(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "c", "model": "bedrock/anthropic.claude-v2", "aws_region_name": "eu-west-1"})
    (entry,) = plan.providers
    assert (entry.api_key_env, entry.fields) == ("AWS_BEARER_TOKEN_BEDROCK", {"aws_region_name": Secret("eu-west-1")})
    assert param(plan, "model").fate is Fate.CHANGED


@pytest.mark.parametrize(
    ("model", "environ", "variable"),
    [
        ("azure/chat", {"AZURE_API_KEY": "x"}, "AZURE_API_KEY"),
        ("azure/chat", {}, "AZURE_OPENAI_API_KEY"),
        ("nvidia_nim/llama", {}, "NVIDIA_NIM_API_KEY"),
        ("groq/llama-3", {}, "GROQ_API_KEY"),
    ],
)
def test_a_key_that_nothing_names_is_where_litellm_looks(
    catalog: Catalog, model: str, environ: dict[str, str], variable: str
) -> None:
    deployment = {"name": "m", "model": model, "api_base": "https://house.example.com"}
    (entry,) = read(catalog, deployment, environ=environ).providers
    assert entry.api_key_env == variable


def test_every_provider_at_once_needs_nothing(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "*", "model": "*"})
    assert {one.fate for one in plan.findings} == {Fate.NEEDLESS}
    assert (plan.providers, plan.models) == ((), ())


def test_an_address_that_none_can_call_is_this_machine(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "m", "model": "hosted_vllm/llama", "api_base": "http://0.0.0.0:8001/v1"})
    assert [entry.base_url for entry in plan.providers] == ["http://127.0.0.1:8001/v1"]
    assert param(plan, "api_base").words.startswith("http://127.0.0.1:8001")


def test_a_server_of_openais_format_under_another_name_is_one_of_ones_own(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "m", "model": "xinference/bge-base-en", "api_base": "http://10.0.0.7:9997/v1"})
    assert [(one.provider, one.models) for one in plan.providers] == [("10-0-0-7-9997", ("bge-base-en",))]
    plan = read(catalog, {"name": "m", "model": "azure_ai/some-model", "api_base": "https://house.example.com"})
    assert "no provider azure_ai" in param(plan, "model").words


def test_a_bare_model_is_told_by_what_stands_beside_it(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "e", "model": "textembedding-gecko@003", "vertex_project": "p"})
    assert [model.base for model in plan.models] == ["vertex_ai/textembedding-gecko@003"]


def test_the_same_deployment_twice_is_one_member_with_both_weights(catalog: Catalog) -> None:
    one = {"name": "m", "model": "openai/gpt-4o", "api_key": "k", "rpm": 5}
    other = {"name": "m", "model": "mistral/mistral-small-latest", "api_key": "k", "rpm": 7}
    (group,) = read(catalog, dict(one), dict(one), other).routing["groups"]
    assert [member["weight"] for member in group["members"]] == [10.0, 7.0]
    assert read_rules({"groups": [group]}).groups


def test_a_fallback_may_be_the_id_of_a_deployment_and_what_is_none_is_told(catalog: Catalog) -> None:
    plan = read(
        catalog,
        {"name": "a", "model": "openai/gpt-4o", "api_key": "k"},
        {"name": "b", "model": "groq/llama-3", "api_key": "k", "info": {"id": "spare"}},
        litellm_settings={"fallbacks": [{"a": ["spare", "nobody", "mistral/mistral-small-latest"]}]},
        router_settings={"default_fallbacks": ["gone", "b"]},
    )
    assert plan.routing["models"][0]["fallback_models"] == ["groq/llama-3", "mistral/mistral-small-latest"]
    assert plan.routing["fallback_models"] == ["b"]
    words = at(plan, "litellm_settings.fallbacks[0]").words
    assert "spare is a deployment's id" in words
    assert "'nobody' is no name" in words
    assert "'gone' is no name" in at(plan, "router_settings.default_fallbacks").words


def test_what_says_no_amount_is_not_told_as_carried_over(catalog: Catalog) -> None:
    general = {"global_max_parallel_requests": 0, "maximum_spend_logs_retention_period": "string"}
    plan = read(catalog, general_settings=general, router_settings={"num_retries": 50})
    assert {at(plan, f"general_settings.{name}").fate for name in general} == {Fate.LEFT}
    assert "12 at most" in at(plan, "router_settings.num_retries").words
    assert (plan.limits, plan.settings) == ((), {})


def test_members_of_the_newest_schema_have_a_word(catalog: Catalog) -> None:
    prices = {"input_cost_per_token_above_200k_tokens": 1e-6, "output_cost_per_reasoning_token": 2e-6}
    plan = read(
        catalog,
        {"name": "m", "model": "openai/gpt-4o", "api_key": "k", "seed": 1, "rpd": 5, "token_exchange_scope": "s"}
        | prices,
        litellm_settings={"websearch_interception_params": {"a": 1}, "cache_params": {"sentinel_password": "p"}},
        general_settings={"mcp_internal_ip_ranges": ["10.0.0.0/8"], "password_policy_min_length": 8, "brand_new": 1},
    )
    assert [one.place for one in plan.findings if one.fate is Fate.UNKNOWN] == ["general_settings.brand_new"]
    assert param(plan, "input_cost_per_token_above_200k_tokens").fate is Fate.LEFT


def test_neighbours_that_came_to_the_same_stand_in_one_line(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "m", "model": "sagemaker/endpoint", "rpm": 1})
    _, line = lines_of(plan.findings, everything=False)
    assert line.count("this deployment is not read") == 1
    assert all(f"model_list[0].{place}" in line for place in ("model_name", "litellm_params.rpm"))

"""LiteLLM's config.yaml: every member of its schema has a word, and what it means here is what callers get."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gantry.core.limit_words import LimitWords
from gantry.core.periods import Period
from gantry.core.routing_document import read_rules
from gantry.core.secret import Secret
from gantry.home import Home
from gantry.imports.finding import Fate, Finding
from gantry.imports.litellm_config import read_litellm
from gantry.imports.plan import ImportRefused, Plan
from gantry.imports.toml_text import write_toml
from gantry.imports.yaml_document import read_yaml
from gantry.providers.spec import ProviderSpec
from gantry.settings import read_config

Catalog = Mapping[str, ProviderSpec]

# The shape is that of litellm/proxy/example_config_yaml/ and docs/my-website/docs/proxy/configs.md in
# github.com/BerriAI/litellm; names and values are ours.
SAMPLE = """
model_list:
  - model_name: house-large
    litellm_params:
      model: mistral/mistral-large-latest
      api_key: os.environ/MISTRAL_API_KEY
      timeout: 60
      stream_timeout: 5
      max_retries: 1
      max_budget: 10
      budget_duration: 1d
      input_cost_per_token: 0.000002
      output_cost_per_token: 0.000006
    model_info:
      max_input_tokens: 128000
      supports_function_calling: true
      mode: chat
  - model_name: chat
    litellm_params:
      model: azure/chat-eu
      api_base: https://house.openai.azure.com/
      api_version: "2024-06-01"
      api_key: azure-secret
      weight: 3
  - model_name: chat
    litellm_params:
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_API_KEY
      weight: 1
  - model_name: workshop
    litellm_params:
      model: openai/llama-3
      api_base: http://10.0.0.7:8000/v1
      api_key: none
  - model_name: "anthropic/*"
    litellm_params:
      model: "anthropic/*"
  - model_name: claude
    litellm_params:
      model: bedrock/converse/anthropic.claude-v2
      aws_access_key_id: AKIA
      aws_secret_access_key: very-secret
      aws_region_name: eu-west-1
  - model_name: from-store
    litellm_params:
      model: groq/llama-3.3-70b-versatile
      litellm_credential_name: groq-main
  - model_name: nobody
    litellm_params:
      model: sagemaker/endpoint
      aws_region_name: eu-west-1
credential_list:
  - credential_name: groq-main
    credential_values:
      api_key: groq-secret
    credential_info:
      description: ours
router_settings:
  routing_strategy: latency-based-routing
  num_retries: 2
  retry_after: 1
  timeout: 120
  fallbacks:
    - house-large: [chat]
    - missing: [chat]
  context_window_fallbacks:
    - workshop: [house-large]
  model_group_alias:
    big: house-large
  redis_host: cache.internal
  allowed_fails: 3
litellm_settings:
  default_fallbacks: [workshop]
  cache: true
  cache_params:
    type: redis
    ttl: 600
    host: cache.internal
  max_budget: 100
  budget_duration: 30d
  drop_params: true
  success_callback: [langfuse]
general_settings:
  master_key: sk-master
  database_url: postgresql://user:word@host/db
  maximum_spend_logs_retention_period: 30d
  global_max_parallel_requests: 50
  max_request_size_mb: 8
environment_variables:
  MISTRAL_API_KEY: plain
shiny_new_section:
  a: 1
"""


@pytest.fixture(scope="module")
def plan(catalog: Catalog) -> Plan:
    document = read_yaml(SAMPLE)
    return read_litellm(document.value, catalog, document.lines)


@pytest.fixture(scope="module")
def found(plan: Plan) -> dict[str, Finding]:
    return {finding.place: finding for finding in plan.findings}


def leaves(value: Any, place: str = "") -> list[str]:
    """Return the places of all that is neither a list nor an object, without the table's help."""
    if isinstance(value, dict):
        return [leaf for name, one in value.items() for leaf in leaves(one, f"{place}.{name}" if place else name)]
    if isinstance(value, list):
        return [leaf for index, one in enumerate(value) for leaf in leaves(one, f"{place}[{index}]")]
    return [place]


def test_no_member_is_ignored_in_silence(found: dict[str, Finding]) -> None:
    for leaf in leaves(read_yaml(SAMPLE).value):
        assert any(leaf == place or leaf.startswith((f"{place}.", f"{place}[")) for place in found), leaf


def test_only_what_the_table_does_not_know_is_unknown(found: dict[str, Finding]) -> None:
    assert [place for place, one in found.items() if one.fate is Fate.UNKNOWN] == ["shiny_new_section"]


def test_a_finding_has_the_line_of_its_member(found: dict[str, Finding]) -> None:
    lines = SAMPLE.splitlines()
    for place, name in (("router_settings.redis_host", "redis_host"), ("shiny_new_section", "shiny_new_section")):
        line = found[place].line
        assert line is not None
        assert lines[line - 1].strip().startswith(name)


def test_accounts_become_credentials(plan: Plan) -> None:
    providers = {entry.provider: entry for entry in plan.providers}
    assert set(providers) == {"mistral", "azure_openai", "openai", "10-0-0-7-8000", "anthropic", "bedrock", "groq"}
    mistral, azure = providers["mistral"], providers["azure_openai"]
    assert (mistral.api_key, mistral.api_key_env, mistral.models) == (
        Secret("plain"),  # for the configuration itself says what the variable is
        None,
        ("mistral-large-latest",),
    )
    assert (azure.api_key, azure.base_url) == (Secret("azure-secret"), "https://house.openai.azure.com/")
    assert (azure.fields, azure.weight) == ({"api_version": Secret("2024-06-01")}, 3.0)
    assert providers["10-0-0-7-8000"].base_url == "http://10.0.0.7:8000/v1"
    assert (providers["anthropic"].api_key_env, providers["anthropic"].models) == ("ANTHROPIC_API_KEY", ())
    assert providers["bedrock"].models == ("anthropic.claude-v2",)
    assert providers["bedrock"].fields["aws_region_name"] == Secret("eu-west-1")
    assert providers["groq"].api_key == Secret("groq-secret")


def test_names_become_models_with_their_prices(plan: Plan) -> None:
    models = {model.name: model for model in plan.models}
    assert {name: model.base for name, model in models.items()} == {
        "house-large": "mistral/mistral-large-latest",
        "big": "mistral/mistral-large-latest",
        "chat": "azure/chat-eu",
        "workshop": "10-0-0-7-8000/llama-3",
        "claude": "bedrock/anthropic.claude-v2",
        "from-store": "groq/llama-3.3-70b-versatile",
    }
    large = models["house-large"]
    assert (large.input_cost, large.output_cost, large.context_window, large.tools) == (2.0, 6.0, 128_000, True)


def test_a_name_with_two_models_is_a_group_and_says_how_it_is_called(plan: Plan, found: dict[str, Finding]) -> None:
    (group,) = plan.routing["groups"]
    assert group["id"] == "chat"
    assert [(one["model"], one["weight"]) for one in group["members"]] == [
        ("azure/chat-eu", 3.0),
        ("openai/gpt-4o", 1.0),
    ]
    assert found["model_list[1].model_name"].fate is Fate.CHANGED
    assert "load_balance_group.group_id = chat" in found["model_list[1].model_name"].words


def test_settings_become_rules(plan: Plan) -> None:
    rules = {rule["match"]: rule for rule in plan.routing["models"]}
    assert rules["house-large"]["fallback_models"] == ["chat"]
    assert (rules["house-large"]["total_timeout"], rules["house-large"]["first_token_timeout"]) == (60.0, 5.0)
    assert rules["house-large"]["retries"] == {"num_retries": 1}
    assert rules["chat"]["fallback_models"] == ["openai/gpt-4o"]
    assert rules["workshop"]["fallback_models"] == ["house-large"]
    assert rules["*"] == {"match": "*", "strategy": "least_latency", "total_timeout": 120.0}
    assert all(rule["strategy"] == "least_latency" for rule in rules.values())
    assert list(rules)[-1] == "*", "the first rule that matches holds"
    assert plan.routing["fallback_models"] == ["workshop"]
    assert plan.routing["retries"] == {"num_retries": 2, "retry_after": 1.0}
    assert plan.routing["cache"] == {"enabled": True, "ttl": 600}
    assert read_rules(plan.routing).groups


def test_budgets_become_limits_and_settings_settings(plan: Plan) -> None:
    assert set(plan.limits) == {
        LimitWords(model="house-large", cost=10.0, per=Period.DAY),
        LimitWords(organization=True, cost=100.0, per=Period.MONTH),
        LimitWords(organization=True, concurrency=50),
    }
    assert plan.settings == {"retention_days": 30, "max_body_bytes": 8 * 1024 * 1024}


def test_what_cannot_be_is_left_with_the_reason_and_stops_nothing(found: dict[str, Finding]) -> None:
    for place in ("model_list[7].model_name", "model_list[7].litellm_params.aws_region_name"):
        assert found[place].fate is Fate.LEFT
        assert "there is no provider sagemaker" in found[place].words
    assert "'missing' is no name of model_list" in found["router_settings.fallbacks[1]"].words
    for place in ("router_settings.redis_host", "general_settings.database_url", "environment_variables"):
        assert found[place].fate is Fate.LEFT
    for place in ("general_settings.master_key", "litellm_settings.drop_params", "router_settings.allowed_fails"):
        assert found[place].fate is Fate.NEEDLESS


def test_no_secret_stands_in_a_finding_or_in_the_shown_toml(plan: Plan) -> None:
    said = write_toml(plan, reveal=False) + "".join(finding.words for finding in plan.findings) + repr(plan)
    for secret in ("azure-secret", "very-secret", "groq-secret", "sk-master", "user:word"):
        assert secret not in said
    assert "azure-secret" in write_toml(plan, reveal=True)


def test_the_written_toml_is_a_configuration(plan: Plan, tmp_path: Path) -> None:
    text = write_toml(plan, reveal=True)
    assert tomllib.loads(text)
    (tmp_path / "gantry.toml").write_text(text, encoding="utf-8")
    config = read_config(Home(tmp_path))
    assert config.providers == plan.providers
    assert config.models == plan.models
    assert config.limits == plan.limits
    assert config.retention_days == 30
    assert config.routing is not None
    assert read_rules(config.routing) == read_rules(plan.routing)


def read(catalog: Catalog, *deployments: dict[str, Any], **sections: Any) -> Plan:
    entries = [{"model_name": one.pop("name"), "litellm_params": one} for one in deployments]
    return read_litellm({"model_list": entries, **sections}, catalog)


def words_at(plan: Plan, place: str) -> str:
    return next(finding.words for finding in plan.findings if finding.place == place)


def test_one_model_by_two_keys_is_two_credentials_and_no_group(catalog: Catalog) -> None:
    plan = read(
        catalog,
        {"name": "m", "model": "mistral/mistral-small-latest", "api_key": "one"},
        {"name": "m", "model": "mistral/mistral-small-latest", "api_key": "two"},
    )
    assert [(one.name, one.models) for one in plan.providers] == [
        ("litellm", ("mistral-small-latest",)),
        ("litellm-2", ("mistral-small-latest",)),
    ]
    assert "groups" not in plan.routing


@pytest.mark.parametrize(
    ("written", "base"),
    [
        ("gpt-4o", "openai/gpt-4o"),
        ("mistral-small-latest", "mistral/mistral-small-latest"),
        ("openai/responses/gpt-5", "openai/gpt-5"),
        ("cohere_chat/command-r", "cohere/command-r"),
        ("together_ai/meta/llama", "together"),
        ("vertex_ai/gemini-2.5-flash", "vertex_ai/gemini-2.5-flash"),
    ],
)
def test_a_model_is_of_its_provider(catalog: Catalog, written: str, base: str) -> None:
    (model,) = read(catalog, {"name": "mine", "model": written, "api_key": "k"}).models
    assert model.base is not None
    assert model.base.startswith(base)


def test_a_name_that_begins_like_a_provider_is_told(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "openai/fast", "model": "mistral/mistral-small-latest", "api_key": "k"})
    assert plan.models == ()
    assert "callers write mistral/mistral-small-latest" in words_at(plan, "model_list[0].model_name")


def test_a_bare_model_of_nobody_is_told(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "x", "model": "who-knows", "api_key": "k"})
    assert "write it as PROVIDER/MODEL" in words_at(plan, "model_list[0].model_name")


def test_a_usage_based_strategy_is_told(catalog: Catalog) -> None:
    plan = read(catalog, router_settings={"routing_strategy": "usage-based-routing-v2"})
    assert "no like here" in words_at(plan, "router_settings.routing_strategy")
    assert plan.routing == {}


def test_rpm_is_a_weight_and_no_limit(catalog: Catalog) -> None:
    plan = read(
        catalog,
        {"name": "m", "model": "openai/gpt-4o", "api_key": "a", "rpm": 900},
        {"name": "m", "model": "mistral/mistral-small-latest", "api_key": "b", "rpm": 100},
    )
    assert [one["weight"] for one in plan.routing["groups"][0]["members"]] == [900.0, 100.0]
    assert plan.limits == ()


def test_older_configurations_have_limits_beside_the_parameters(catalog: Catalog) -> None:
    # As in litellm/proxy/example_config_yaml/load_balancer.yaml of github.com/BerriAI/litellm.
    entry = {"model_name": "m", "litellm_params": {"model": "gpt-4o", "api_key": "k"}, "tpm": 20_000, "rpm": 3}
    said = {one.place: one.fate for one in read_litellm({"model_list": [entry]}, catalog).findings}
    assert said["model_list[0].rpm"] is said["model_list[0].tpm"] is Fate.LEFT


def test_a_deployment_without_a_model_is_told(catalog: Catalog) -> None:
    plan = read(catalog, {"name": "x", "model": "azure/", "api_key": "k", "api_base": "https://x.openai.azure.com"})
    assert "no model stands behind azure/" in words_at(plan, "model_list[0].litellm_params.model")
    assert plan.providers == ()
    nameless = read_litellm({"model_list": [{"model_name": "x", "litellm_params": {}}]}, catalog)
    assert "litellm_params.model is missing" in words_at(nameless, "model_list[0].model_name")


@pytest.mark.parametrize("document", [None, [], "text", {"model_list": "text"}])
def test_what_is_no_configuration_is_refused(catalog: Catalog, document: Any) -> None:
    with pytest.raises(ImportRefused, match=r"config\.yaml"):
        read_litellm(document, catalog)


def test_a_deployment_that_is_none_is_told(catalog: Catalog) -> None:
    plan = read_litellm({"model_list": ["text", {"model_name": "x"}]}, catalog)
    assert [(one.place, one.fate) for one in plan.findings] == [
        ("model_list[0]", Fate.LEFT),
        ("model_list[1].model_name", Fate.LEFT),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: 1\na: 2\n", "line 2: 'a' stands there twice"),
        ("a: [1\n", "line"),
        ("a: !!python/name:os.system x\n", "line 1"),
        ("a: 1\nb: .inf\n", "line 2: no number"),
        ("a: 1\nb: 1" + "0" * 400, "line 2: no number"),
        ("a: 1\nb: 1" + "0" * 5000, "line 2: "),
        ("a: 1\nb: 2020-13-45\n", "line 2: month"),
        ("a: 1\nb: \x00\n", "line 2: a character that is no text"),
        ('a: 1\nb: "\\ud800"\n', "line 2: half a character"),
        ('a: 1\n"\\ud800": 1\n', "line 2: half a character"),
        ("a: 1\nb: &b [*b]\n", "line 2: an anchor that is repeated within itself"),
        ("\n".join(" " * depth + "a:" for depth in range(3000)), "nested too deeply"),
    ],
)
def test_yaml_that_is_wrong_or_more_than_json_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ImportRefused, match=reason):
        read_yaml(text)


@pytest.mark.parametrize("repeated", ["[{}]", "{{<<: [{}]}}"])
def test_nine_lines_that_say_a_billion_members_are_refused_before_any_is_made(repeated: str) -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{depth}: &a{depth} {repeated.format(', '.join([f'*a{depth - 1}'] * 9))}" for depth in range(1, 10)]
    with pytest.raises(ImportRefused, match="more than 1,000,000 members"):
        read_yaml("\n".join(lines))
    assert len(read_yaml("\n".join(lines[:3])).value) == 3

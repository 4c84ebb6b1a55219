"""What those members of a LiteLLM `config.yaml` come to that few configurations have, by theme.

Read from the schema of LiteLLM 1.110.2: `ConfigGeneralSettings` (litellm/proxy/_types.py), `LiteLLM_Params` and
`ModelInfo` (litellm/types/router.py), `Cache` (litellm/caching/caching.py), and from what litellm/proxy reads of
`general_settings` and `litellm_settings`. A `*` stands for any letters of one name.
"""

from typing import Final

from gantry.imports.finding import Field, for_all, left, needless

_TUNING: Final = needless("Gantry's own way, not to be set")
_NO_CODE: Final = left("no code of yours runs within Gantry")
_NO_TOOLS: Final = left("Gantry runs no tools for a model; a tool's answer is the caller's to give")
_BY_KEY: Final = left("this provider is called by its key; no identity is exchanged for one")
_NO_DEFAULT: Final = left("only a server of your own has defaults: `gantry providers custom put NAME --set …`")
_PRICE: Final = left("prices are for tokens; others are [[prices]] of gantry.toml: docs/prices.md")
_DEPLOYMENT_LIMIT: Final = left(
    "no limit counts one deployment: `gantry limits add --model NAME` counts a model over all of them"
)
_HEALTH: Final = needless("cooldowns follow from what an error says and grow by themselves: docs/failover.md")
_TEAMS: Final = left("there are no teams; an organization has keys and people")
_MCP: Final = left("Gantry passes on no MCP servers")
_SIGN_IN: Final = left("people sign in by invitation, or by an identity provider: [oidc.NAME] in gantry.toml")
_FILES: Final = left("files and batches live with a provider's home credential, under its own limits")
_KEPT: Final = left("retention_days in gantry.toml holds for logs with all that is in them: docs/retention.md")
_LINE: Final = left("calls do not wait in line; they pass, or are refused")
_LOG: Final = left("what a log says of a call is in docs/request-logs.md")
_CUSTOMER: Final = left("a call says its customer by customer_identifier, its own metadata by metadata: docs/api.md")
_FAILOVER: Final = left("what follows a failure is by what the error means: docs/failover.md")
_NATIVE: Final = left("the native surfaces of providers are there: docs/routes.md")
_ALERTS: Final = left("`gantry alerts channels add` tells Slack, a webhook or people by mail: docs/alerts.md")
_NOT_THERE: Final = left("there are no agents, vector stores or search tools to allow")
_ADDRESSES: Final = left("which addresses may be called is said in docs/security.md")
_SPANS: Final = left("otlp_endpoint in gantry.toml sends logs on as spans; /metrics has the counts")
_NO_PROMPTS: Final = left("there is no prompt management")
_OTHER_STORE: Final = left("answers are kept on each machine's disk: no other store is asked")
_PEOPLE: Final = left("people have no budgets; keys, customers and the organization have: `gantry limits add`")

DEPLOYMENT: Final[dict[str, Field]] = {
    "*_cost*": _PRICE,
    "cost_per_*": _PRICE,
    "*_uplift_multiplier*": _PRICE,
    "output_vector_size": left("it describes the model, and nothing here acts on it"),
    **for_all(_DEPLOYMENT_LIMIT, "rpd tpd rph tph daily_reset_time"),
    **for_all(
        _NO_DEFAULT,
        "seed stop n presence_penalty frequency_penalty logit_bias logprobs top_logprobs response_format tools "
        "tool_choice parallel_tool_calls functions function_call user reasoning_effort reasoning thinking "
        "max_completion_tokens max_new_tokens top_k min_p stream stream_options modalities audio voice prediction "
        "service_tier store metadata dimensions encoding_format verbosity web_search_options",
    ),
    **for_all(_BY_KEY, "anthropic_* openai_identity_* openai_service_account_id token_exchange_* chatgpt_auth_file"),
    "responses_api_version": needless("the path of Azure's responses has no version"),
    "timeout_by_service_tier": left("a timeout is of a model, whatever tier serves it"),
    "stream_timeout_by_service_tier": left("a timeout is of a model, whatever tier serves it"),
    "switchyard_router_config": left(
        "no router judges which model suits a prompt; name a model or a load balance group"
    ),
    "fireworks_forward_user_id": left("which customer calls is told to no provider"),
    "thought_signature_in_tool_call_id": _TUNING,
    "allow_legacy_cloud_file_ids": _FILES,
    "aws_bedrock_control_plane_endpoint": left("models are called; a cloud is not administered"),
    "kubernetes_pod_discovery": left("servers of your own are named one by one"),
}

MODEL_INFO: Final[dict[str, Field]] = {
    "*_cost*": _PRICE,
    "pricing_provider": _PRICE,
    "ptu_shares": _PRICE,
    "supports_*": left("it describes the model, and nothing here acts on it"),
    "enforce_supported_endpoints": left("whether a model serves an operation is its provider's to say"),
    "max_embedding_batch_size": left("it describes the model, and nothing here acts on it"),
    "adaptive_router_*": left("no router judges which model suits a prompt; name a model or a load balance group"),
}

ROUTER: Final[dict[str, Field]] = {
    "fallback_on_unsupported_params": left(
        "tuning knobs that a provider does not take are dropped and named; nothing else is asked instead"
    ),
    "cache_params": left("for several machines, set redis_url in gantry.toml; one machine needs none"),
}

LITELLM: Final[dict[str, Field]] = {
    **for_all(
        _OTHER_STORE,
        "username sentinel_username sentinel_password default_in_memory_ttl default_in_redis_ttl azure_* s3_* gcs_* "
        "redis_* valkey_* qdrant_* startup_nodes",
        "cache_params.",
    ),
    "cache_params.semantic_cache_*": left("the cache answers the same request, not a similar one"),
    "cache_params.max_messages": left("the cache answers the same request, however long"),
    **for_all(_PEOPLE, "budget_reset_time default_max_internal_user_budget max_internal_user_budget"),
    **for_all(_PEOPLE, "internal_user_budget_duration max_ui_session_budget"),
    **for_all(_NO_PROMPTS, "global_bitbucket_config global_gitlab_config global_prompt_directory"),
    **for_all(_NO_TOOLS, "websearch_interception_params code_interpreter_interception_params"),
    **for_all(_NO_CODE, "post_call_rules pre_call_rules"),
    **for_all(_LINE, "priority_reservation priority_reservation_settings"),
    **for_all(_SPANS, "service_callback prometheus_* custom_prometheus_* datadog_params"),
    "enable_redis_auth_cache": _TUNING,
    "suppress_startup_output": _TUNING,
    "key_alias_pattern": left("a key is called what you like"),
    "mcp_semantic_tool_filter": _MCP,
    "model_group_settings": left("a provider gets the headers that its format has"),
    "store_audit_logs": needless("every change stands in the audit log"),
    "include_cost_in_streaming_usage": left("an answer is passed on as it is; its log has the cost"),
    "track_cost_per_request": needless("every log has its cost"),
    "require_auth_for_metrics_endpoint": left("/metrics is open; who reaches it is a firewall's to say"),
    "responses": left("what is kept of a response is its provider's to say"),
    "public_model_groups": left("/v1/models lists what a key may call; there is no public page of models"),
    "tag_budget_config": left("no limit counts tags; it counts keys, customers, models or all"),
}

GENERAL: Final[dict[str, Field]] = {
    **for_all(
        _TUNING,
        "database_* proxy_config_reload_interval_seconds scheduled_job_stagger spend_capture_rate_check "
        "use_spend_logs_ledger use_spend_logs_partitioning user_api_key_cache_max_size disable_budget_reservation "
        "include_call_id_in_error_body model_list_healthy_only return_wildcard_routes enable_drain_endpoint "
        "drain_endpoint_token disable_model_info_refresh enable_openai_websocket_passthrough "
        "responses_websocket_session_limit_seconds",
    ),
    **for_all(
        left("for several machines, set redis_url in gantry.toml; one machine needs none"),
        "coordination_redis use_redis_transaction_buffer",
    ),
    **for_all(
        _HEALTH,
        "background_health_check_* health_check_* enable_health_check_routing use_shared_health_check "
        "allow_public_health_readiness_details",
    ),
    **for_all(_MCP, "mcp_* enable_mcp_registry require_end_user_mcp_access_defined require_key_mcp_access_defined"),
    **for_all(
        _SIGN_IN,
        "password_policy_* failed_login_* max_failed_login_* allow_cli_sso_verification_uri_complete "
        "auto_redirect_ui_login_to_sso disable_env_credential_login disable_password_login_when_sso_enabled "
        "custom_ui_sso_sign_in_handler hide_default_credentials_hint control_plane_url role_permissions enforce_rbac",
    ),
    **for_all(
        _FILES,
        "max_batch_* max_file_* allowed_file_extensions blocked_file_extensions transcribe_media_buckets "
        "disable_batch_input_file_rate_limiting skip_batch_input_file_* track_unmanaged_batch_cost "
        "allowed_client_side_s3_* passthrough_managed_object_ids allow_unmanaged_response_ids",
    ),
    **for_all(_KEPT, "maximum_*"),
    **for_all(
        _LINE, "admission_queue_timeout_seconds max_in_flight_requests_per_worker max_queued_requests_per_worker"
    ),
    **for_all(
        left("Claude Code calls Gantry by its address: docs/quickstart-claude-code-and-codex.md"),
        "claude_code_* enable_claude_code_gateway",
    ),
    **for_all(
        _TEAMS,
        "apply_user_budget_to_team_keys disable_auto_add_proxy_admin_to_teams custom_team_metadata_validate "
        "team_metadata_* use_team_public_model_name self_serve_budget_policy disable_key_generate_for_org_admin",
    ),
    **for_all(_ADDRESSES, "provider_url_destination_allowed_hosts user_url_*"),
    **for_all(_CUSTOMER, "user_header_mappings user_header_name request_tag_mappings"),
    **for_all(
        _LOG,
        "spend_logs_* disable_requester_ip_address_logging missing_session_id always_include_stream_usage",
    ),
    **for_all(
        left("limits are counted in the gateway itself, before a call is made: docs/limits-counting.md"),
        "fail_closed_budget_enforcement fail_closed_rate_limit_enforcement token_rate_limit_type",
    ),
    **for_all(
        _NOT_THERE,
        "agent_access_default_deny vector_store_deny_by_default search_tool_deny_by_default search_tools skill_scanner",
    ),
    **for_all(
        _FAILOVER,
        "disable_fallbacks_on_per_model_rate_limits enforce_fallback_model_access expose_fallback_errors_to_caller "
        "cancel_on_disconnect",
    ),
    **for_all(_ALERTS, "alert_type_config slack email"),
    **for_all(
        left("callers have API keys of Gantry's: docs/keys.md"),
        "custom_auth_run_common_checks custom_key_policy custom_key_update disable_custom_api_keys",
    ),
    **for_all(
        _NATIVE,
        "pass_through_request_timeout disable_bedrock_agent_runtime_passthrough "
        "vertex_ai_pass_through_drop_anthropic_betas",
    ),
    **for_all(_SPANS, "otel tracing"),
    "plugins": _NO_CODE,
    "trusted_proxy_ranges": left("trusted_proxies in gantry.toml"),
    "enable_public_model_hub": left("/v1/models lists what a key may call; there is no public page of models"),
    "dangerously_permit_weak_or_unset_master_key": needless(
        "there is none: `gantry console link`, or a key with the scope manage"
    ),
}

TOP: Final[dict[str, Field]] = {
    **{f"model_list[].{name}": _DEPLOYMENT_LIMIT for name in ("rpd", "tpd", "rph", "tph")},
    "policy_attachments": left("there are no guardrails"),
    "sandbox_tools": _NO_TOOLS,
    "agents": left("there is no registry of agents"),
    "worker_registry": left("each Gantry is its own; several machines share redis_url and a database"),
    "default_vertex_config": left("project, location and credentials are given to each deployment, or to a credential"),
    "pass_through_endpoints": _NATIVE,
    "classifier_plugin": _NO_CODE,
    "plugins": _NO_CODE,
}

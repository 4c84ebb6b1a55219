"""What each member of a LiteLLM `config.yaml` comes to here.

Read from that project's published sources, github.com/BerriAI/litellm: `litellm/types/router.py` (deployments, router),
`docs/my-website/docs/proxy/config_settings.md` (settings). The words are ours.
"""

from typing import Final

from gantry.imports import litellm_rare
from gantry.imports.finding import Field, Table, carried, changed, for_all, left, needless

_PARAMS: Final = "model_list[].litellm_params"
_INFO: Final = "model_list[].model_info"

_KEY: Final = carried("the credential's key: api_key, or api_key_env for os.environ/…")
_OWN_HEALTH: Final = needless("cooldowns follow from what an error says and grow by themselves: docs/failover.md")
_OTHER_LIMIT: Final = left(
    "no limit counts one deployment: `gantry limits add --model NAME` counts a model over all of them"
)
_NO_TAGS: Final = left("there is no routing by tags; a key's model list, or a load balance group, keeps models apart")
_NO_ROUTER: Final = left("no router judges which model suits a prompt; name a model or a load balance group")
_NO_SECOND_PRICE: Final = left("prices are for tokens; others are [[prices]] of gantry.toml: docs/prices.md")
_REDIS: Final = left("for several machines, set redis_url in gantry.toml; one machine needs none")
_CALLBACK: Final = left(
    "logs are stored here; otlp_endpoint in gantry.toml sends them on as spans, alert channels tell of events"
)
_OURS: Final = needless("Gantry's own way, not to be set")
_NO_GUARD: Final = left("there are no guardrails")
_NO_MCP: Final = left("Gantry passes on no MCP servers")
_SIGN_IN: Final = left("people sign in by invitation, or by an identity provider: [oidc.NAME] in gantry.toml")
_SEPARATE_RULES: Final = changed("the rule's fallback_models; here they follow any failure, not this one alone")
_AWS: Final = carried("the field of Bedrock's credential of the same name")
_NO_AWS: Final = left("Bedrock is called by an access key or an API key; roles and profiles are not taken on")
_AZURE_AD: Final = left("Azure is called by its key; tokens of Entra ID are not bought")
_STORAGE: Final = left("Gantry keeps no files in an object store of yours")
_SHOWN_ONLY: Final = left("it describes the model, and nothing here acts on it")

DEPLOYMENT: Final[dict[str, Field]] = {
    "model": carried("the model behind the name, and its provider"),
    "custom_llm_provider": carried("the provider"),
    "api_key": _KEY,
    "api_base": carried("the credential's base_url; a server of your own becomes a provider of its name"),
    "base_url": carried("the same as api_base"),
    "api_version": carried("the field api_version of Azure's credential"),
    "litellm_credential_name": carried("the credential of credential_list"),
    "weight": changed(
        "the credential's weight, or the group's member's: one credential has one weight for all its models"
    ),
    "rpm": _OTHER_LIMIT,
    "tpm": _OTHER_LIMIT,
    "itpm": _OTHER_LIMIT,
    "otpm": _OTHER_LIMIT,
    "order": changed("the order of the list is that of fallbacks; `order` itself is not read"),
    "max_parallel_requests": _OTHER_LIMIT,
    "timeout": carried("total_timeout of the name's rule"),
    "stream_timeout": changed("first_token_timeout of the name's rule: until a stream's first content"),
    "max_retries": carried("retries.num_retries of the name's rule"),
    "num_retries": carried("retries.num_retries of the name's rule"),
    "cooldown_time": _OWN_HEALTH,
    "input_cost_per_token": carried("input_cost of the name, for a million tokens"),
    "output_cost_per_token": carried("output_cost of the name, for a million tokens"),
    "cache_read_input_token_cost": carried("cached_input_cost of the name, for a million tokens"),
    "cache_creation_input_token_cost": carried("cache_write_cost of the name, for a million tokens"),
    "max_budget": changed("a limit of cost on the name, where it has this deployment alone"),
    "budget_duration": changed("that limit's period: calendar ones of UTC, where LiteLLM counts from its first call"),
    "drop_params": needless(
        "tuning knobs that a provider does not take are dropped and named; a key made with --strict refuses"
    ),
    "additional_drop_params": left("which parameters a provider does not take is data of its provider"),
    "allowed_openai_params": needless("fields that Gantry does not know are passed on"),
    "modify_params": needless("formats are translated by themselves, and what changed is named"),
    "organization": left("an OpenAI organization goes with its key: use a key of that organization"),
    "configurable_clientside_auth_params": needless(
        "a call may bring credentials: customer_credentials, credential_override"
    ),
    "tags": _NO_TAGS,
    "tag_regex": _NO_TAGS,
    "mock_response": left("`gantry simulate` stands in for providers"),
    "mock_timeout": left("`gantry simulate` stands in for providers"),
    "default_api_key_tpm_limit": left("`gantry limits add --key '*'` is each key's own limit, over all models"),
    "default_api_key_rpm_limit": left("`gantry limits add --key '*'` is each key's own limit, over all models"),
    "merge_reasoning_content_in_choices": left("reasoning stays where the format has it"),
    "use_in_pass_through": needless("native surfaces use the organization's credentials: docs/routes.md"),
    "use_litellm_proxy": left("a LiteLLM proxy behind Gantry is a server of your own: give its api_base"),
    "use_chat_completions_api": needless("a provider is asked in a format that it speaks"),
    "use_xai_oauth": left("xAI is called by its key"),
    "litellm_trace_id": left("a caller's traceparent names the trace"),
    "max_file_size_mb": left("max_body_bytes in gantry.toml bounds every body"),
    "keepalive_seconds": left("ping_interval in gantry.toml holds for all streams"),
    "allow_client_keepalive_override": left("ping_interval in gantry.toml holds for all streams"),
    "provider_affinity_header": needless("long conversations stay with a deployment: affinity"),
    "model_info": left("it is read beside litellm_params, not within"),
    "extra_headers": left("no header of your own is sent to providers"),
    "headers": left("no header of your own is sent to providers"),
    "extra_body": left("only a server of your own has defaults: `gantry providers custom put NAME --set …`"),
    "temperature": left("only a server of your own has defaults: `gantry providers custom put NAME --set …`"),
    "max_tokens": left("only a server of your own has defaults: `gantry providers custom put NAME --set …`"),
    "top_p": left("only a server of your own has defaults: `gantry providers custom put NAME --set …`"),
    "prompt_id": left("there is no prompt management"),
    "guardrails": _NO_GUARD,
    "cache_control_injection_points": left("what a provider caches is the caller's to mark"),
    "azure_ad_token": _AZURE_AD,
    "tenant_id": _AZURE_AD,
    "client_id": _AZURE_AD,
    "client_secret": _AZURE_AD,
    "azure_scope": _AZURE_AD,
    "azure_username": _AZURE_AD,
    "azure_password": _AZURE_AD,
    "vertex_project": carried("the field vertex_ai_project of the credential"),
    "vertex_location": carried("the field vertex_ai_location of the credential"),
    "vertex_credentials": carried(
        "the field vertex_ai_credentials of the credential, where the JSON itself stands here"
    ),
    "region_name": left("give the region by the provider's own member, aws_region_name or vertex_location"),
    "aws_access_key_id": _AWS,
    "aws_secret_access_key": _AWS,
    "aws_session_token": _AWS,
    "aws_region_name": _AWS,
    "aws_session_name": _NO_AWS,
    "aws_profile_name": _NO_AWS,
    "aws_role_name": _NO_AWS,
    "aws_web_identity_token": _NO_AWS,
    "aws_sts_endpoint": _NO_AWS,
    "aws_external_id": _NO_AWS,
    "aws_session_tags": _NO_AWS,
    "aws_batch_role_arn": _NO_AWS,
    "aws_bedrock_runtime_endpoint": carried("the credential's base_url"),
    "aws_bedrock_project_id": _NO_AWS,
    "bedrock_tags": _NO_AWS,
    "watsonx_region_name": left("watsonx is not among the providers"),
    **for_all(
        _STORAGE,
        "gcs_bucket_name bucket_name s3_bucket_name s3_endpoint_url s3_region_name s3_access_key_id "
        "s3_secret_access_key s3_encryption_key_id s3_bucket_owner s3_output_bucket_name vector_bucket_name",
    ),
    **for_all(
        _NO_ROUTER,
        "auto_router_config_path auto_router_config auto_router_default_model auto_router_embedding_model "
        "auto_router_max_input_chars auto_router_routing_compression auto_router_model_compression "
        "complexity_router_config complexity_router_default_model adaptive_router_default_model "
        "adaptive_router_config quality_router_config quality_router_default_model",
    ),
    **for_all(
        left("there are no vector stores"),
        "vector_store_id index_name embedding_model milvus_text_field milvus_db_name milvus_partition_names "
        "valkey_host valkey_port valkey_password valkey_ssl valkey_text_field valkey_embedding_field",
    ),
}

_MODEL_INFO: Final[dict[str, Field]] = {
    "id": needless("deployments are known by provider, credential and model"),
    "mode": needless("the path of a call says what it is"),
    "base_model": left("a price is by provider and model; give the name its own: input_cost and output_cost"),
    "input_cost_per_token": DEPLOYMENT["input_cost_per_token"],
    "output_cost_per_token": DEPLOYMENT["output_cost_per_token"],
    "cache_read_input_token_cost": DEPLOYMENT["cache_read_input_token_cost"],
    "cache_creation_input_token_cost": DEPLOYMENT["cache_creation_input_token_cost"],
    "max_tokens": _SHOWN_ONLY,
    "max_input_tokens": carried("context_window of the name"),
    "max_output_tokens": _SHOWN_ONLY,
    "supports_function_calling": carried("tools of the name"),
    "supports_vision": carried("vision of the name"),
    "litellm_provider": _SHOWN_ONLY,
    "tier": _SHOWN_ONLY,
    "description": _SHOWN_ONLY,
    "team_id": left("a model of one team alone is a model in that team's keys' lists"),
    "team_public_model_name": left("a model of one team alone is a model in that team's keys' lists"),
    "access_groups": left("a key has a list of models, with patterns"),
    "access_windows": left("no model has opening hours"),
    "enable_tag_filtering": _NO_TAGS,
    "allow_fail_open": _NO_TAGS,
    "blocked": left("a deployment that is blocked is read like any other; remove it, or give its credential weight 0"),
    "discoverable": _SHOWN_ONLY,
    "member_auto_router": _NO_ROUTER,
    "internal_router_model": _NO_ROUTER,
    "health_check_model": _OURS,
    "health_check_timeout": _OURS,
    "disable_background_health_check": _OURS,
    "db_model": needless("it says where LiteLLM keeps it"),
    "updated_at": needless("it says where LiteLLM keeps it"),
    "updated_by": needless("it says where LiteLLM keeps it"),
    "created_at": needless("it says where LiteLLM keeps it"),
    "created_by": needless("it says where LiteLLM keeps it"),
    "ptu_count": _NO_SECOND_PRICE,
    "cost_per_ptu_per_hour": _NO_SECOND_PRICE,
    "ptu_effective_from": _NO_SECOND_PRICE,
    "ptu_effective_to": _NO_SECOND_PRICE,
}

# Of both `router_settings` and `litellm_settings`, where the former wins.
_ROUTING: Final[dict[str, Field]] = {
    "fallbacks": carried("fallback_models of each name's rule"),
    "default_fallbacks": carried("fallback_models, for names without any of their own"),
    "context_window_fallbacks": _SEPARATE_RULES,
    "content_policy_fallbacks": left("what a provider's filter blocks is told to the caller, and followed by nothing"),
    "num_retries": carried("retries.num_retries"),
    "retry_after": carried("retries.retry_after, which doubles"),
    "allowed_fails": _OWN_HEALTH,
    "cooldown_time": _OWN_HEALTH,
    "model_group_alias": carried("a name of one's own for the first model behind that name"),
    "cache_responses": carried("cache.enabled"),
    "set_verbose": left("log_level in gantry.toml"),
}

_ROUTER: Final[dict[str, Field]] = {
    **_ROUTING,
    "routing_strategy": carried("strategy of the rule and the groups"),
    "routing_strategy_args": _OURS,
    "routing_groups": left("a strategy for some models is a rule with a `match`: docs/routing-rules.md"),
    "timeout": carried("total_timeout of the rule for all models"),
    "stream_timeout": changed("first_token_timeout of the rule for all models: until a stream's first content"),
    "max_retries": carried("retries.num_retries"),
    "retry_policy": left("what is retried follows from what an error means: docs/failover.md"),
    "model_group_retry_policy": left("what is retried follows from what an error means: docs/failover.md"),
    "allowed_fails_policy": _OWN_HEALTH,
    "disable_cooldowns": left(
        "cooldowns cannot be switched off; a call with nobody else to go to is made all the same"
    ),
    "enable_pre_call_checks": needless(
        "a prompt that is too long is told by its provider, and goes on to the fallbacks"
    ),
    "enable_pre_call_check": needless(
        "a prompt that is too long is told by its provider, and goes on to the fallbacks"
    ),
    "optional_pre_call_checks": _OURS,
    "deployment_affinity_ttl_seconds": _OURS,
    "model_group_affinity_config": _OURS,
    "enable_tag_filtering": _NO_TAGS,
    "tag_filtering_match_any": _NO_TAGS,
    "tag_routing_prefix": _NO_TAGS,
    "weights": left("a group's members have weights: docs/routing-rules.md"),
    "max_fallbacks": left("a call makes at most 12 attempts"),
    "default_litellm_params": left("calls have no defaults; only a server of your own does"),
    "default_max_parallel_requests": _OTHER_LIMIT,
    "default_priority": left("calls do not wait in line; they pass, or are refused"),
    "polling_interval": left("calls do not wait in line; they pass, or are refused"),
    "provider_budget_config": left(
        "no limit counts a provider: `gantry limits add --model 'openai/*'` counts its models"
    ),
    "alerting_config": _CALLBACK,
    "assistants_config": needless("stateful resources live with a provider's home credential"),
    "client_ttl": _OURS,
    "cache_kwargs": _OURS,
    "caching_groups": left("cache.by_model = false lets any model's answer serve"),
    "debug_level": left("log_level in gantry.toml"),
    "router_general_settings": _OURS,
    "ignore_invalid_deployments": needless("a credential that cannot be used is left out and named"),
    "search_tools": left("there are no search tools"),
    "guardrail_list": _NO_GUARD,
    "redis_url": _REDIS,
    "redis_host": _REDIS,
    "redis_port": _REDIS,
    "redis_password": _REDIS,
    "redis_db": _REDIS,
}

_LITELLM: Final[dict[str, Field]] = {
    **_ROUTING,
    "cache": carried("cache.enabled"),
    "cache_params.ttl": carried("cache.ttl"),
    "cache_params.mode": carried("cache.enabled = false where it is default_off"),
    "cache_params.type": changed("answers are kept on each machine's disk, whatever this says"),
    "cache_params.supported_call_types": changed(
        "chats, completions and embeddings are cached, whichever of them it names; a rule may switch it off for a model"
    ),
    "cache_params.similarity_threshold": left("the cache answers the same request, not a similar one"),
    **for_all(
        left("answers are kept on each machine's disk: no other store is asked"),
        "host port password namespace max_connections redis_startup_nodes service_name sentinel_nodes "
        "gcp_service_account gcp_ssl_ca_certs ssl ssl_cert_reqs ssl_check_hostname s3_bucket_name "
        "s3_region_name s3_aws_access_key_id s3_aws_secret_access_key s3_endpoint_url gcs_bucket_name "
        "gcs_path_service_account gcs_path url db redis_semantic_cache_embedding_model "
        "qdrant_semantic_cache_embedding_model qdrant_collection_name qdrant_quantization_config "
        "qdrant_semantic_cache_vector_size qdrant_api_base qdrant_api_key disk_cache_dir "
        "disable_copilot_system_to_assistant",
        "cache_params.",
    ),
    "request_timeout": carried("total_timeout of the rule for all models"),
    "max_budget": carried("a limit of cost on the organization"),
    "budget_duration": changed("that limit's period, a calendar one of UTC"),
    "drop_params": DEPLOYMENT["drop_params"],
    "modify_params": DEPLOYMENT["modify_params"],
    "success_callback": _CALLBACK,
    "failure_callback": _CALLBACK,
    "callbacks": _CALLBACK,
    "service_callbacks": _CALLBACK,
    "audit_log_callbacks": _CALLBACK,
    "langfuse_default_tags": _CALLBACK,
    "turn_off_message_logging": left("make keys with --content metadata: what was said is then not kept"),
    "redact_user_api_key_info": needless("a log has the key's id and name, never the key"),
    "json_logs": left("log_level in gantry.toml; the processes log text"),
    "force_ipv4": left("which address is used is the resolver's"),
    "ssl_verify": left("certificates are checked; ca_bundle in gantry.toml adds yours"),
    "telemetry": needless("Gantry reports nothing to anybody"),
    "mcp_aliases": _NO_MCP,
    "key_generation_settings": left("who makes keys is by role and scope: docs/console-access.md"),
    "default_team_settings": left("there are no teams; an organization has keys and people"),
    "default_internal_user_params": left("there are no teams; an organization has keys and people"),
    "upperbound_key_generate_params": left("a key that makes keys gives no more than it has"),
    "disable_end_user_cost_tracking": left("customers' costs are summed for every call that names one"),
    "disable_end_user_cost_tracking_prometheus_only": needless("/metrics names no customers"),
    "max_end_user_budget": left("a budget for each customer: `gantry limits add --customer '*' --cost …`"),
    "enable_json_schema_validation": left("an answer is passed on as it is"),
    "enable_preview_features": _OURS,
    "enable_key_alias_format_validation": _OURS,
    "disable_hf_tokenizer_download": _OURS,
    "disable_add_transform_inline_image_block": _OURS,
    "disable_copilot_system_to_assistant": _OURS,
    "use_chat_completions_url_for_anthropic_messages": _OURS,
    "LITELLM_DISABLE_STOP_SEQUENCE_LIMIT": _OURS,
    "custom_provider_map": left("a provider is a row of data; one that speaks OpenAI's format needs no code"),
    "guardrails": _NO_GUARD,
}

_GENERAL: Final[dict[str, Field]] = {
    "master_key": needless("there is none: `gantry console link`, or a key with the scope manage"),
    "database_url": left("the store is Gantry's own: `database_url` in gantry.toml names a PostgreSQL for it"),
    "database_connection_pool_limit": _OURS,
    "database_connection_timeout": _OURS,
    "database_type": _OURS,
    "allow_requests_on_db_unavailable": needless("calls pass without a database"),
    "store_model_in_db": needless("models and credentials may be added while it runs"),
    "store_prompts_in_spend_logs": needless("what was said is kept unless the key was made with --content metadata"),
    "disable_spend_logs": left("every call has a log; make keys with --content nothing to keep the least"),
    "disable_spend_updates": left("every call is counted"),
    "maximum_spend_logs_retention_period": carried("retention_days of gantry.toml"),
    "maximum_spend_logs_retention_interval": needless("what is too old goes by itself"),
    "global_max_parallel_requests": carried("a limit of concurrency on the organization"),
    "max_parallel_requests": _OTHER_LIMIT,
    "max_request_size_mb": carried("max_body_bytes of gantry.toml"),
    "max_response_size_mb": left("an answer is passed on as it comes; max_capture_bytes bounds what is kept of it"),
    "completion_model": left("a call names its model"),
    "embedding_model": left("a call names its model"),
    "image_generation_model": left("a call names its model"),
    "moderation_model": left("a call names its model"),
    "infer_model_from_keys": needless("a key in the environment makes a credential by itself"),
    "background_health_checks": _OWN_HEALTH,
    "health_check_interval": _OWN_HEALTH,
    "health_check_details": _OWN_HEALTH,
    "alerting": left("`gantry alerts channels add` tells Slack, a webhook or people by mail: docs/alerts.md"),
    "alerting_threshold": _CALLBACK,
    "alerting_args": _CALLBACK,
    "alert_types": left("each alert channel names its events: docs/alerts.md"),
    "alert_to_webhook_url": left("each alert channel names its events: docs/alerts.md"),
    "spend_report_frequency": left("`gantry usage` shows what was spent"),
    "custom_auth": left("callers have API keys of Gantry's"),
    "custom_key_generate": left("the form of a key is Gantry's: docs/keys.md"),
    "custom_sso": _SIGN_IN,
    "enable_jwt_auth": _SIGN_IN,
    "litellm_jwtauth": _SIGN_IN,
    "enable_oauth2_auth": _SIGN_IN,
    "enable_oauth2_proxy_auth": _SIGN_IN,
    "oauth2_config_mappings": _SIGN_IN,
    "allow_user_auth": _SIGN_IN,
    "ui_access_mode": left("what people see of the console is by role: docs/console-access.md"),
    "enforce_user_param": left("no field is required of callers"),
    "enforced_params": left("no field is required of callers"),
    "reject_clientside_metadata_tags": _NO_TAGS,
    "allow_client_side_credentials": DEPLOYMENT["configurable_clientside_auth_params"],
    "forward_client_headers_to_llm_api": left("a provider gets the headers that its format has"),
    "forward_openai_org_id": left("an OpenAI organization goes with its key"),
    "litellm_key_header_name": left("keys come in Authorization, or where an SDK puts them: docs/api.md"),
    "key_management_system": left("secrets are sealed in the vault, or named by a variable"),
    "key_management_settings": left("secrets are sealed in the vault, or named by a variable"),
    "use_azure_key_vault": left("secrets are sealed in the vault, or named by a variable"),
    "use_google_kms": left("secrets are sealed in the vault, or named by a variable"),
    "allowed_ips": left("who may connect is a firewall's to say"),
    "use_x_forwarded_for": left("trusted_proxies in gantry.toml"),
    "allowed_routes": left("a key has surfaces and scopes: `gantry keys create NAME --surface …`"),
    "public_routes": left("only health and metrics are open"),
    "admin_only_routes": left("what changes anything takes the scope manage"),
    "pass_through_endpoints": left("the native surfaces of providers are there: docs/routes.md"),
    "use_client_credentials_pass_through_routes": left("a native surface takes a key of Gantry's"),
    "service_account_settings": left("there are no teams; an organization has keys and people"),
    "default_team_disabled": left("there are no teams; an organization has keys and people"),
    "supported_db_objects": _OURS,
    "user_api_key_cache_ttl": needless("a key that is revoked stops at once"),
    "proxy_budget_rescheduler_min_time": _OURS,
    "proxy_budget_rescheduler_max_time": _OURS,
    "proxy_batch_write_at": _OURS,
    "proxy_batch_polling_interval": _OURS,
    "disable_prisma_schema_update": _OURS,
    "disable_master_key_return": _OURS,
    "disable_adding_master_key_hash_to_db": _OURS,
    "disable_retry_on_max_parallel_request_limit_error": _OURS,
    "disable_reset_budget": left("a limit of a period begins anew; leave out --per for one that does not"),
    "disable_responses_id_security": needless("a response is its organization's alone"),
    "user_mcp_management_mode": _NO_MCP,
    "litellm_license": needless("Gantry has no license key"),
}

CONFIG: Final[Table] = {
    "model_list[].model_name": carried(
        "a name of one's own ([[models]]), where the model behind it is not called so anyway"
    ),
    "model_list[].rpm": _OTHER_LIMIT,  # where older configurations have them
    "model_list[].tpm": _OTHER_LIMIT,
    **{f"{_PARAMS}.{name}": field for name, field in {**DEPLOYMENT, **litellm_rare.DEPLOYMENT}.items()},
    **{f"{_INFO}.{name}": field for name, field in {**_MODEL_INFO, **litellm_rare.MODEL_INFO}.items()},
    "credential_list[].credential_name": carried("how litellm_credential_name finds it"),
    "credential_list[].credential_values": carried("read where a deployment names it"),
    "credential_list[].credential_info": needless("it only describes"),
    **{f"router_settings.{name}": field for name, field in {**_ROUTER, **litellm_rare.ROUTER}.items()},
    **{f"litellm_settings.{name}": field for name, field in {**_LITELLM, **litellm_rare.LITELLM}.items()},
    **{f"general_settings.{name}": field for name, field in {**_GENERAL, **litellm_rare.GENERAL}.items()},
    **litellm_rare.TOP,
    "environment_variables": left("what a deployment names of them is read there; set the others for `gantry serve`"),
    "callback_settings": _CALLBACK,
    "include": left("the files that it names are not read: import them one by one"),
    "guardrails": _NO_GUARD,
    "mcp_servers": _NO_MCP,
    "mcp_tools": _NO_MCP,
    "vector_store_registry": left("there are no vector stores"),
    "search_tools": left("there are no search tools"),
    "prompts": left("there is no prompt management"),
    "assistant_settings": needless("stateful resources live with a provider's home credential"),
    "files_settings": needless("files live with a provider's home credential"),
    "finetune_settings": needless("fine-tuning jobs live with a provider's home credential"),
    "agent_list": left("there is no registry of agents"),
    "policies": _NO_GUARD,
}

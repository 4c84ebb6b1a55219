"""Respan's export of logs, and its answers of `/api/request-logs/list/`. Pure.

A posted log is Respan's own form, so its columns are the members they are called by. What only the platform writes
(docs.respan.ai, the full log of its SDK) is kept beside them.
"""

from typing import Final

from gantry.imports.finding import kept, left, needless
from gantry.imports.log_source import (
    Columns,
    LogSource,
    Reading,
    columns_as,
    is_true,
    json_in,
    read_with,
    to,
)

_SAME: Final = """
    model provider_id log_type input output prompt_messages completion_message completion_messages messages
    full_request full_response tools tool_choice tool_calls finish_reason response_id usage prompt_tokens
    completion_tokens total_request_tokens reasoning_tokens prompt_cache_hit_tokens prompt_cache_creation_tokens
    cost prompt_unit_price completion_unit_price latency generation_time time_to_first_token ttft tokens_per_second
    timestamp start_time stream status_code error_message warnings temperature top_p max_tokens
    max_completion_tokens frequency_penalty presence_penalty stop n logprobs top_logprobs logit_bias response_format
    parallel_tool_calls reasoning_effort thinking stream_options customer_identifier customer_params customer_email
    customer_name metadata properties variables custom_identifier group_identifier evaluation_identifier
    thread_identifier session_identifier trace_group_identifier trace_unique_id trace_name span_unique_id
    span_parent_id span_name span_path span_workflow_name span_handoffs span_tools prompt prompt_id prompt_name
    prompt_version_number is_custom_prompt embedding encoding_format dimensions audio_input_file audio_output_file
    positive_feedback note category ideal_output eval_params
"""
_NO_SECRETS: Final = left("a secret, or what may hold one")
_JSON: Final = (
    "prompt_messages completion_message completion_messages messages full_request full_response tools tool_calls "
    "usage metadata properties variables"
).split()

COLUMNS: Final[Columns] = {
    **{name: to(name) for name in _SAME.split()},
    "unique_id": read_with("unique_id, so that a second import adds nothing"),
    "id": read_with("unique_id, where there is none"),
    "status": read_with("status: success or error"),
    "failed": read_with("status"),
    "error_bit": read_with("status"),
    "all_tokens": to("total_tokens"),
    "total_tokens": to("total_tokens"),
    "environment": read_with("environment: prod or test"),
    "is_test": read_with("environment"),
    "organization_key__name": read_with("the API key of that name, where there is one"),
    "organization_key_name": read_with("the API key of that name, where there is one"),
    "api_key_name": read_with("the API key of that name, where there is one"),
    **dict(columns_as(_NO_SECRETS, "api_key customer_credentials credential_override customer_api_keys")),
    **dict(
        columns_as(left("a log that asked not to be kept is kept as it was exported"), "disable_log is_log_omitted")
    ),
    **dict(
        columns_as(
            needless("it is read from what the log says"),
            "full_text prompt_text completion_text system_text input_array has_tool_calls prompt_message_count "
            "completion_message_count is_fts_enabled has_warnings warnings_dict hour_group minute_group cache_bit "
            "cache_miss_bit foundation_model full_model_name",
        )
    ),
    **dict(
        columns_as(
            kept(),
            "organization organization_id organization_name unique_organization_id organization_key_id user user_id "
            "user_email is_example log_method routing_time used_custom_credential scores evaluations recommendations "
            "recommendations_dict load_balance_group_id deployment_name cache_hit cache_key redis_cache_ttl "
            "cache_request_content covered_by evaluation_cost period_start period_end models customer_user_unique_id "
            "respan_api_controls mock_response is_token_breakdown_enabled base64_embedding for_eval ip_address "
            "request_url_path metadata_indexed_string_1 metadata_indexed_string_2 metadata_indexed_numerical_1 "
            "prompt_messages_template thread_unique_id dataset_id ds_run_at original_copy_storage_object_key "
            "storage_object_key blurred amount_to_pay cached limit_info is_pinned sentiment_score ideal_output_score",
        )
    ),
}
_KEY_NAMES: Final = ("organization_key__name", "organization_key_name", "api_key_name")


def _finish(reading: Reading) -> None:
    row, body = reading.row, reading.body
    for name in _JSON:  # in CSV they are text
        if name in body:
            body[name] = json_in(body[name])
    status = str(row.get("status") or "").lower()
    if is_true(row.get("failed")) or is_true(row.get("error_bit")) or status in ("error", "failed"):
        body["status"] = "error"
    elif status == "success":
        body["status"] = "success"
    if row.get("is_test") not in (None, ""):
        reading.environment = "test" if is_true(row["is_test"]) else "prod"
    elif row.get("environment") in ("prod", "test"):
        reading.environment = str(row["environment"])
    key = next((row[name] for name in _KEY_NAMES if row.get(name)), None)
    reading.key = None if key is None else str(key)


RESPAN: Final = LogSource(
    name="respan", title="Respan", columns=COLUMNS, id_columns=("unique_id", "id"), finish=_finish
)

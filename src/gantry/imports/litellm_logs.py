"""LiteLLM's spend logs: rows of its table `LiteLLM_SpendLogs`, or the answer of `/spend/logs`. Pure.

The columns are those of `schema.prisma` in github.com/BerriAI/litellm. What was said is in them only where that proxy
was set to keep it (`store_prompts_in_spend_logs`).
"""

from typing import Any, Final

from gantry.imports.amounts import number_in
from gantry.imports.finding import Fate, kept, left, needless
from gantry.imports.log_source import (
    Columns,
    LogSource,
    Reading,
    columns_as,
    from_milliseconds,
    is_true,
    json_in,
    object_in,
    read_with,
    seconds_between,
    to,
)

_LOG_TYPES: Final = (
    ("embedding", "embedding"),
    ("transcription", "transcription"),
    ("speech", "speech"),
    ("responses", "response"),
    ("text_completion", "completion"),
    ("completion", "chat"),
    ("anthropic_messages", "chat"),
    ("generate_content", "chat"),
)
_FAILED: Final = 500
_CACHED: Final = "additional_usage_values"

COLUMNS: Final[Columns] = {
    "request_id": to("response_id", "unique_id, so that a second import adds nothing; and response_id"),
    "call_type": read_with("log_type"),
    "spend": to("cost", "cost, told: price_source is `posted`"),
    "prompt_tokens": to("prompt_tokens"),
    "completion_tokens": to("completion_tokens"),
    "total_tokens": to("total_tokens"),
    "usage": to("usage"),
    "startTime": to("start_time"),
    "endTime": to("timestamp"),
    "completionStartTime": read_with("time_to_first_token, from startTime on"),
    "request_duration_ms": read_with("latency, in seconds"),
    "model": to("model"),
    "custom_llm_provider": read_with("provider_id"),
    "end_user": to("customer_identifier"),
    "session_id": to("session_identifier", "thread_identifier"),
    "metadata": to("metadata", "metadata, and of it the key's name, the error and the cached tokens"),
    "request_tags": read_with("metadata.tags"),
    "messages": read_with("input"),
    "response": read_with("full_response: output, tool calls and usage are read from it"),
    "proxy_server_request": read_with("full_request, its body alone: headers are not kept", Fate.CHANGED),
    "status": read_with("status, with the error's code as status_code"),
    "cache_hit": read_with("metadata.cache_hit"),
    **dict(
        columns_as(
            kept(),
            "litellm_call_id billing_agent_id modelParameters model_id model_group api_base user team_id "
            "organization_id requester_ip_address cache_key agent_id mcp_namespaced_tool_name",
        )
    ),
    **dict(columns_as(left("it is the hash of a key that does not work here"), "api_key")),
    **dict(columns_as(needless("it says when LiteLLM wrote the row"), "created_at updated_at")),
}


def _finish(reading: Reading) -> None:
    row, body = reading.row, reading.body
    call_type = str(row.get("call_type") or "")
    body["log_type"] = next((ours for theirs, ours in _LOG_TYPES if theirs in call_type), "unknown")
    reading.put("latency", from_milliseconds(row.get("request_duration_ms")))
    first = row.get("completionStartTime")
    if first and first != row.get("endTime"):  # of what is no stream they are one
        reading.put("time_to_first_token", seconds_between(row.get("startTime"), first))
        body["stream"] = True
    provider = str(row.get("custom_llm_provider") or "")
    reading.put("provider_id", reading.providers.get(provider, provider))
    metadata = reading.metadata()
    alias = metadata.get("user_api_key_alias")
    reading.key = str(alias) if alias else None
    metadata.pop("user_api_key", None)
    tags = json_in(row.get("request_tags"))
    if isinstance(tags, list) and tags:
        metadata.setdefault("tags", tags)
    if is_true(row.get("cache_hit")):
        metadata.setdefault("cache_hit", True)
    _read_content(reading)
    _read_usage(reading, object_in(metadata.get(_CACHED)))
    _read_status(reading, metadata)


def _read_content(reading: Reading) -> None:
    response = json_in(reading.row.get("response"))
    reading.put("input", json_in(reading.row.get("messages")))
    if isinstance(response, dict):
        reading.put("full_response", response)
    else:
        reading.put("output", response)
    request = object_in(reading.row.get("proxy_server_request"))
    request = object_in(request.get("body")) or {
        name: value for name, value in request.items() if name not in ("headers", "url", "method")
    }
    reading.put("full_request", request)


def _read_usage(reading: Reading, values: dict[str, Any]) -> None:
    details = object_in(values.get("prompt_tokens_details"))
    for member, found in (
        ("prompt_cache_hit_tokens", values.get("cache_read_input_tokens") or details.get("cached_tokens")),
        ("prompt_cache_creation_tokens", values.get("cache_creation_input_tokens")),
    ):
        number = number_in(found)
        if number is not None and number > 0:
            reading.put(member, int(number))


def _read_status(reading: Reading, metadata: dict[str, Any]) -> None:
    status = str(reading.row.get("status") or metadata.get("status") or "success")
    if status == "success":
        return
    error = object_in(metadata.get("error_information"))
    code = number_in(error.get("error_code"))
    reading.body["status"] = "error"
    reading.body["status_code"] = int(code) if code is not None and 100 <= code <= 599 else _FAILED
    reading.put("error_message", error.get("error_message") or error.get("error_class") or status)


LITELLM: Final = LogSource(name="litellm", title="LiteLLM", columns=COLUMNS, id_columns=("request_id",), finish=_finish)

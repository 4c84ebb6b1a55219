"""Helicone's export of requests: what `npx @helicone/export` writes, as JSON lines, JSON or CSV. Pure.

The columns are those of `HeliconeRequest` (packages/llm-mapper/types.ts) and of the tool itself
(examples/export/typescript/index.ts) in github.com/Helicone/helicone.
"""

from typing import Any, Final

from gantry.imports.amounts import number_in
from gantry.imports.finding import Fate, kept, needless
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
    to,
)

_SESSION: Final = "Helicone-Session-Id"
_INPUTS: Final = ("messages", "prompt", "input")
_PLACE_OF_INPUT: Final = "contents"  # Gemini's
_NO_ANSWER: Final = 0  # the status of a log without one

COLUMNS: Final[Columns] = {
    "request_id": read_with("unique_id, so that a second import adds nothing"),
    "response_id": read_with("unique_id, where there is no request_id, as in its CSV", Fate.CHANGED),
    "request_created_at": to("start_time"),
    "response_created_at": to("timestamp"),
    "response_status": read_with("status_code; Helicone's own, below 0, are 0, an error without an answer"),
    "request_body": read_with("full_request: input and tools are read from it"),
    "response_body": read_with("full_response: output, tool calls and usage are read from it"),
    "request_user_id": to("customer_identifier"),
    "request_properties": read_with("properties; the session's are thread_identifier, trace_name and span_path"),
    "properties": read_with("properties; the session's are thread_identifier, trace_name and span_path"),
    "response_model": read_with("model: the response's, else the override, the request's, or `model`"),
    "request_model": read_with("model: the response's, else the override, the request's, or `model`"),
    "model_override": read_with("model: the response's, else the override, the request's, or `model`"),
    "model": read_with("model: the response's, else the override, the request's, or `model`"),
    "provider": read_with("provider_id"),
    "delay_ms": read_with("latency, in seconds"),
    "time_to_first_token": read_with("time_to_first_token, in seconds"),
    "prompt_tokens": to("prompt_tokens"),
    "completion_tokens": to("completion_tokens"),
    "total_tokens": to("total_tokens"),
    "prompt_cache_read_tokens": to("prompt_cache_hit_tokens"),
    "prompt_cache_write_tokens": to("prompt_cache_creation_tokens"),
    "cost": to("cost", "cost, told: price_source is `posted`"),
    "costUSD": to("cost", "cost, told: price_source is `posted`"),
    "prompt_id": to("prompt_id"),
    "feedback_rating": read_with("positive_feedback"),
    "latency": read_with("its unit is not told: kept in `imported`; latency is delay_ms, or end less start", Fate.KEPT),
    **dict(
        columns_as(
            kept(),
            "helicone_user request_path target_url node_id country_code feedback_id feedback_created_at scores "
            "asset_ids "
            "asset_urls assets cache_reference_id cache_enabled prompt_audio_tokens completion_audio_tokens key_name "
            "prompt_name prompt_regex request_prompt response_prompt request_formatted_prompt_id request_prompt_values "
            "request_feedback cache_count organization_id gateway_router_id gateway_deployment_target "
            "ai_gateway_body_mapping "
            "prompt_version request_referrer is_passthrough_billing storage_location",
        )
    ),
    **dict(
        columns_as(needless("a link to the bodies, which has expired: export with --include-body"), "signed_body_url")
    ),
    **dict(columns_as(needless("the bodies in Helicone's own form; the bodies themselves are read"), "llmSchema")),
}


def _finish(reading: Reading) -> None:
    row = reading.row
    models = ("response_model", "model_override", "request_model", "model")
    reading.put("model", next((row[name] for name in models if row.get(name)), None))
    provider = str(row.get("provider") or "").lower()
    reading.put("provider_id", reading.providers.get(provider, provider))
    reading.put("latency", from_milliseconds(row.get("delay_ms")))
    reading.put("time_to_first_token", from_milliseconds(row.get("time_to_first_token")))
    if row.get("feedback_rating") not in (None, ""):
        reading.body["positive_feedback"] = is_true(row["feedback_rating"])
    status = number_in(row.get("response_status"))
    if status is not None:
        reading.body["status_code"] = int(status) if status > 0 else _NO_ANSWER
        if status <= 0:
            reading.body["status"] = "error"
    _read_bodies(reading)
    _read_properties(reading)


def _read_bodies(reading: Reading) -> None:
    request, response = json_in(reading.row.get("request_body")), json_in(reading.row.get("response_body"))
    if isinstance(request, dict):
        reading.put("full_request", request)
        if not any(name in request for name in _INPUTS):
            reading.put("input", request.get(_PLACE_OF_INPUT))
        reading.body["stream"] = is_true(request.get("stream"))
    else:
        reading.put("input", request)
    if not isinstance(response, dict):
        reading.put("output", response)
        return
    reading.put("full_response", response)
    if "choices" not in response:  # another format than OpenAI's, in which output would not be found
        reading.put("output", _said(response))
    if (number_in(reading.row.get("response_status")) or 200) >= 400:
        reading.put("error_message", response.get("error") or response)


def _said(response: dict[str, Any]) -> Any:
    return response.get("content") or response.get("candidates") or response.get("output") or response.get("text")


def _read_properties(reading: Reading) -> None:
    properties = {**object_in(reading.row.get("properties")), **object_in(reading.row.get("request_properties"))}
    reading.put("thread_identifier", properties.get(_SESSION))
    reading.put("trace_name", properties.get("Helicone-Session-Name"))
    reading.put("span_path", properties.get("Helicone-Session-Path"))
    reading.put("properties", properties)


HELICONE: Final = LogSource(
    name="helicone", title="Helicone", columns=COLUMNS, id_columns=("request_id", "response_id"), finish=_finish
)

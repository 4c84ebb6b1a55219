"""A request log as spans, by OpenTelemetry's GenAI conventions: the call, and each of its attempts within it.

Law: ids that the caller gave are kept where they have OpenTelemetry's form, and else made of what was given, the same
each time; so a log that is exported twice is one span. What was said is told only where that is asked for.

Spec: https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gantry.core.log_figures import total_tokens
from gantry.core.logged_attempt import LoggedAttempt, read_attempts
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import LogMethod, Outcome
from gantry.dialects.otlp.message import Attributes, Span, Value
from gantry.dialects.otlp.names import MODEL_CALLS

_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}\Z")
_INTERNAL, _CLIENT = 1, 3
_ERROR_STATUS: Final = 400
_GOOD: Final = frozenset((Outcome.SUCCESS, Outcome.LOGGED))
_OPERATIONS: Final = {
    "chat": "chat",
    "response": "chat",
    "completion": "text_completion",
    "text": "text_completion",
    "embedding": "embeddings",
    "tool": "execute_tool",
    "agent": "invoke_agent",
    "workflow": "invoke_workflow",
}
_PROVIDERS: Final = {
    "mistral": "mistral_ai",
    "google_gemini_ai": "gcp.gemini",
    "google_vertex_ai": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "azure_openai": "azure.ai.openai",
    "xai": "x_ai",
    "moonshot": "moonshot_ai",
}
MOST_CONTENT: Final = 128 * 1024  # characters of an input, and of an output, that are told


def spans_of(log: RequestLog, key_name: str | None, *, content: bool) -> list[Span]:
    """Return the span of a log, and those of its attempts."""
    trace_id = _id_of(log.trace_unique_id, _TRACE_ID) or log.log_id
    span_id = _id_of(log.span_unique_id, _SPAN_ID) or _digest(log.log_id, 16)
    failed = log.outcome not in _GOOD or log.status_code >= _ERROR_STATUS
    operation = _OPERATIONS.get(log.log_type, log.log_type)
    called = log.span_name or " ".join(filter(None, (operation, log.model or log.requested_model)))
    call = Span(
        trace_id=_as_id(trace_id, _TRACE_ID),
        span_id=span_id,
        parent_id=_id_of(log.span_parent_id, _SPAN_ID) or "",
        name=called,
        kind=_CLIENT if log.log_type in MODEL_CALLS else _INTERNAL,
        started_at=max(log.started_at, 0),  # what was posted may lie before 1970, which a span cannot
        ended_at=max(log.ended_at, log.started_at, 0),
        attributes=_known({**_attributes(log, operation, key_name), **(_content(log) if content else {})}),
        failed=failed,
        status_message=(log.error_message or str(log.outcome)) if failed else "",
    )
    return [call, *(_attempt_span(call, number, one) for number, one in enumerate(read_attempts(log.attempts), 1))]


def _attributes(log: RequestLog, operation: str, key_name: str | None) -> dict[str, Value]:
    usage = log.usage
    failed = log.outcome not in _GOOD
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _provider(log.provider_id),
        "gen_ai.request.model": log.requested_model,
        "gen_ai.response.model": log.model,
        "gen_ai.response.id": log.response_id,
        "gen_ai.response.finish_reasons": [log.finish_reason] if log.finish_reason else None,
        "gen_ai.response.time_to_first_chunk": _seconds(log.time_to_first_token) if log.stream else None,
        "gen_ai.request.stream": log.stream or None,
        "gen_ai.request.temperature": log.temperature,
        "gen_ai.request.max_tokens": log.max_tokens,
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.total_tokens": total_tokens(log),
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
        "gen_ai.conversation.id": log.thread_identifier,
        "user.id": log.customer_identifier,
        "http.response.status_code": log.status_code or None,
        "error.type": str(log.outcome) if failed else None,
        "gantry.log_id": log.log_id if log.log_method is LogMethod.INFERENCE else None,
        "gantry.organization_id": log.organization_id,
        "gantry.environment": str(log.environment),
        "gantry.key.id": log.key_id,
        "gantry.key.name": key_name,
        "gantry.outcome": str(log.outcome),
        "gantry.log_type": log.log_type,
        "gantry.cost_usd": None if log.cost is None else log.cost / 1e9,
        "gantry.custom_identifier": log.custom_identifier,
        "gantry.metadata": log.metadata,
    }


def _attempt_span(call: Span, number: int, attempt: LoggedAttempt) -> Span:
    began = call.started_at + (attempt.began or 0)
    succeeded = attempt.outcome == Outcome.SUCCESS
    attributes: Attributes = {
        "gen_ai.provider.name": _provider(attempt.provider_id),
        "gen_ai.request.model": attempt.upstream_model,
        "server.address": attempt.upstream_host,
        "http.response.status_code": attempt.status,
        "error.type": None if succeeded else attempt.outcome,
        "gantry.attempt.number": number,
        "gantry.attempt.step": attempt.step or None,
        "gantry.attempt.reason": attempt.reason or None,
        "gantry.attempt.tier": attempt.tier,
        "gantry.credential.name": attempt.credential_name,
        "gantry.cost_usd": None if attempt.cost is None else attempt.cost / 1e9,
    }
    return Span(
        trace_id=call.trace_id,
        span_id=_digest(f"{call.span_id} {number}", 16),
        parent_id=call.span_id,
        name=" ".join(filter(None, ("attempt", attempt.provider_id, attempt.upstream_model))),
        kind=_CLIENT,
        started_at=began,
        ended_at=began + (attempt.duration or 0),
        attributes=_known(attributes),
        failed=not succeeded,
        status_message="" if succeeded else attempt.error or attempt.outcome,
    )


def _content(log: RequestLog) -> dict[str, Value]:
    if log.log_type not in MODEL_CALLS:
        return {"input.value": _bounded(log.input), "output.value": _bounded(log.output)}
    return {
        "gen_ai.input.messages": _in_parts(_bounded(log.input), "user"),
        "gen_ai.output.messages": _in_parts(_bounded(log.output), "assistant"),
    }


def _bounded(text: str | None) -> str | None:
    """Return what was said, unless there is too much of it for an attribute: half of a JSON text is none."""
    return text if text is not None and len(text) <= MOST_CONTENT else None


def _in_parts(said: str | None, role: str) -> str | None:
    """Return what was said as messages of the conventions."""
    if said is None:
        return None
    try:
        found = msgspec.json.decode(said) if said[:1] in ("[", "{") else said
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = said
    messages = found if isinstance(found, list) else [found]
    return msgspec.json.encode([_message(one, role) for one in messages]).decode()


def _message(message: Any, role: str) -> dict[str, Any]:
    if not isinstance(message, dict):
        return {"role": role, "parts": _parts(message)}
    role = str(message.get("role") or role)
    if role == "tool":
        result = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": message.get("content")}
        return {"role": role, "parts": [result]}
    calls = message.get("tool_calls")
    parts = _parts(message.get("content"))
    return {"role": role, "parts": parts + ([_call(one) for one in calls] if isinstance(calls, list) else [])}


def _parts(content: Any) -> list[Any]:
    if content is None:
        return []
    if not isinstance(content, list):
        return [{"type": "text", "content": content}]
    return [
        {"type": "text", "content": one["text"]} if isinstance(one, dict) and "text" in one else one for one in content
    ]


def _call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    return {
        "type": "tool_call",
        "id": call.get("id"),
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }


def _provider(provider_id: str | None) -> str | None:
    return None if provider_id is None else _PROVIDERS.get(provider_id, provider_id)


def _known(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in attributes.items() if value is not None}


def _seconds(duration: int | None) -> float | None:
    return None if duration is None else duration / 1e9


def _id_of(given: str | None, form: re.Pattern[str]) -> str | None:
    return None if not given else _as_id(given, form)


def _as_id(given: str, form: re.Pattern[str]) -> str:
    """Return an id as it is, or one of its own for a name that has another form."""
    if form.match(given) and given.strip("0"):
        return given
    return _digest(given, 32 if form is _TRACE_ID else 16)


def _digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]

"""A request log as the API shows it: Respan's names, seconds, dollars, ISO times.

Law: what is unknown is null, never 0. JSON that was stored is embedded as the text it is, so `1.00` and integers of 23
digits leave as they came.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.log_figures import is_cache_hit, tokens_per_second, total_tokens
from gantry.core.logged_attempt import LoggedAttempt, read_attempts
from gantry.core.money import usd_from_nano
from gantry.core.request_log import RequestLog
from gantry.core.usage import UNITS, Usage
from gantry.core.vocabulary import Outcome

_NANO: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HEDGE: Final = "hedge"  # the part of a cost that is an estimate
_GOOD: Final = frozenset((Outcome.SUCCESS, Outcome.LOGGED))


def item_of(log: RequestLog) -> dict[str, Any]:
    """Return a log as an item of a list."""
    usage, speed = log.usage, tokens_per_second(log)
    failed = log.outcome not in _GOOD or log.status_code >= 400
    cost_by_unit = cost_by_unit_of(log)
    return {
        "id": log.log_id,
        "unique_id": log.log_id,
        "organization_id": log.organization_id,
        "organization_key_id": log.key_id,
        "environment": log.environment,
        "log_method": log.log_method,
        "log_type": log.log_type,
        "operation": log.operation,
        "status": "error" if failed else "success",
        "failed": failed,
        "outcome": log.outcome,
        "status_code": log.status_code,
        "error_message": log.error_message,
        "warnings": embed(log.warnings),
        "model": log.model,
        "requested_model": log.requested_model,
        "provider_id": log.provider_id,
        "deployment_name": log.deployment_name,
        "stream": log.stream,
        "timestamp": iso_of(log.ended_at),
        "start_time": iso_of(log.started_at),
        "latency": seconds_of(log.latency),
        "time_to_first_token": seconds_of(log.time_to_first_token),
        "tokens_per_second": None if speed is None else round(speed, 3),
        "routing_time": seconds_of(log.routing_time),
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_request_tokens": total_tokens(log),
        "reasoning_tokens": usage.reasoning_tokens,
        "prompt_cache_hit_tokens": usage.cached_input_tokens,
        "prompt_cache_creation_tokens": usage.cache_write_tokens,
        "usage_estimated": usage.estimated,
        "units": units_of(usage),
        "cost": _usd(log.cost),
        "cost_by_unit": cost_by_unit,
        "hedge_cost": None if cost_by_unit is None else cost_by_unit.get(_HEDGE),
        "price_source": log.price_source,
        "price_missing": log.price_missing,
        "cache_hit": is_cache_hit(log),
        "cache_key": log.cache_key,
        "cache_savings": _usd(log.cache_savings),
        "input": log.input,
        "output": log.output,
        "prompt_messages": _messages(log.input, b"["),
        "completion_message": _messages(log.output, b"{"),
        "tools": embed(log.tools),
        "tool_calls": embed(log.tool_calls),
        "finish_reason": log.finish_reason,
        "customer_identifier": log.customer_identifier,
        "customer_name": log.customer_name,
        "customer_email": log.customer_email,
        "thread_identifier": log.thread_identifier,
        "custom_identifier": log.custom_identifier,
        "group_identifier": log.group_identifier,
        "trace_unique_id": log.trace_unique_id,
        "span_unique_id": log.span_unique_id,
        "span_parent_id": log.span_parent_id,
        "span_name": log.span_name,
        "metadata": embed(log.metadata),
        "properties": embed(log.properties),
        "changes": embed(log.changes),
        "content_truncated": log.content_truncated,
        "is_pinned": bool(log.is_pinned),
        "positive_feedback": log.positive_feedback,
        "note": log.note,
        "scores": {},
    }


def full_item_of(log: RequestLog) -> dict[str, Any]:
    """Return all that is known of a log. Posted fields that have no column come under their own names."""
    item, posted = item_of(log), posted_fields(log.extra)
    limit_info = embed(log.limit_info)
    return {
        **posted,
        **item,
        **{
            name: posted[name]
            for name in ("note", "positive_feedback", "cache_key")
            if item[name] is None and name in posted
        },
        "temperature": log.temperature if log.temperature is not None else posted.get("temperature"),
        "max_tokens": log.max_tokens if log.max_tokens is not None else posted.get("max_tokens"),
        "dialect": log.dialect,
        "method": log.method,
        "path": log.path,
        "tier": log.tier,
        "attempts": attempt_items(log),
        "usage": embed(log.usage_raw),
        "price_version": log.price_version,
        "charged": _usd(log.charged),
        "customer_cost": _usd(log.customer_cost),
        "limit_info": limit_info,
        "respan_params": {"limit_info": limit_info},  # where some of Respan's clients look for it
        "response_id": log.response_id,
        "upstream_request_id": log.upstream_request_id,
        "request_bytes": log.request_bytes,
        "response_bytes": log.response_bytes,
        "user_agent": log.user_agent,
        "full_request": embed_bytes(log.full_request),
        "full_response": embed_bytes(log.full_response),
    }


def _usd(nano: int | None) -> float | None:
    return None if nano is None else usd_from_nano(nano)


def attempt_items(log: RequestLog) -> list[dict[str, Any]] | None:
    """Return the attempts of a log in their order; None where nobody was asked."""
    return [_attempt_item(attempt) for attempt in read_attempts(log.attempts)] or None


def _attempt_item(attempt: LoggedAttempt) -> dict[str, Any]:
    return {
        "provider_id": attempt.provider_id,
        "credential_id": attempt.credential_id,
        "credential_name": attempt.credential_name,
        "upstream_model": attempt.upstream_model,
        "upstream_host": attempt.upstream_host,
        "tier": attempt.tier,
        "step": attempt.step or None,
        "reason": attempt.reason or None,
        "share": attempt.share,
        "condition": attempt.condition or None,
        "status": attempt.status,
        "outcome": attempt.outcome,
        "error": attempt.error,
        "began": seconds_of(attempt.began),
        "connect": seconds_of(attempt.connect),
        "first_byte": seconds_of(attempt.first_byte),
        "duration": seconds_of(attempt.duration),
        "unsent": attempt.unsent,
        "cost": _usd(attempt.cost),
        "cost_estimated": attempt.cost_estimated,
    }


def units_of(usage: Usage) -> dict[str, int | float]:
    """Return the units that were reported; seconds of audio as a number."""
    counted = ((name, getattr(usage, name)) for name in UNITS)
    return {name: count if isinstance(count, int) else float(count) for name, count in counted if count is not None}


def cost_by_unit_of(log: RequestLog) -> dict[str, float] | None:
    """Return what each unit cost, in dollars; None where only the whole is known, or not even that."""
    if log.cost_by_unit is None:
        return None
    parts = msgspec.json.decode(log.cost_by_unit, type=dict[str, int])
    return {unit: usd_from_nano(part) for unit, part in parts.items()}


def embed(text: str | None) -> Raw | str | None:
    """Return JSON text as itself, and what is not JSON as a string."""
    return None if text is None else embed_bytes(text.encode("utf-8", "replace"))


def embed_bytes(content: bytes | None) -> Raw | str | None:
    """As `embed`; bytes that are not UTF-8 are shown with replacement characters."""
    if content is None:
        return None
    try:
        content.decode()
        return msgspec.json.decode(content, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content.decode("utf-8", "replace")


def iso_of(unix_ns: int) -> str:
    """Return a time in ISO 8601. The store's 64 bits of nanoseconds end in the year 2262."""
    return (_EPOCH + timedelta(microseconds=unix_ns // 1000)).isoformat().replace("+00:00", "Z")


def seconds_of(duration: int | None) -> float | None:
    return None if duration is None else duration / _NANO


def _messages(text: str | None, opening: bytes) -> Raw | None:
    value = embed(text)
    return value if isinstance(value, Raw) and bytes(value).startswith(opening) else None


def posted_fields(text: str | None) -> Mapping[str, Any]:
    """Return the posted fields that have no column, each as the JSON it was sent as."""
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {"extra": text}

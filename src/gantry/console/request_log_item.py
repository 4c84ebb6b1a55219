"""The shapes of request logs, as `core.log_item` writes them: one of a list, one in full, an attempt, sums.

Law: null means unknown. Times are ISO 8601, durations seconds, money USD.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from gantry.console.parameters import Moment
from gantry.core.vocabulary import Environment, LogMethod, Outcome


class LogItem(Struct, frozen=True):
    """A log in a list. `exclude` leaves fields of it out, `include_fields` adds such of the full log."""

    id: str
    unique_id: str
    organization_id: str
    organization_key_id: str | None
    environment: Environment
    log_method: LogMethod
    log_type: str
    operation: str
    status: Literal["success", "error"]
    failed: bool
    outcome: Outcome
    status_code: int
    error_message: str | None
    warnings: list[str] | None
    model: str | None
    requested_model: str | None
    provider_id: str | None
    deployment_name: str | None
    stream: bool
    timestamp: Moment
    start_time: Moment
    latency: float | None
    time_to_first_token: float | None
    tokens_per_second: float | None
    routing_time: float | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_request_tokens: int | None
    reasoning_tokens: int | None
    prompt_cache_hit_tokens: int | None
    prompt_cache_creation_tokens: int | None
    usage_estimated: bool
    units: dict[str, float]
    cost: float | None
    cost_by_unit: dict[str, float] | None
    hedge_cost: float | None
    price_source: str | None
    price_missing: bool
    cache_hit: bool
    cache_key: str | None
    cache_savings: float | None
    input: str | None
    output: str | None
    prompt_messages: list[Any] | None
    completion_message: dict[str, Any] | None
    tools: list[str] | None
    tool_calls: Any
    finish_reason: str | None
    customer_identifier: str | None
    customer_name: str | None
    customer_email: str | None
    thread_identifier: str | None
    custom_identifier: str | None
    group_identifier: str | None
    trace_unique_id: str | None
    span_unique_id: str | None
    span_parent_id: str | None
    span_name: str | None
    metadata: dict[str, Any] | str | None  # a text where it is no JSON
    properties: dict[str, Any] | str | None
    changes: list[str] | None
    content_truncated: bool
    is_pinned: bool
    positive_feedback: bool | None
    note: str | None
    scores: dict[str, Any]
    # Where `include_fields` names them: what was said last, on one line.
    input_preview: str | UnsetType | None = UNSET
    output_preview: str | UnsetType | None = UNSET


class AttemptItem(Struct, frozen=True):
    """Whom a call asked, why, and what became of it. `began` counts from the call's start."""

    provider_id: str
    credential_id: str
    credential_name: str
    upstream_model: str | None
    upstream_host: str | None
    tier: str
    step: str | None
    reason: str | None
    share: float | None
    condition: str | None
    status: int | None
    outcome: str
    error: str | None
    began: float | None
    connect: float | None
    first_byte: float | None
    duration: float | None
    unsent: bool
    cost: float | None
    cost_estimated: bool


class AskedLimit(Struct, frozen=True):
    """How a call stood to one limit; in USD where the limit counts those."""

    name: str
    current_value: float
    new_value: float
    limit_value: float
    is_within_limit: bool


class AskedLimits(Struct, frozen=True):
    is_allowed: bool
    limits: list[AskedLimit]


class LogParams(Struct, frozen=True):
    limit_info: AskedLimits | None


class FullLog(LogItem, frozen=True, kw_only=True):
    """All that is known of a log. Posted fields that are none of these stand beside them under their own names."""

    temperature: float | None
    max_tokens: int | None
    dialect: str
    method: str
    path: str
    tier: str | None
    attempts: list[AttemptItem] | None
    usage: dict[str, Any] | None
    price_version: str | None
    charged: float | None
    customer_cost: float | None
    limit_info: AskedLimits | None
    respan_params: LogParams
    response_id: str | None
    upstream_request_id: str | None
    request_bytes: int
    response_bytes: int
    user_agent: str | None
    full_request: Any
    full_response: Any


class FilterField(Struct, frozen=True):
    """A field to filter by."""

    kind: str
    operators: list[str]
    options: list[str | bool]


class LogList(Struct, frozen=True):
    """A page of logs. There are at least `count` where it is not exact."""

    count: int
    count_is_exact: bool
    next: str | None
    previous: str | None
    results: list[LogItem]
    current_filters: dict[str, Any]
    filters_data: dict[str, FilterField] | UnsetType = UNSET


class LogSummary(Struct, frozen=True):
    number_of_requests: int
    number_of_errors: int
    total_cost: float
    total_tokens: int
    total_prompt_tokens: int
    total_completion_tokens: int
    avg_latency: float | None
    avg_tps: float | None
    avg_ttft: float | None
    number_of_cache_hits: int
    total_cache_savings: float
    total_prompt_cache_hit_tokens: int
    prompt_cache_hit_rate: float | None
    scores: dict[str, Any]
    current_filters: dict[str, Any]

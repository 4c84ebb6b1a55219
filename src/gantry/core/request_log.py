"""A request log: the one record in which each admitted request ends, whichever door it came by (laws 5 and 9).

The clerk makes it, the store keeps it, the console shows it. Times are integer nanoseconds since the epoch, durations
integer nanoseconds, money integer nano-dollars; None means unknown. JSON-valued fields hold JSON text as it was sent.
"""

from typing import Final

from msgspec import Struct

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome

CACHED_MODEL: Final = "respan/cache"  # whose answer comes out of the response cache, in Respan's words


class RequestLog(Struct, frozen=True, gc=False):
    log_id: str
    organization_id: str
    key_id: str | None
    environment: Environment
    log_method: LogMethod
    outcome: Outcome
    status_code: int
    started_at: int
    ended_at: int

    log_type: str = "chat"  # Respan's words: chat, embedding, text, …
    operation: str = "chat"
    dialect: str = ""
    method: str = "POST"
    path: str = ""

    model: str | None = None  # the upstream model that served, without prefix; CACHED_MODEL where the cache did
    requested_model: str | None = None  # as the caller wrote it
    provider_id: str | None = None
    credential_id: str | None = None
    deployment_name: str | None = None  # the credential's name
    tier: str | None = None
    attempts: str | None = None  # JSON list of LoggedAttempt

    error_message: str | None = None
    warnings: str | None = None  # JSON list of strings

    latency: int | None = None
    time_to_first_token: int | None = None
    routing_time: int | None = None  # spent in the gateway before the first byte went upstream
    stream: bool = False
    temperature: float | None = None
    max_tokens: int | None = None

    usage: Usage = NO_USAGE
    usage_raw: str | None = None  # the provider's own usage object, as JSON
    cost: int | None = None  # of all attempts; see `clerk.attempts`
    cost_by_unit: str | None = None  # JSON object: nano-dollars by the names in Usage, each rounded on its own
    price_missing: bool = False  # usage was known and the price was not
    price_source: str | None = None
    price_version: str | None = None

    charged: int | None = None  # to the organization's credits, markup included; None: it paid its provider itself
    customer_cost: int | None = None  # with the customer's markup, where the customer has one
    limit_info: str | None = None  # JSON object: the limits that were asked, with their numbers

    cache_key: str | None = None  # of the entry that the answer is kept under, or came from
    cache_savings: int | None = None  # what an answer from the cache would have cost

    extra: str | None = None  # JSON object: posted fields that have no column (note, category, variables, …)

    input: str | None = None  # prompt messages as JSON, or text
    output: str | None = None  # completion message as JSON, or text
    tool_calls: str | None = None  # JSON list
    tools: str | None = None  # JSON list of the names of the tools that were offered
    changes: str | None = None  # JSON list of the parameters renamed, clamped, defaulted or dropped on the way
    finish_reason: str | None = None
    response_id: str | None = None  # the provider's id in the body
    upstream_request_id: str | None = None  # the provider's id in its headers
    full_request: bytes | None = None
    full_response: bytes | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    content_truncated: bool = False
    user_agent: str | None = None
    snapshot_version: int = 0

    customer_identifier: str | None = None
    customer_name: str | None = None
    customer_email: str | None = None
    thread_identifier: str | None = None
    custom_identifier: str | None = None
    group_identifier: str | None = None
    trace_unique_id: str | None = None
    span_unique_id: str | None = None
    span_parent_id: str | None = None
    span_name: str | None = None
    metadata: str | None = None  # JSON object
    properties: str | None = None  # JSON object

    # What people add to a log that is stored.
    is_pinned: bool | None = None
    positive_feedback: bool | None = None
    note: str | None = None

    markup_ppm: int | None = None  # that `charged` has on top of `cost`
    customer_markup_ppm: int | None = None  # likewise `customer_cost`

"""A log as users post it, and the answer to its post, for the description of the API.

Law: posted logs are read by `dialects.posted_log`, which takes more than this: older names, and fields that nobody
documents, which are kept. This says what there is to say.
"""

from typing import Any, Literal

from msgspec import Struct

from gantry.console.parameters import Moment
from gantry.core.vocabulary import Environment

Name = str | int  # kept as text, up to 254 characters
Content = str | dict[str, Any] | list[Any]


class CustomerParams(Struct, frozen=True, omit_defaults=True):
    customer_identifier: Name | None = None
    name: str | None = None
    email: str | None = None
    group_identifier: Name | None = None


class PostedLogForm(Struct, frozen=True, omit_defaults=True):
    """A call that was made elsewhere. Nothing has to be said; cost is worked out where model and usage are known."""

    model: str | None = None
    provider_id: str | None = None
    log_type: str = "chat"
    unique_id: Name | None = None  # posting the same again stores it once
    input: Content | None = None
    output: Content | None = None
    prompt_messages: list[Any] | None = None
    messages: list[Any] | None = None
    completion_message: dict[str, Any] | None = None
    completion_messages: list[Any] | None = None
    full_request: Content | None = None
    full_response: Content | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    tool_calls: list[Any] | None = None
    finish_reason: str | None = None
    response_id: str | None = None

    usage: dict[str, Any] | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    total_request_tokens: int | None = None
    reasoning_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    prompt_cache_creation_tokens: int | None = None
    cost: float | None = None  # USD
    prompt_unit_price: float | None = None  # USD for a million tokens
    completion_unit_price: float | None = None

    latency: float | None = None  # seconds
    generation_time: float | None = None
    time_to_first_token: float | None = None
    ttft: float | None = None
    tokens_per_second: float | None = None
    timestamp: Moment | None = None  # when it ended; now, where nothing is said
    start_time: Moment | None = None
    stream: bool | None = None

    status_code: int = 200
    status: Literal["success", "error"] | None = None
    error_message: Content | None = None
    warnings: Content | None = None

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: dict[str, float] | None = None
    response_format: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    thinking: dict[str, Any] | None = None
    stream_options: dict[str, Any] | None = None

    customer_identifier: Name | None = None
    customer_params: CustomerParams | None = None
    customer_email: str | None = None
    customer_name: str | None = None
    metadata: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    variables: dict[str, Any] | None = None
    custom_identifier: Name | None = None
    group_identifier: Name | None = None
    evaluation_identifier: Name | None = None
    thread_identifier: Name | None = None
    session_identifier: Name | None = None
    trace_group_identifier: Name | None = None

    trace_unique_id: str | None = None
    trace_name: str | None = None
    span_unique_id: str | None = None
    span_parent_id: str | None = None
    span_name: str | None = None  # cut to 255 characters
    span_path: str | None = None
    span_workflow_name: str | None = None
    span_handoffs: list[Any] | None = None
    span_tools: list[Any] | None = None

    prompt: str | dict[str, Any] | None = None
    prompt_id: str | None = None
    prompt_name: str | None = None
    prompt_version_number: int | None = None
    is_custom_prompt: bool | None = None
    embedding: list[float] | str | None = None
    encoding_format: str | None = None
    dimensions: int | None = None
    audio_input_file: str | None = None
    audio_output_file: str | None = None

    positive_feedback: bool | None = None
    note: str | None = None
    category: str | None = None
    ideal_output: Content | None = None
    eval_params: dict[str, Any] | None = None
    disable_log: bool | None = None  # keep usage, cost and times, and none of its content
    respan_params: dict[str, Any] | None = None  # any of these; what stands above wins


class AcceptedPost(Struct, frozen=True):
    """The log as it was taken. It is listed a moment later."""

    id: str
    unique_id: str
    organization_id: str
    customer_identifier: str | None
    status: str
    cost: float | None
    timestamp: Moment
    environment: Environment
    latency: float | None
    time_to_first_token: float | None
    prompt_cache_creation_tokens: int
    prompt_cache_hit_tokens: int
    message: str

"""Usage as OpenAI and Mistral write it."""

from typing import Any

from gantry.core.usage import Usage


def write_usage(usage: Usage) -> dict[str, Any]:
    """Return the counts. Clients need the first three, so what is not known of them is 0; Respan names cache writes."""
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    total = usage.total_tokens if usage.total_tokens is not None else prompt + completion
    written: dict[str, Any] = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    details: dict[str, int] = {}
    if usage.cached_input_tokens is not None:
        details["cached_tokens"] = usage.cached_input_tokens
    if usage.cache_write_tokens is not None:
        details["cache_creation_tokens"] = usage.cache_write_tokens
    if usage.input_audio_tokens:
        details["audio_tokens"] = usage.input_audio_tokens
    if details:
        written["prompt_tokens_details"] = details
    made: dict[str, int] = {}
    if usage.reasoning_tokens is not None:
        made["reasoning_tokens"] = usage.reasoning_tokens
    if usage.output_audio_tokens:
        made["audio_tokens"] = usage.output_audio_tokens
    if made:
        written["completion_tokens_details"] = made
    return written

"""Usage as Responses counts it: input with what was cached, output with what was thought."""

from typing import Any

from gantry.core.usage import NO_USAGE, Usage


def usage_fields(usage: Usage) -> dict[str, Any] | None:
    """Return usage with every member that the official SDK demands; None where nothing is known."""
    if usage == NO_USAGE:
        return None
    given, made = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": given,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": given + made if usage.total_tokens is None else usage.total_tokens,
    }

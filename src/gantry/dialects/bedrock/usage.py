"""The usage of an answer. `inputTokens` stand beside what was read from and written to the cache; ours include them.

All recorded answers add up so: total = input + cache read + cache write + output. One whose total is input + output
although there was a cache is taken at its word, and counts the cache in its input.
"""

from typing import Any, Final

from msgspec import Struct

from gantry.core.usage import Usage
from gantry.dialects.usage import possible_usage

_HOUR: Final = "1h"


class _Kept(Struct, rename="camel", gc=False):
    ttl: str | None = None
    input_tokens: int | None = None


class UsageShape(Struct, rename="camel"):
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_write_input_tokens: int | None = None
    cache_details: list[_Kept] | None = None  # of what was written


def read_usage(shape: UsageShape) -> Usage:
    read = shape.cache_read_input_tokens
    written = shape.cache_write_input_tokens
    input_tokens = shape.input_tokens
    cached = (read or 0) + (written or 0)
    if input_tokens is not None and cached and shape.total_tokens != input_tokens + (shape.output_tokens or 0):
        input_tokens += cached
    return possible_usage(
        Usage(
            input_tokens=input_tokens,
            cached_input_tokens=read,
            cache_write_tokens=written,
            output_tokens=shape.output_tokens,
            total_tokens=shape.total_tokens,
            cache_write_1h_tokens=sum(kept.input_tokens or 0 for kept in shape.cache_details or () if kept.ttl == _HOUR)
            or None,
        )
    )


def usage_value(usage: Usage) -> dict[str, Any]:
    """Return the usage in Bedrock's shape, whose three main counts are required."""
    read = usage.cached_input_tokens
    written = usage.cache_write_tokens
    total_input = usage.input_tokens or 0
    output = usage.output_tokens or 0
    value = {
        "inputTokens": max(total_input - (read or 0) - (written or 0), 0),
        "outputTokens": output,
        "totalTokens": total_input + output if usage.total_tokens is None else usage.total_tokens,
    }
    if read is not None:
        value["cacheReadInputTokens"] = read
    if written is not None:
        value["cacheWriteInputTokens"] = written
    return value

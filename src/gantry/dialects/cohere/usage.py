"""The usage of an answer, as billed.

`tokens.input_tokens` counts the prompt that Cohere builds around the caller's, some hundreds of tokens that nobody
pays; `cached_tokens` is a part of those, so it is ours only where it fits into the billed input.
"""

from typing import Any

from msgspec import Struct

from gantry.core.usage import Usage
from gantry.dialects.usage import possible_usage


class _Units(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None


class _Tokens(Struct):
    input_tokens: float | None = None
    output_tokens: float | None = None
    reasoning_tokens: float | None = None


class UsageShape(Struct):
    billed_units: _Units | None = None
    tokens: _Tokens | None = None
    cached_tokens: float | None = None


def read_usage(shape: UsageShape) -> Usage:
    tokens = shape.tokens or _Tokens()
    billed = shape.billed_units or _Units()
    input_tokens = _count(tokens.input_tokens if billed.input_tokens is None else billed.input_tokens)
    output_tokens = _count(tokens.output_tokens if billed.output_tokens is None else billed.output_tokens)
    cached = _count(shape.cached_tokens)
    fits = cached is not None and input_tokens is not None and cached <= input_tokens
    return possible_usage(
        Usage(
            input_tokens=input_tokens,
            cached_input_tokens=cached if fits else None,
            output_tokens=output_tokens,
            reasoning_tokens=_count(tokens.reasoning_tokens),
        )
    )


def usage_value(usage: Usage) -> dict[str, Any]:
    """Return the usage in Cohere's shape."""
    units = {
        name: count
        for name, count in (("input_tokens", usage.input_tokens), ("output_tokens", usage.output_tokens))
        if count is not None
    }
    tokens = dict(units)
    if usage.reasoning_tokens is not None:
        tokens["reasoning_tokens"] = usage.reasoning_tokens
    value: dict[str, Any] = {"billed_units": units, "tokens": tokens}
    if usage.cached_input_tokens is not None:
        value["cached_tokens"] = usage.cached_input_tokens
    return value


def _count(number: float | None) -> int | None:
    return None if number is None else int(number)

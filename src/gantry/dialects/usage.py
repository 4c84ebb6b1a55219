"""Reading a provider's usage object, under every spelling its family writes.

Law: never raises, never guesses: a count that is absent stays None, one that cannot be is clamped and named in a
warning. Two readings differ between families and are told apart by arithmetic and by names, not by who answered:
OpenAI's `prompt_tokens` include cached ones while Anthropic's `input_tokens` stand beside `cache_read_input_tokens`;
and where total = input + output + reasoning, the reasoning was not counted in the output and is added to it.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from gantry.core.usage import Usage
from gantry.dialects.members import UNREADABLE

MAX_COUNT: Final = 10**15


class _InputDetails(Struct, gc=False):
    cached_tokens: int | None = None
    image_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None


class _OutputDetails(Struct, gc=False):
    reasoning_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_token_details: _InputDetails | None = None  # Mistral's second spelling
    num_cached_tokens: int | None = None  # Mistral's third
    prompt_audio_seconds: Decimal | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    input_token_details: _InputDetails | None = None  # OpenAI's audio
    output_tokens_details: _OutputDetails | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    prompt_cache_creation_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation_prompt_tokens: int | None = None
    reasoning_tokens: int | None = None
    pages_processed: int | None = None
    seconds: Decimal | None = None  # OpenAI's audio, billed by duration
    connector_tokens: int | None = None
    connectors: dict[str, int] | None = None
    search_units: int | None = None  # Cohere's, in what it bills
    promptTokenCount: int | None = None  # noqa: N815  # Gemini's, of an embedding


class _Tier(Struct):
    service_tier: str | None = None


_decode_tier: Final = msgspec.json.Decoder(_Tier).decode
_decode: Final = msgspec.json.Decoder(_Usage, strict=False).decode


def read_usage(raw: bytes | msgspec.Raw) -> tuple[Usage, Sequence[str]]:
    """Return the normalised usage in a JSON object, and what was wrong with it."""
    try:
        found = _decode(raw)
        warnings: list[str] = []
    except UNREADABLE:
        found, warnings = _read_piecewise(raw)
    return _normalise(found, warnings), warnings


def _read_piecewise(raw: bytes | msgspec.Raw) -> tuple[_Usage, list[str]]:
    """Read each member on its own, so that one of a strange type does not hide the others."""
    try:
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return _Usage(), ["usage: not a JSON object"]
    found = _Usage()
    warnings = []
    for field in msgspec.structs.fields(_Usage):
        if field.name in members:
            try:
                setattr(found, field.name, _decode_member(members[field.name], field.type))
            except UNREADABLE:
                warnings.append(f"usage.{field.name}: not of the expected type")
    return found, warnings


def _decode_member(raw: msgspec.Raw, expected: Any) -> Any:
    return msgspec.json.decode(raw, type=expected, strict=False)


def _normalise(found: _Usage, warnings: list[str]) -> Usage:
    details = (
        found.prompt_tokens_details
        or found.prompt_token_details
        or found.input_tokens_details
        or found.input_token_details
    )
    cached = _first(
        details.cached_tokens if details else None,
        found.num_cached_tokens,
        found.cached_tokens,
        found.prompt_cache_hit_tokens,
        found.cache_read_input_tokens,
    )
    written = _first(
        details.cache_write_tokens if details else None,
        details.cache_creation_tokens if details else None,
        found.prompt_cache_creation_tokens,
        found.cache_creation_input_tokens,
        found.cache_creation_prompt_tokens,
    )
    output_details = found.completion_tokens_details or found.output_tokens_details
    reasoning = _first(output_details.reasoning_tokens if output_details else None, found.reasoning_tokens)
    total = found.total_tokens
    input_tokens = found.prompt_tokens
    if input_tokens is None:
        input_tokens = found.input_tokens
        if input_tokens is not None and found.input_tokens_details is None:
            input_tokens += (found.cache_read_input_tokens or 0) + (found.cache_creation_input_tokens or 0)
    if input_tokens is None:
        input_tokens = found.promptTokenCount
    output_tokens = found.completion_tokens if found.completion_tokens is not None else found.output_tokens
    if reasoning and total is not None and total == (input_tokens or 0) + (output_tokens or 0) + reasoning:
        output_tokens = (output_tokens or 0) + reasoning
    pages = found.pages_processed
    seconds = found.prompt_audio_seconds if found.prompt_audio_seconds is not None else found.seconds
    counts = (input_tokens, cached, written, output_tokens, reasoning, total, pages)
    for one in counts:
        if one is not None and not 0 <= one <= MAX_COUNT:
            input_tokens, cached, written, output_tokens, reasoning, total, pages = (
                None if count is None else min(max(count, 0), MAX_COUNT) for count in counts
            )
            warnings.append("usage: a count was negative or impossibly large and was clamped")
            break
    if seconds is not None and not (seconds.is_finite() and 0 <= seconds <= MAX_COUNT):
        seconds = None
        warnings.append("usage: not a possible duration of audio, ignored")
    if input_tokens is not None and (cached or 0) + (written or 0) > input_tokens:
        cached = min(cached or 0, input_tokens)
        written = min(written, input_tokens - cached) if written else written
        warnings.append("usage: more cached tokens than input tokens; clamped")
    return Usage(
        input_tokens,
        cached,
        written,
        output_tokens,
        reasoning,
        total,
        seconds,
        pages=pages,
        connector_tokens=_clamped(found.connector_tokens),
        connector_calls=_clamped(sum(found.connectors.values())) if found.connectors else None,
        input_image_tokens=_clamped(details.image_tokens) if details and details.image_tokens else None,
        output_image_tokens=(
            _clamped(output_details.image_tokens) if output_details and output_details.image_tokens else None
        ),
        searches=_clamped(found.search_units),
    )


def possible_usage(usage: Usage) -> Usage:
    """Return a usage that a family's own reader made with its counts clamped to what can be."""
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    most = MAX_COUNT if usage.input_tokens is None else usage.input_tokens
    if (
        cached >= 0 <= written
        and cached + written <= most <= MAX_COUNT
        and 0 <= (usage.output_tokens or 0) <= MAX_COUNT
        and 0 <= (usage.reasoning_tokens or 0) <= MAX_COUNT
        and 0 <= (usage.total_tokens or 0) <= MAX_COUNT
    ):
        return usage
    most = min(max(most, 0), MAX_COUNT)
    cached = min(max(cached, 0), most)
    written = min(max(written, 0), most - cached)
    return structs.replace(
        usage,
        input_tokens=_clamped(usage.input_tokens),
        cached_input_tokens=None if usage.cached_input_tokens is None else cached,
        cache_write_tokens=None if usage.cache_write_tokens is None else written,
        output_tokens=_clamped(usage.output_tokens),
        reasoning_tokens=_clamped(usage.reasoning_tokens),
        total_tokens=_clamped(usage.total_tokens),
    )


def service_tier_in(raw: bytes) -> str | None:
    """Return the service tier that some providers name in the usage: what was billed, not what was asked."""
    if b'"service_tier"' not in raw:
        return None
    try:
        return _decode_tier(raw).service_tier
    except UNREADABLE:
        return None


def _clamped(count: int | None) -> int | None:
    return None if count is None else min(max(count, 0), MAX_COUNT)


def _first(*counts: int | None) -> int | None:
    for count in counts:
        if count is not None:
            return count
    return None

"""Gemini's `usageMetadata`.

Law: the prompt and what its own tools read are the input, thoughts are output. A count that is absent stays unknown.
Spec: https://ai.google.dev/api/generate-content#UsageMetadata
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.members import NULL, UNREADABLE
from gantry.dialects.usage import MAX_COUNT, possible_usage


class _Modality(Struct, rename="camel", gc=False):
    modality: str | int | None = None
    token_count: int | None = None


class _Metadata(Struct, rename="camel", gc=False):
    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    total_token_count: int | None = None
    service_tier: str | None = None
    prompt_tokens_details: Raw = NULL
    candidates_tokens_details: Raw = NULL


_decode: Final = msgspec.json.Decoder(_Metadata, strict=False).decode
_decode_modalities: Final = msgspec.json.Decoder(list[_Modality], strict=False).decode
_IMAGE: Final = ("IMAGE", 2)  # some answers number their enums


def read_usage(raw: Raw) -> tuple[Usage, str | None]:
    """Return the usage, and the service tier that it names. Never raises."""
    try:
        found = _decode(raw)
    except UNREADABLE:
        return NO_USAGE, None
    usage = Usage(
        input_tokens=_sum(found.prompt_token_count, found.tool_use_prompt_token_count),
        cached_input_tokens=found.cached_content_token_count,
        output_tokens=_sum(found.candidates_token_count, found.thoughts_token_count),
        reasoning_tokens=found.thoughts_token_count,
        total_tokens=found.total_token_count,
        input_image_tokens=_of_images(found.prompt_tokens_details),
        output_image_tokens=_of_images(found.candidates_tokens_details),
    )
    return possible_usage(usage), found.service_tier


def encode_usage(usage: Usage) -> dict[str, Any] | None:
    """Return the `usageMetadata` of an answer; None where nothing is known."""
    given, made, thought, total = (
        usage.input_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        usage.total_tokens,
    )
    if total is None and given is not None:
        total = given + (made or 0)
    counts = {
        "promptTokenCount": given,
        "cachedContentTokenCount": usage.cached_input_tokens,
        "candidatesTokenCount": None if made is None else max(made - (thought or 0), 0),
        "thoughtsTokenCount": thought,
        "totalTokenCount": total,
    }
    return {name: count for name, count in counts.items() if count is not None} or None


def _of_images(details: Raw) -> int | None:
    if details == NULL:
        return None
    try:
        counts = [item.token_count or 0 for item in _decode_modalities(details) if item.modality in _IMAGE]
    except UNREADABLE:
        return None
    return min(max(sum(counts), 0), MAX_COUNT) or None


def _sum(one: int | None, other: int | None) -> int | None:
    return one if other is None else (one or 0) + other

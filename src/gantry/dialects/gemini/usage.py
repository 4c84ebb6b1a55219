"""Gemini's `usageMetadata`.

Law: the prompt and what its own tools read are the input, thoughts are output. A count that is absent stays unknown.
In a stream each report is of all so far, and the last one counts. How often Google searched stands in no usage: it is
told with the sources (`citations.count_searches`).
Spec: https://ai.google.dev/api/generate-content#UsageMetadata
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.members import UNREADABLE
from gantry.dialects.usage import usage_of
from gantry.dialects.usage_paths import GEMINI
from gantry.dialects.usage_walk import Found, collect, tree_of

_TREE: Final = tree_of(GEMINI)
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def read_usage(raw: Raw) -> tuple[Usage, str | None]:
    """Return the usage, and the service tier that it names. Never raises."""
    try:
        members = _decode(raw)
    except UNREADABLE:
        return NO_USAGE, None
    found: Found = {}
    collect(members, _TREE, found, [])
    _add(found, "input_tokens", found.pop("connector_tokens", None))
    _add(found, "output_tokens", found.get("reasoning_tokens"))
    tier = members.get("serviceTier")
    return usage_of(found), tier if isinstance(tier, str) else None


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


def _add(found: Found, unit: str, count: int | None) -> None:
    if count is not None:
        found[unit] = found.get(unit, 0) + count

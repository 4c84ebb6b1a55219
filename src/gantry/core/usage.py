"""Usage: how much of each billable unit a call consumed, normalised over providers.

`input_tokens` includes cached ones; `output_tokens` includes reasoning. None means "not reported", which is not 0.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from msgspec import Struct


class Usage(Struct, frozen=True, omit_defaults=True, gc=False):
    input_tokens: int | None = None
    cached_input_tokens: int | None = None  # read from the provider's prompt cache
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    input_audio_seconds: Decimal | None = None
    characters: int | None = None
    pages: int | None = None
    annotated_pages: int | None = None  # of `pages`
    connector_tokens: int | None = None  # what built-in tools read, beside the input
    connector_calls: int | None = None
    input_image_tokens: int | None = None  # of `input_tokens`
    output_image_tokens: int | None = None  # of `output_tokens`
    images: int | None = None  # that were made
    searches: int | None = None  # rankings of up to 100 documents
    estimated: bool = False  # counted by us: the stream died before the provider reported usage, or it reports none


NO_USAGE = Usage()
UNITS = tuple(name for name in Usage.__struct_fields__ if name != "estimated")


def total_usage(usages: Iterable[Usage]) -> Usage:
    """Return the units of several calls as those of one; what none reported stays unknown."""
    totals: dict[str, Any] = {}
    for usage in usages:
        for name in UNITS:
            count = getattr(usage, name)
            if count is not None:
                totals[name] = totals.get(name, 0) + count
        if usage.estimated:
            totals["estimated"] = True
    return Usage(**totals)

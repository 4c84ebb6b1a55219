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
    cache_write_1h_tokens: int | None = None  # of `cache_write_tokens`: kept for an hour, where that has its own price
    input_audio_tokens: int | None = None  # of `input_tokens`
    output_audio_tokens: int | None = None  # of `output_tokens`
    web_searches: int | None = None  # by a tool of the provider's
    billed_tool_calls: int | None = None  # of other tools that the provider runs and bills by the call
    cached_audio_tokens: int | None = None  # of `cached_input_tokens`, and of `input_audio_tokens`
    input_video_tokens: int | None = None  # of `input_tokens`
    estimated: bool = False  # counted by us: the stream died before the provider reported usage, or it reports none
    clamped: bool = False  # a count was reported that cannot be; here it is what it can be at most or least


NO_USAGE = Usage()
_FLAGS = ("estimated", "clamped")
UNITS = tuple(name for name in Usage.__struct_fields__ if name not in _FLAGS)


def total_usage(usages: Iterable[Usage]) -> Usage:
    """Return the units of several calls as those of one; what none reported stays unknown."""
    totals: dict[str, Any] = {}
    for usage in usages:
        for name in UNITS:
            count = getattr(usage, name)
            if count is not None:
                totals[name] = totals.get(name, 0) + count
        for flag in _FLAGS:
            if getattr(usage, flag):
                totals[flag] = True
    return Usage(**totals)

"""Usage as Anthropic counts it: what was read from the cache and written to it stands beside `input_tokens`.

Law: in a stream each report replaces what it names, so the wire's own counts are kept and the sum is made of them.
Format: https://docs.anthropic.com/en/api/messages#response-usage
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.members import UNREADABLE
from gantry.dialects.usage import possible_usage, read_usage

_TIERS: Final = {"default": "standard", "standard": "standard", "priority": "priority", "batch": "batch"}


class OutputDetails(Struct, gc=False):
    thinking_tokens: int | None = None


class ServerTools(Struct, gc=False):
    web_search_requests: int | None = None
    web_fetch_requests: int | None = None


class WireUsage(Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerTools | None = None
    service_tier: str | None = None


_FIELDS: Final = WireUsage.__struct_fields__
_decode: Final = msgspec.json.Decoder(WireUsage).decode


class UsageReader:
    """The counts of one answer, however often they are reported."""

    __slots__ = ("_known", "_strange")

    def __init__(self) -> None:
        self._known = WireUsage()
        self._strange: Usage | None = None

    @property
    def service_tier(self) -> str | None:
        return self._known.service_tier

    def add(self, raw: Raw) -> Usage:
        """Take a report and return the usage as it is known now. Never raises."""
        if not has_value(raw):
            return self.usage()
        try:
            found = _decode(raw)
        except UNREADABLE:
            self._strange = read_usage(raw)[0]
            return self._strange
        for name in _FIELDS:
            value = getattr(found, name)
            if value is not None:
                setattr(self._known, name, value)
        return self.usage()

    def usage(self) -> Usage:
        known = self._known
        if self._strange is not None:
            return self._strange
        tools = known.server_tool_use
        calls = 0 if tools is None else (tools.web_search_requests or 0) + (tools.web_fetch_requests or 0)
        details = known.output_tokens_details
        found = Usage(
            input_tokens=_input_tokens(known),
            cached_input_tokens=known.cache_read_input_tokens,
            cache_write_tokens=known.cache_creation_input_tokens,
            output_tokens=known.output_tokens,
            reasoning_tokens=None if details is None else details.thinking_tokens,
            connector_calls=calls or None,
        )
        return NO_USAGE if found == NO_USAGE else possible_usage(found)


def _input_tokens(known: WireUsage) -> int | None:
    if known.input_tokens is None:
        return None
    return known.input_tokens + (known.cache_read_input_tokens or 0) + (known.cache_creation_input_tokens or 0)


def write_usage(usage: Usage, service_tier: str | None = None) -> dict[str, Any]:
    """Return the usage object. SDKs demand the counts, so what nobody reported is 0 here; the log keeps it unknown."""
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    counts: dict[str, Any] = {
        "input_tokens": max((usage.input_tokens or 0) - cached - written, 0),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.output_tokens or 0,
    }
    if usage.reasoning_tokens is not None:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.connector_calls:
        counts["server_tool_use"] = {"web_search_requests": usage.connector_calls}
    tier = _TIERS.get(service_tier or "")
    if tier is not None:
        counts["service_tier"] = tier
    return counts

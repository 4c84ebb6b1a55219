"""Usage as Anthropic counts it: what was read from the cache and written to it stands beside `input_tokens`.

Law: in a stream each report replaces what it names, so the wire's own counts are kept and the sum is made of them: the
counts of `message_delta` are those of the whole answer, with what the provider's own tools read and wrote meanwhile.
Of the turns that `iterations` tells, a compaction is billed beside those counts and the others are in them; what
`web_fetch` fetched costs its tokens only.
Format: https://docs.anthropic.com/en/api/messages#response-usage
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.usage import NO_USAGE, Usage, total_usage
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.members import UNREADABLE
from gantry.dialects.usage import billed_tier, possible_usage, read_usage

_TIERS: Final = {"default": "standard", "standard": "standard", "priority": "priority", "batch": "batch"}
_COMPACTION: Final = "compaction"


class OutputDetails(Struct, gc=False):
    thinking_tokens: int | None = None


class ServerTools(Struct, gc=False):
    web_search_requests: int | None = None


class Written(Struct, gc=False):
    """What was written to the cache, by how long it is kept."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class Iteration(Struct):
    """A turn inside: a message, or a compaction of what was said before it."""

    type: str | None = None
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: Written | None = None
    output_tokens: int | None = None


class WireUsage(Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: Written | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None
    iterations: list[Iteration] | None = None


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
        return billed_tier(self._known.service_tier, self._known.speed)

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
        details, tools, kept = known.output_tokens_details, known.server_tool_use, known.cache_creation
        written = _written(known)
        found = Usage(
            input_tokens=_input_tokens(known, written),
            cached_input_tokens=known.cache_read_input_tokens,
            cache_write_tokens=written,
            output_tokens=known.output_tokens,
            reasoning_tokens=None if details is None else details.thinking_tokens,
            cache_write_1h_tokens=(kept.ephemeral_1h_input_tokens or None) if kept is not None and written else None,
            web_searches=(tools.web_search_requests or None) if tools is not None else None,
        )
        if known.iterations is not None:
            found = total_usage((found, *map(_of_compaction, known.iterations)))
        return NO_USAGE if found == NO_USAGE else possible_usage(found)


def _of_compaction(turn: Iteration) -> Usage:
    """Return what a compaction used; nothing of other turns."""
    if turn.type != _COMPACTION:
        return NO_USAGE
    written = _written(turn)
    return Usage(
        input_tokens=_input_tokens(turn, written),
        cached_input_tokens=turn.cache_read_input_tokens,
        cache_write_tokens=written,
        output_tokens=turn.output_tokens,
        cache_write_1h_tokens=(turn.cache_creation.ephemeral_1h_input_tokens or None) if turn.cache_creation else None,
    )


def _written(known: WireUsage | Iteration) -> int | None:
    """Return what was written to the cache: the count of it, or its parts where only those are told."""
    kept = known.cache_creation
    if known.cache_creation_input_tokens is not None or kept is None:
        return known.cache_creation_input_tokens
    parts = (kept.ephemeral_5m_input_tokens, kept.ephemeral_1h_input_tokens)
    return None if parts == (None, None) else sum(part or 0 for part in parts)


def _input_tokens(known: WireUsage | Iteration, written: int | None) -> int | None:
    if known.input_tokens is None:
        return None
    return known.input_tokens + (known.cache_read_input_tokens or 0) + (written or 0)


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
    if usage.cache_write_1h_tokens:
        counts["cache_creation"] = {
            "ephemeral_5m_input_tokens": max(written - usage.cache_write_1h_tokens, 0),
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        }
    if usage.web_searches:
        counts["server_tool_use"] = {"web_search_requests": usage.web_searches}
    tier = _TIERS.get(service_tier or "")
    if tier is not None:
        counts["service_tier"] = tier
    return counts

"""Reading a provider's usage object, under every spelling its family writes.

Law: never raises, never guesses: a count that is absent stays None, one that cannot be is clamped, marked and named in
a warning. Two readings differ between families and are told apart by arithmetic and by names, not by who answered:
OpenAI's `prompt_tokens` include cached ones while Anthropic's `input_tokens` stand beside `cache_read_input_tokens`;
and where total = input + output + reasoning, the reasoning was not counted in the output and is added to it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import structs
from msgspec.structs import astuple

from gantry.core.money import nano_from_usd
from gantry.core.usage import Usage
from gantry.dialects.members import UNREADABLE
from gantry.dialects.usage_paths import SHARED
from gantry.dialects.usage_shapes import PlainUsage, Terms, ToldCost
from gantry.dialects.usage_walk import Found, collect, tree_of

MAX_COUNT: Final = 10**15
IMPOSSIBLE: Final = "usage: a count was negative, impossibly large, or more than the whole it is part of; clamped"
_TREE: Final = tree_of(SHARED)
# What is a part of what. Parts that are 0 are as good as not reported, and take no room in a row.
_PARTS: Final = (
    ("cache_write_1h_tokens", "cache_write_tokens"),
    ("input_audio_tokens", "input_tokens"),
    ("cached_audio_tokens", "cached_input_tokens"),
    ("output_audio_tokens", "output_tokens"),
    ("input_image_tokens", "input_tokens"),
    ("output_image_tokens", "output_tokens"),
    ("input_video_tokens", "input_tokens"),
)
_SPARSE: Final = (*(part for part, _ in _PARTS), "connector_calls", "web_searches", "billed_tool_calls")
_RARE_FROM: Final = Usage.__struct_fields__.index("total_tokens") + 1
_NOTHING_RARE: Final = astuple(Usage())[_RARE_FROM:]
_COMMON: Final = frozenset(Usage.__struct_fields__[:_RARE_FROM])
_STANDARD_SPEED: Final = "standard"
_TICKS_PER_NANO: Final = 10  # xAI's tick is a ten-billionth of a dollar


_NAMES_OF_TERMS: Final = frozenset(Terms.__struct_fields__)
_decode_plain: Final = msgspec.json.Decoder(PlainUsage).decode
_decode_terms: Final = msgspec.json.Decoder(Terms).decode
_decode_cost: Final = msgspec.json.Decoder(ToldCost).decode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def read_usage(raw: bytes | msgspec.Raw) -> tuple[Usage, Sequence[str]]:
    """Return the normalised usage in a JSON object, and what was wrong with it."""
    usage, _, warnings = read_usage_and_terms(raw)
    return usage, warnings


def read_usage_and_terms(raw: bytes | msgspec.Raw) -> tuple[Usage, str | None, Sequence[str]]:
    """Return the same with the terms that the usage names, see `service_tier_in`."""
    try:
        plain = _decode_plain(raw)
    except UNREADABLE:
        return _walk(raw)
    given, output, total, read, written = astuple(plain)
    cached = None if read is None else read.cached_tokens
    reasoning = None if written is None else written.reasoning_tokens
    most = MAX_COUNT if given is None else given
    is_possible = 0 <= (cached or 0) <= most <= MAX_COUNT
    if is_possible and 0 <= (output or 0) <= MAX_COUNT and 0 <= (total or 0) <= MAX_COUNT:
        return Usage(given, cached, None, output, reasoning, total), None, ()
    return _walk(raw)


def _walk(raw: bytes | msgspec.Raw) -> tuple[Usage, str | None, Sequence[str]]:
    """Read a usage member by member, whatever it has."""
    try:
        members = _decode(raw)
    except UNREADABLE:
        return Usage(), None, ["usage: not a JSON object"]
    found: Found = {}
    warnings: list[str] = []
    collect(members, _TREE, found, warnings)
    usage = _normalise(found, members)
    if usage.clamped:
        warnings.append(IMPOSSIBLE)
    return usage, None if _NAMES_OF_TERMS.isdisjoint(members) else _terms_in(raw), warnings


def _normalise(found: Found, members: Mapping[str, Any]) -> Usage:
    """Return the usage that the counts come to."""
    if "input_tokens" in found and members.get("prompt_tokens") is None and members.get("input_tokens_details") is None:
        read, written = "cache_read_input_tokens", "cache_creation_input_tokens"
        found["input_tokens"] += _beside(members, read) + _beside(members, written)
    if found.get("billed_tool_calls"):
        found["billed_tool_calls"] = max(found["billed_tool_calls"] - found.get("web_searches", 0), 0)
    if "input_audio_seconds" in found:  # sound that is billed by the second has its tokens beside the input
        found.pop("input_audio_tokens", None)
    reasoning, total = found.get("reasoning_tokens"), found.get("total_tokens")
    if reasoning and total is not None:
        output = found.get("output_tokens", 0)
        if total == found.get("input_tokens", 0) + output + reasoning:
            found["output_tokens"] = output + reasoning
    return usage_of(found)


def _beside(members: Mapping[str, Any], name: str) -> int:
    count = members.get(name)
    return count if type(count) is int else 0


def usage_of(found: Found) -> Usage:
    """Return counts by unit as a usage, clamped and marked where they cannot be."""
    if found.keys() <= _COMMON:
        get = found.get
        usage = Usage(
            get("input_tokens"),
            get("cached_input_tokens"),
            get("cache_write_tokens"),
            get("output_tokens"),
            get("reasoning_tokens"),
            get("total_tokens"),
        )
        counts = found.values()
        if not counts or (
            min(counts) >= 0
            and max(counts) <= MAX_COUNT
            and get("cached_input_tokens", 0) + get("cache_write_tokens", 0) <= get("input_tokens", MAX_COUNT)
        ):
            return usage
        return _clamped(usage)
    for unit in _SPARSE:
        if unit in found and not found[unit]:
            del found[unit]
    return possible_usage(Usage(**found))


def possible_usage(usage: Usage) -> Usage:
    """Return a usage with its counts clamped to what can be, and marked where that changed any."""
    if _is_possible(usage) and astuple(usage)[_RARE_FROM:] == _NOTHING_RARE:
        return usage
    return _clamped(usage)


def _is_possible(usage: Usage) -> bool:
    """Say whether the units that most calls use can be."""
    cached, written = usage.cached_input_tokens or 0, usage.cache_write_tokens or 0
    most = MAX_COUNT if usage.input_tokens is None else usage.input_tokens
    return (
        cached >= 0 <= written
        and cached + written <= most <= MAX_COUNT
        and 0 <= (usage.output_tokens or 0) <= MAX_COUNT
        and 0 <= (usage.reasoning_tokens or 0) <= MAX_COUNT
        and 0 <= (usage.total_tokens or 0) <= MAX_COUNT
    )


def _clamped(usage: Usage) -> Usage:
    counts = {name: getattr(usage, name) for name in Usage.__struct_fields__ if name not in ("estimated", "clamped")}
    seconds = counts["input_audio_seconds"]
    if seconds is not None and not (seconds.is_finite() and 0 <= seconds <= MAX_COUNT):
        seconds = None
    fitting = {
        name: None if count is None else min(max(count, 0), MAX_COUNT)
        for name, count in counts.items()
        if name != "input_audio_seconds"
    }
    given, cached, written = (fitting[name] for name in ("input_tokens", "cached_input_tokens", "cache_write_tokens"))
    if given is not None and cached is not None:
        fitting["cached_input_tokens"] = cached = min(cached, given)
    if given is not None and written is not None:
        fitting["cache_write_tokens"] = min(written, given - (cached or 0))
    for part, whole in _PARTS:
        least, most = fitting[part], fitting[whole]
        if least is not None and most is not None:
            fitting[part] = min(least, most)
    found = Usage(**fitting, input_audio_seconds=seconds, estimated=usage.estimated, clamped=usage.clamped)
    return usage if found == usage else structs.replace(found, clamped=True)


def service_tier_in(raw: bytes) -> str | None:
    """Return the terms that some providers name in the usage: what was billed, not what was asked.

    That is a service tier; Anthropic's speed, where it is not the standard one; how much Perplexity's search reads.
    """
    if b'"service_tier"' not in raw and b'"speed"' not in raw and b'"search_context_size"' not in raw:
        return None
    return _terms_in(raw)


def _terms_in(raw: bytes | msgspec.Raw) -> str | None:
    try:
        terms = _decode_terms(raw)
    except UNREADABLE:
        return None
    return billed_tier(terms.service_tier, terms.speed) or terms.search_context_size


def billed_tier(service_tier: str | None, speed: str | None) -> str | None:
    """Return the tier that sets the price: a speed that is not the standard one has prices of its own."""
    return service_tier if speed in (None, _STANDARD_SPEED) else speed


def told_cost_in(raw: bytes) -> int | None:
    """Return what a provider says that a call cost, in nano-dollars; None where its usage does not tell, or says 0."""
    if b'"cost' not in raw:
        return None
    try:
        told = _decode_cost(raw)
        if told.is_byok:
            return None
        cost = told.cost.get("total_cost") if isinstance(told.cost, dict) else told.cost
        if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 < cost <= MAX_COUNT:
            return nano_from_usd(cost)
        ticks = told.cost_in_usd_ticks
        if type(ticks) is int and 0 < ticks <= MAX_COUNT:
            return ticks // _TICKS_PER_NANO
    except UNREADABLE:
        pass
    return None

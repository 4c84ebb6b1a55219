"""The tables of `docs/metering.md` are what the readers do: each member gives its unit, the first before others."""

import json
from typing import Any

import pytest

from docs.metering import FAMILIES, MEANINGS, SUMS
from gantry.core.usage import UNITS
from gantry.core.vocabulary import Dialect
from gantry.dialects.reported_usage import read_reported_usage

ROWS = [
    (name, dialect, unit, path)
    for name, (dialect, paths) in FAMILIES.items()
    for unit, spellings in paths.items()
    for path in spellings
]
# What a part is in, and what stands beside it, so that it can be.
WHOLES: dict[Dialect, dict[str, Any]] = {
    Dialect.OPENAI_CHAT: {
        "prompt_tokens": 1000,
        "completion_tokens": 1000,
        "num_cached_tokens": 500,
        "prompt_cache_creation_tokens": 500,
    },
    Dialect.ANTHROPIC: {"input_tokens": 0, "output_tokens": 1000, "cache_creation_input_tokens": 500},
    Dialect.GEMINI: {"promptTokenCount": 1000, "candidatesTokenCount": 1000, "cachedContentTokenCount": 500},
    Dialect.BEDROCK: {"inputTokens": 0, "outputTokens": 1000, "cacheWriteInputTokens": 500},
    Dialect.COHERE: {"billed_units": {"input_tokens": 1000, "output_tokens": 1000}},
}
PARTS = {
    *(
        "cache_write_1h_tokens",
        "input_audio_tokens",
        "cached_audio_tokens",
        "output_audio_tokens",
        "input_image_tokens",
    ),
    *("output_image_tokens", "input_video_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens"),
}


def put(usage: dict[str, Any], path: str, count: int) -> dict[str, Any]:
    """Return a usage with a count at a path."""
    *parents, name = path.split(".")
    usage = json.loads(json.dumps(usage))
    node = usage
    for parent in parents:
        if name == "*":
            node[parent] = {"one": count - 2, "other": 2}
            return usage
        if name in ("AUDIO", "IMAGE", "VIDEO"):
            node[parent] = [{"modality": "TEXT", "tokenCount": 3}, {"modality": name, "tokenCount": count}]
            return usage
        if name == "1h":
            node[parent] = [{"ttl": "1h", "inputTokens": count}, {"ttl": "5m", "inputTokens": 3}]
            return usage
        node = node.setdefault(parent, {})
    node[name] = count
    return usage


@pytest.mark.parametrize(("family", "dialect", "unit", "path"), ROWS)
def test_each_member_gives_its_unit(family: str, dialect: Dialect, unit: str, path: str) -> None:
    whole = WHOLES[dialect] if unit in PARTS else {}
    if unit == "cached_input_tokens":
        whole = {name: count for name, count in whole.items() if "ache" not in name}
    if unit == "input_tokens" and family in SUMS:
        whole = {"input_tokens": 0} if dialect is Dialect.ANTHROPIC else {"inputTokens": 0, "outputTokens": 1}
    if unit == "cache_write_tokens":
        whole = {name: count for name, count in whole.items() if count != 500}
    usage, warnings = read_reported_usage(dialect, json.dumps(put(whole, path, 77)).encode())
    assert getattr(usage, unit) == 77
    assert (warnings, usage.clamped) in (((), False), ([], False))


RANKED = [
    (dialect, unit, paths[unit]) for name, (dialect, paths) in FAMILIES.items() for unit in paths if name not in SUMS
]


@pytest.mark.parametrize(("dialect", "unit", "spellings"), RANKED)
def test_the_first_member_of_a_row_counts(dialect: Dialect, unit: str, spellings: tuple[str, ...]) -> None:
    whole = {**WHOLES[dialect]} if unit in PARTS else {}
    told = [put(whole, path, 100 + number) for number, path in enumerate(spellings)]
    merged: dict[str, Any] = {}
    for one in reversed(told):
        merged = deep_merged(merged, one)
    for members in (merged, dict(reversed(merged.items()))):
        assert getattr(read_reported_usage(dialect, json.dumps(members).encode())[0], unit) in (100, 500)


def deep_merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = {**one, **other}
    for name in one.keys() & other.keys():
        if isinstance(one[name], dict) and isinstance(other[name], dict):
            merged[name] = deep_merged(one[name], other[name])
    return merged


def test_every_unit_is_told_of() -> None:
    assert {*MEANINGS} == {*UNITS}

"""Usage under every spelling, and usage that cannot be."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from gantry.core.usage import NO_USAGE, Usage
from gantry.dialects.usage import read_usage, service_tier_in

BASE = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
PLAIN = Usage(input_tokens=100, output_tokens=20, total_tokens=120)

SPELLINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "mistral, details": ({"prompt_tokens_details": {"cached_tokens": 64}}, {"cached_input_tokens": 64}),
    "mistral, sic": ({"prompt_token_details": {"cached_tokens": 64}}, {"cached_input_tokens": 64}),
    "mistral, flat": ({"num_cached_tokens": 64}, {"cached_input_tokens": 64}),
    "mistral, audio": ({"prompt_audio_seconds": 203}, {"input_audio_seconds": Decimal(203)}),
    "openai, audio": ({"input_token_details": {"cached_tokens": 64}}, {"cached_input_tokens": 64}),
    "openai, duration": ({"type": "duration", "seconds": 6}, {"input_audio_seconds": Decimal(6)}),
    "mistral, connectors": (
        {"connector_tokens": 70, "connectors": {"web_search": 1, "code": 2}},
        {"connector_tokens": 70, "connector_calls": 3},
    ),
    "mistral, no connectors": ({"connector_tokens": None, "connectors": None}, {}),
    "mistral, nulls": ({"prompt_audio_seconds": None, "prompt_tokens_details": None}, {}),
    "deepseek": ({"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, {"cached_input_tokens": 64}),
    "moonshot": ({"cached_tokens": 64}, {"cached_input_tokens": 64}),
    "openrouter": (
        {"prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2}},
        {"cached_input_tokens": 1, "cache_write_tokens": 2},
    ),
    "openai, reasoning within": ({"completion_tokens_details": {"reasoning_tokens": 7}}, {"reasoning_tokens": 7}),
    "reasoning beside the output": (
        {"total_tokens": 127, "completion_tokens_details": {"reasoning_tokens": 7}},
        {"reasoning_tokens": 7, "output_tokens": 27, "total_tokens": 127},
    ),
    "floats that are whole": ({"prompt_tokens": 100.0}, {}),
    "digits in strings": ({"prompt_tokens": "100"}, {}),
}


@pytest.mark.parametrize(("given", "expected"), SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling(given: dict[str, Any], expected: dict[str, Any]) -> None:
    usage, warnings = read_usage(msgspec.json.encode({**BASE, **given}))
    assert usage == msgspec.structs.replace(PLAIN, **expected)
    assert not warnings


def test_anthropic_counts_its_cache_beside_the_input() -> None:
    usage, _ = read_usage(
        b'{"input_tokens":10,"cache_read_input_tokens":64,"cache_creation_input_tokens":6,"output_tokens":2}'
    )
    assert usage == Usage(input_tokens=80, cached_input_tokens=64, cache_write_tokens=6, output_tokens=2)


def test_responses_count_their_cache_in_the_input() -> None:
    usage, _ = read_usage(
        b'{"input_tokens":80,"input_tokens_details":{"cached_tokens":64},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":1}}'
    )
    assert usage == Usage(input_tokens=80, cached_input_tokens=64, output_tokens=2, reasoning_tokens=1)


IMPOSSIBLE = {
    "negative": (b'{"prompt_tokens":-5,"completion_tokens":2}', Usage(input_tokens=0, output_tokens=2, clamped=True)),
    "more digits than a table holds": (
        b'{"prompt_tokens":99999999999999999999999}',
        Usage(input_tokens=10**15, clamped=True),
    ),
    "more cached than given": (
        b'{"prompt_tokens":5,"num_cached_tokens":9}',
        Usage(input_tokens=5, cached_input_tokens=5, clamped=True),
    ),
    "negative seconds": (b'{"prompt_tokens":5,"prompt_audio_seconds":-1}', Usage(input_tokens=5, clamped=True)),
    "an object for a number": (b'{"prompt_tokens":5,"completion_tokens":{}}', Usage(input_tokens=5)),
    "half a token": (b'{"prompt_tokens":5,"completion_tokens":0.5}', Usage(input_tokens=5)),
    "not an object": (b"[]", NO_USAGE),
}


@pytest.mark.parametrize(("raw", "expected"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_is_clamped_and_named(raw: bytes, expected: Usage) -> None:
    usage, warnings = read_usage(raw)
    assert usage == expected
    assert warnings


def test_the_service_tier() -> None:
    assert service_tier_in(b'{"service_tier":"priority"}') == "priority"
    assert service_tier_in(b'{"service_tier":null}') is None
    assert service_tier_in(b"{}") is None

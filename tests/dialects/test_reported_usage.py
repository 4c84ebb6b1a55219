"""Usage without its answer: what is found in the tail says what the whole answer said, in every family's words."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import read_answer
from gantry.dialects.reported_usage import read_reported_usage
from gantry.dialects.tail import find_usage
from tests.dialects.test_answer_recordings import exchanges

FOLDERS = {
    "gemini_generate": (Dialect.GEMINI, Operation.CHAT),
    "bedrock_converse": (Dialect.BEDROCK, Operation.CHAT),
    "cohere_chat": (Dialect.COHERE, Operation.CHAT),
    "openai_chat": (Dialect.OPENAI_CHAT, Operation.CHAT),
    "cohere_embed": (Dialect.COHERE, Operation.EMBEDDINGS),
    "openai_rerank": (Dialect.OPENAI_CHAT, Operation.RERANK),
    "voyage_rerank": (Dialect.VOYAGE, Operation.RERANK),
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_tail_says_what_the_answer_said(shared: Path, folder: str) -> None:
    dialect, operation = FOLDERS[folder]
    count = 0
    for exchange in exchanges(shared, folder):
        if exchange.status >= 400 or b'"usage_breakdown"' in exchange.raw:
            continue
        whole = read_answer(operation, dialect, exchange.content_type, exchange.raw).usage
        found = find_usage(exchange.raw)
        if whole == NO_USAGE:
            continue
        count += 1
        assert found is not None, exchange.file
        if dialect is Dialect.GEMINI:
            whole = replace(whole, web_searches=None)  # which stands with the sources, and not in the usage
        assert read_reported_usage(dialect, found[0])[0] == whole, exchange.file
    assert count >= 2


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"inputTokens":"x"}', b'{"tokens":5}', b"\xff"])
def test_what_cannot_be_read_is_no_usage(dialect: Dialect, raw: bytes) -> None:
    assert read_reported_usage(dialect, raw)[0] == NO_USAGE


@pytest.mark.parametrize(
    ("dialect", "usage", "expected"),
    [
        (Dialect.GEMINI, {"promptTokenCount": 7}, Usage(input_tokens=7)),
        (Dialect.COHERE, {"search_units": 2}, Usage(searches=2)),
        (Dialect.COHERE, {"input_tokens": 4}, Usage(input_tokens=4)),
        (Dialect.VOYAGE, {"total_tokens": 9}, Usage(total_tokens=9)),
    ],
)
def test_what_embeddings_and_rankings_report(dialect: Dialect, usage: dict[str, int], expected: Usage) -> None:
    assert read_reported_usage(dialect, json.dumps(usage).encode())[0] == expected

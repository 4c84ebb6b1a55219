"""What an estimated count is made of: everything that a model reads, wherever it stands."""

import json
from typing import Any

import msgspec
import pytest

from gantry.core.vocabulary import Dialect
from gantry.gateway.token_counts import estimate_count

LONG = "a word or two " * 50
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
USED = {"type": "tool_use", "id": "t", "name": "f", "input": {}}


def counted(*turns: Any, **more: Any) -> int:
    messages = [{"role": ("user", "assistant")[number % 2], "content": turn} for number, turn in enumerate(turns)]
    body = json.dumps({"model": "m", "messages": messages, **more}).encode()
    count: int = msgspec.json.decode(estimate_count(Dialect.ANTHROPIC, body, "m"))["input_tokens"]
    return count


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (counted("hi"), counted(LONG)),
        (counted("hi", "yes"), counted("hi", LONG)),
        (counted("hi"), counted("hi", system=LONG)),
        (counted("hi"), counted("hi", tools=[{"name": "f", "description": LONG, "input_schema": {"type": "object"}}])),
        (counted("hi", [USED]), counted("hi", [{**USED, "input": {"a": LONG}}])),
        (
            counted("hi", [USED], [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]),
            counted("hi", [USED], [{"type": "tool_result", "tool_use_id": "t", "content": LONG}]),
        ),
        (counted([{"type": "text", "text": "hi"}]), counted([{"type": "text", "text": "hi"}, IMAGE])),
    ],
)
def test_what_is_longer_counts_more(less: int, more: int) -> None:
    assert more - less > len(LONG) / 8


def test_turns_cost_a_little_by_themselves() -> None:
    assert counted("aaaa", "bbbb", "cccc") - counted("aaaa" * 3) == 2 * 4

"""Answers that are odd in one place: each is told in the client's format, or is the provider's fault, never ours."""

import json
from typing import Any

import pytest

from gantry.core.errors import UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking, Target
from gantry.dialects.translate import decode_request, translate

COMPLETION: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6},
}
QUESTION = b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
NOW = 1_700_000_000


def told(answer: dict[str, Any], *, stream: bool) -> bytes:
    """Return what a client of Gemini's gets for a chat completion."""
    request = decode_request(Dialect.GEMINI, QUESTION, "m", stream=stream)
    asking = Asking(request, NOW, "01abc", "alt=sse")
    translation = translate(Dialect.GEMINI, Dialect.OPENAI_CHAT, request, Target("m"), asking=asking)
    return translation.response(200, json.dumps(answer).encode(), "application/json")[1]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("created", [1_700_000_000_123, 10**30, -1, -(10**14), 0, None])
def test_a_moment_that_cannot_be_is_now(created: int | None, stream: bool) -> None:
    """Some providers count milliseconds."""
    assert b'"createTime":"2023-11-14T22:13:20Z"' in told({**COMPLETION, "created": created}, stream=stream)


@pytest.mark.parametrize(("part", "logprobs"), [({"audio": {"data": "a"}}, None), ({}, 123_456)])
@pytest.mark.parametrize("stream", [True, False])
def test_a_part_that_cannot_be_read_is_the_providers_fault(part: dict[str, Any], logprobs: Any, stream: bool) -> None:
    message = {"role": "assistant", "content": None, **part}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": logprobs}
    with pytest.raises(UpstreamBroke):
        told({**COMPLETION, "choices": [choice]}, stream=stream)

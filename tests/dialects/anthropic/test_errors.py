"""Refusals, in and out of Anthropic's envelope, and the words of an answer's end."""

import json

import pytest

from gantry.core.chat import ChatAnswer, ChatRequest, Choice, Finish, FinishReason, Part, ProviderError, Text, ToolCall
from gantry.core.errors import UpstreamBroke
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.codec import ANTHROPIC
from gantry.dialects.codec import Asking

ASKING = Asking(ChatRequest(dialect=Dialect.ANTHROPIC, model="asked", messages=()), 0, "log 1")
NO_MESSAGE = "the provider answered with an error that has no message"

BODIES: list[tuple[int, bytes, ProviderError]] = [
    (400, b'{"type":"error","error":{"type":"invalid_request_error","message":"No."},"request_id":"r"}',
     ProviderError(400, "No.", "invalid_request_error")),
    (402, b'{"error":{"type":"billing_error","message":"Pay","details":{"error_code":"broke"}}}',
     ProviderError(402, "Pay", "billing_error", "broke")),
    (502, b"<html>Bad gateway</html>", ProviderError(502, "<html>Bad gateway</html>")),
    (500, b'{"detail":"gone"}', ProviderError(500, "gone")),
    (500, b'{"error":{"message":""}}', ProviderError(500, NO_MESSAGE)),
    (500, b"", ProviderError(500, NO_MESSAGE)),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "error"), BODIES)
def test_a_refusal_is_read(status: int, body: bytes, error: ProviderError) -> None:
    assert ANTHROPIC.decode_error(status, body) == error


TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@pytest.mark.parametrize("status", TYPES)
def test_a_refusal_is_written_with_the_type_of_its_status(status: int) -> None:
    body = ANTHROPIC.encode_error(ProviderError(status, "No.", "server_error"))
    assert json.loads(body) == {"type": "error", "error": {"type": TYPES[status], "message": "No."}}


CALL = ToolCall("a", "n", "{}")
ENDS: list[tuple[Finish | None, tuple[Part, ...], str]] = [
    (None, (), "end_turn"),
    (None, (CALL,), "tool_use"),
    (Finish(FinishReason.STOP, "stop"), (), "end_turn"),
    (Finish(FinishReason.STOP, "stop"), (CALL,), "tool_use"),
    (Finish(FinishReason.LENGTH, "length"), (CALL,), "max_tokens"),
    (Finish(FinishReason.TOOL_CALLS, "tool_calls"), (CALL,), "tool_use"),
    (Finish(FinishReason.CONTENT_FILTER, "SAFETY"), (), "refusal"),
    (Finish(FinishReason.PAUSE, "compaction"), (), "compaction"),
    (Finish(FinishReason.OTHER, "weird"), (), "end_turn"),
]


@pytest.mark.parametrize(("finish", "parts", "reason"), ENDS)
def test_an_end_is_written_in_words_that_agents_go_on_after(
    finish: Finish | None, parts: tuple[Part, ...], reason: str
) -> None:
    answer = ChatAnswer(dialect=Dialect.OPENAI_CHAT, choices=(Choice(0, parts, finish),))
    assert json.loads(ANTHROPIC.encode_answer(answer, ASKING))["stop_reason"] == reason


def test_an_answer_by_another_provider_has_all_that_the_sdk_demands() -> None:
    usage = Usage(input_tokens=10, cached_input_tokens=4, output_tokens=7)
    answer = ChatAnswer(dialect=Dialect.OPENAI_CHAT, id="chatcmpl-1", choices=(Choice(0, (Text("Hi"),)),), usage=usage)
    assert json.loads(ANTHROPIC.encode_answer(answer, ASKING)) == {
        "id": "msg_log_1",
        "type": "message",
        "role": "assistant",
        "model": "asked",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 6,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 4,
            "output_tokens": 7,
        },
    }


def test_usage_of_a_strange_shape_is_read_as_far_as_it_can_be() -> None:
    body = b'{"content":[],"stop_reason":"of tomorrow","usage":{"input_tokens":"7","output_tokens":[],"x":1}}'
    answer = ANTHROPIC.decode_answer(body)
    assert answer.usage == Usage(input_tokens=7)
    assert answer.choices[0].finish == Finish(FinishReason.OTHER, "of tomorrow")


@pytest.mark.parametrize("body", [b"", b"null", b'{"content": "text"}', b'{"error": {}}', b'{"content":[{"type":1}]}'])
def test_what_is_no_answer_breaks(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        ANTHROPIC.decode_answer(body)

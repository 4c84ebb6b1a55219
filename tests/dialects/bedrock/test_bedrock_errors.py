"""Bedrock's refusals, and its pieces on their own: families of models, usage, reasons to end."""

import json

import pytest

from gantry.core.chat import Finish, FinishReason, ProviderError
from gantry.core.errors import Overloaded, UpstreamBroke
from gantry.core.usage import Usage
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.codec import BEDROCK
from gantry.dialects.bedrock.families import ThinkingForm, family_of
from gantry.dialects.bedrock.finish import finish_word, read_finish
from gantry.dialects.bedrock.usage import UsageShape, read_usage, usage_value
from gantry.dialects.errors import encode_stream_error
from tests.dialects.bedrock.transcripts import told


@pytest.mark.parametrize(
    ("status", "body", "message", "kind"),
    [
        (400, b'{"message":"bad"}', "bad", None),
        (403, b'{"Message":"User is not authorized"}', "User is not authorized", None),
        (429, b'{"__type":"com.amazon#ThrottlingException","message":"slow"}', "slow", "ThrottlingException"),
        (502, b"<html> Bad\n gateway", "<html> Bad gateway", None),
        (500, b"", "the provider gave no reason", None),
        (400, b'{"message":5}', '{"message":5}', None),
    ],
)
def test_a_refusal_is_read(status: int, body: bytes, message: str, kind: str | None) -> None:
    assert BEDROCK.decode_error(status, body) == ProviderError(status, message, kind)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (422, "ValidationException"),
        (429, "ThrottlingException"),
        (502, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ],
)
def test_a_refusal_is_written_with_the_kind_that_sdks_raise(status: int, kind: str) -> None:
    assert json.loads(BEDROCK.encode_error(ProviderError(status, "why"))) == {"__type": kind, "message": "why"}


def test_our_own_error_in_a_stream_is_an_exception_of_it() -> None:
    raw = encode_stream_error(Dialect.BEDROCK, Overloaded("too much at once"))
    assert told(raw) == [("serviceUnavailableException", {"message": "too much at once"})]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>", b'{"output":{"message":{"content":[{"text":1}]}}}'])
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        BEDROCK.decode_answer(body)


@pytest.mark.parametrize(
    ("shape", "usage"),
    [
        (UsageShape(10, 5, 15), Usage(input_tokens=10, output_tokens=5, total_tokens=15)),
        (
            UsageShape(10, 5, 118, 100, 3),
            Usage(input_tokens=113, cached_input_tokens=100, cache_write_tokens=3, output_tokens=5, total_tokens=118),
        ),
        # A model whose input holds the cache already.
        (
            UsageShape(110, 5, 115, 100),
            Usage(input_tokens=110, cached_input_tokens=100, output_tokens=5, total_tokens=115),
        ),
        (UsageShape(), Usage()),
    ],
)
def test_usage(shape: UsageShape, usage: Usage) -> None:
    assert read_usage(shape) == usage


def test_usage_is_written_beside_the_cache() -> None:
    usage = Usage(input_tokens=113, cached_input_tokens=100, cache_write_tokens=3, output_tokens=5)
    assert usage_value(usage) == {
        "inputTokens": 10,
        "outputTokens": 5,
        "totalTokens": 118,
        "cacheReadInputTokens": 100,
        "cacheWriteInputTokens": 3,
    }


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("max_tokens", FinishReason.LENGTH),
        ("stop_sequence", FinishReason.STOP_SEQUENCE),
        ("guardrail_intervened", FinishReason.CONTENT_FILTER),
        ("content_filtered", FinishReason.CONTENT_FILTER),
        ("malformed_tool_use", FinishReason.ERROR),
        ("model_context_window_exceeded", FinishReason.CONTEXT),
        ("of_tomorrow", FinishReason.OTHER),
    ],
)
def test_reasons_to_end(word: str, reason: FinishReason) -> None:
    finish = read_finish(word)
    assert finish == Finish(reason, word)
    assert finish_word(finish) == (word if reason is not FinishReason.OTHER else "end_turn")


@pytest.mark.parametrize("reason", FinishReason)
def test_every_reason_has_a_word(reason: FinishReason) -> None:
    assert finish_word(Finish(reason, "of another provider")) in {
        "end_turn",
        "tool_use",
        "max_tokens",
        "stop_sequence",
        "content_filtered",
        "malformed_model_output",
        "model_context_window_exceeded",
    }


@pytest.mark.parametrize(
    ("model", "form"),
    [
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", ThinkingForm.BUDGET),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5", ThinkingForm.BUDGET),
        ("global.amazon.nova-2-lite-v1:0", ThinkingForm.NOVA),
        ("us.amazon.nova-pro-v1:0", ThinkingForm.NONE),
        ("openai.gpt-oss-20b-1:0", ThinkingForm.EFFORT),
        ("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc", ThinkingForm.NONE),
    ],
)
def test_families(model: str, form: ThinkingForm) -> None:
    assert family_of(model).thinking is form

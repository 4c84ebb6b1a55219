"""A whole Converse answer, read and written. It names neither an id nor a model; both stand in the call."""

from typing import Any, Final, assert_never

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import (
    ChatAnswer,
    Choice,
    Media,
    NativePart,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.errors import InvalidRequest, UpstreamBroke
from gantry.core.usage import NO_USAGE
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.blocks import call_block, read_blocks, text_block, thinking_block
from gantry.dialects.bedrock.finish import finish_word, read_finish
from gantry.dialects.bedrock.media import media_block
from gantry.dialects.bedrock.usage import UsageShape, read_usage, usage_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.codec import Asking
from gantry.dialects.members import UNREADABLE
from gantry.dialects.tool_terms import has_calls, unsaid_finish


class _MessageShape(Struct):
    content: list[Raw] = []


class _Output(Struct):
    message: _MessageShape | None = None


class Tier(Struct):
    type: str | None = None


class _Answer(Struct, rename="camel"):
    output: _Output
    stop_reason: str | None = None
    usage: UsageShape | None = None
    service_tier: Tier | None = None
    additional_model_response_fields: Raw = ABSENT


_decode: Final = msgspec.json.Decoder(_Answer).decode
_encode: Final = msgspec.json.Encoder().encode


def decode_answer(body: bytes) -> ChatAnswer:
    """Return a Converse answer. Raises UpstreamBroke when the body is none."""
    try:
        shape = _decode(body)
        content = [] if shape.output.message is None else shape.output.message.content
        parts = read_blocks(content, "output.message.content")
    except InvalidRequest as error:
        raise UpstreamBroke(f"the provider's answer cannot be read: {error.message}") from None
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not the JSON of a Converse answer") from None
    finish = None
    if shape.stop_reason is not None:
        finish = read_finish(shape.stop_reason, shape.additional_model_response_fields)
    return ChatAnswer(
        dialect=Dialect.BEDROCK,
        choices=(Choice(0, tuple(parts), finish),),
        usage=NO_USAGE if shape.usage is None else read_usage(shape.usage),
        service_tier=None if shape.service_tier is None else shape.service_tier.type,
    )


def encode_answer(answer: ChatAnswer, asking: Asking) -> bytes:
    """Return an answer as Converse gives it: its first choice."""
    choice = answer.choices[0] if answer.choices else Choice(0, ())
    blocks = [block for part in choice.parts if (block := answer_block(part)) is not None]
    body: dict[str, Any] = {
        "output": {"message": {"role": "assistant", "content": blocks}},
        "stopReason": finish_word(choice.finish or unsaid_finish(called=has_calls(choice.parts))),
        "usage": usage_value(answer.usage),
        "metrics": {"latencyMs": 0},
    }
    if choice.finish is not None and choice.finish.sequence is not None:
        body["additionalModelResponseFields"] = {"stop_sequence": choice.finish.sequence}
    if answer.service_tier is not None:
        body["serviceTier"] = {"type": answer.service_tier}
    return _encode(body)


def answer_block(part: Part) -> Any:
    """Return the block of a part of an answer; None for what Converse has no block for."""
    match part:
        case Text(text, citations):
            return text_block(text, citations)
        case Refusal(text):
            return text_block(text)
        case Thinking():
            return thinking_block(part, unsigned=True)
        case ToolCall(call_id, name, arguments):
            return call_block(call_id, name, arguments)
        case NativePart(dialect, raw):
            return raw if dialect is Dialect.BEDROCK else None
        case Media():
            try:
                return media_block(part, part.name, "")
            except InvalidRequest:
                return None
        case ToolResult():
            return None  # nobody answers with one
        case _:
            assert_never(part)

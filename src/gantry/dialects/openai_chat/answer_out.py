"""A whole canonical answer for an OpenAI client.

Law: what the format has no slot for is left out, and nothing fails. Thinking is `reasoning_content`, the name most
clients know; what of it is signed stands beside it once more, in the shape that brings the signature back.
"""

from typing import Any, Final, assert_never

import msgspec

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Citation,
    Finish,
    FinishReason,
    Media,
    MediaKind,
    NativePart,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.usage import NO_USAGE
from gantry.dialects.codec import Asking
from gantry.dialects.data_urls import data_url
from gantry.dialects.openai_chat.annotations import annotations
from gantry.dialects.openai_chat.messages_out import NO_ARGUMENTS, write_call
from gantry.dialects.openai_chat.request_in import LEGACY_FUNCTIONS
from gantry.dialects.openai_chat.thinking import thinking_fields
from gantry.dialects.openai_chat.usage import write_usage

_WORDS: Final = {
    FinishReason.STOP: "stop",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.CONTEXT: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.PAUSE: "stop",
    FinishReason.ERROR: "stop",
    FinishReason.OTHER: "stop",
}
_AN_HOUR: Final = 3600
_encode: Final = msgspec.json.Encoder().encode


def encode_answer(answer: ChatAnswer, asking: Asking) -> bytes:
    """Return a whole answer for a client."""
    written: dict[str, Any] = {
        **envelope(answer.id, answer.model, answer.created, answer.service_tier, asking),
        "object": "chat.completion",
        "choices": [_write_choice(choice, asking) for choice in answer.choices],
    }
    if answer.usage != NO_USAGE:
        written["usage"] = write_usage(answer.usage)
    return _encode(written)


def envelope(
    given_id: str | None, model: str | None, created: int | None, service_tier: str | None, asking: Asking
) -> dict[str, Any]:
    """Return what a whole answer and each chunk of a stream have in common."""
    written: dict[str, Any] = {
        "id": given_id or f"chatcmpl-{asking.id}",
        "created": asking.created if created is None else created,
        "model": model or asking.request.model,
    }
    if service_tier is not None:
        written["service_tier"] = service_tier
    return written


def speaks_of_functions(request: ChatRequest) -> bool:
    """Say whether the caller knows tools by their older name only."""
    return LEGACY_FUNCTIONS in request.extra


def finish_word(finish: Finish | None, asking: Asking) -> str | None:
    if finish is None:
        return None
    if finish.reason is FinishReason.TOOL_CALLS and speaks_of_functions(asking.request):
        return "function_call"
    return _WORDS[finish.reason]


def image(media: Media) -> dict[str, Any] | None:
    """Return an image that the model made, as OpenRouter and LiteLLM write it; None for other media."""
    if media.kind is not MediaKind.IMAGE:
        return None
    url = media.url if media.url is not None else data_url(media.mime, media.data or "")
    return {"type": "image_url", "image_url": {"url": url}}


def sound(media: Media, asking: Asking) -> dict[str, Any] | None:
    """Return speech that the model made; its transcript is the text of the answer. None for other media."""
    if media.kind is not MediaKind.AUDIO or media.data is None:
        return None
    return {"id": f"audio_{asking.id}", "data": media.data, "expires_at": asking.created + _AN_HOUR, "transcript": ""}


def _write_choice(choice: Choice, asking: Asking) -> dict[str, Any]:
    written = {
        "index": choice.index,
        "message": _write_message(choice.parts, asking),
        "finish_reason": finish_word(choice.finish, asking),
    }
    if choice.logprobs is not None:
        written["logprobs"] = choice.logprobs
    return written


def _write_message(parts: tuple[Part, ...], asking: Asking) -> dict[str, Any]:
    texts: list[str] = []
    refusals: list[str] = []
    thoughts: list[Thinking] = []
    calls: list[ToolCall] = []
    sources: list[Citation] = []
    images: list[dict[str, Any]] = []
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    for part in parts:
        match part:
            case Text(text, citations):
                before = sum(map(len, texts))
                sources += [shifted(citation, before) for citation in citations]
                texts.append(text)
            case Thinking():
                thoughts.append(part)
            case Refusal(text):
                refusals.append(text)
            case ToolCall():
                calls.append(part)
            case Media():
                shown, heard = image(part), sound(part, asking)
                if shown is not None:
                    images.append(shown)
                elif heard is not None:
                    message["audio"] = heard
            case NativePart() | ToolResult():
                pass
            case _:
                assert_never(part)
    text = "".join(texts)
    message["content"] = text if text or not (calls or refusals) else None
    if refusals:
        message["refusal"] = "".join(refusals)
    thinking = "".join([one.text for one in thoughts])
    if thinking:
        message["reasoning_content"] = thinking
    message |= thinking_fields(thoughts)
    cited = annotations(sources)
    if cited:
        message["annotations"] = cited
    if images:
        message["images"] = images
    if calls:
        message |= _write_calls(calls, asking)
    return message


def _write_calls(calls: list[ToolCall], asking: Asking) -> dict[str, Any]:
    if speaks_of_functions(asking.request):
        return {"function_call": {"name": calls[0].name, "arguments": calls[0].arguments or NO_ARGUMENTS}}
    return {"tool_calls": [write_call(call, signed=True) for call in calls]}


def shifted(citation: Citation, before: int) -> Citation:
    """Return a source whose place counts from the start of the message instead of its part."""
    if not before or citation.start is None or citation.end is None:
        return citation
    return msgspec.structs.replace(citation, start=citation.start + before, end=citation.end + before)

"""A whole canonical answer for a Mistral client.

Law: the strictest SDK decides. `usage` is always there, with zeros for what is not known; content is a string, because
most code prints it, and a list with thinking only for who asked to think and for no form. Beside calls it is empty, as
Mistral's own is, and null where a form was asked for, because their SDKs read an empty one as that form. An answer that
goes on from a prefix begins with it, as Mistral's own do.
"""

from typing import Any, Final

import msgspec

from gantry.core.chat import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Effort,
    Finish,
    FinishReason,
    Media,
    MediaKind,
    NativePart,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking
from gantry.dialects.data_urls import data_url
from gantry.dialects.mistral_chat.parts import write_thinking
from gantry.dialects.openai_chat.messages_out import NO_ARGUMENTS
from gantry.dialects.openai_chat.usage import write_usage

STOP: Final = "stop"
_WORDS: Final = {
    FinishReason.STOP: STOP,
    FinishReason.STOP_SEQUENCE: STOP,
    FinishReason.LENGTH: "length",
    FinishReason.CONTEXT: "model_length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.REFUSAL: "content_filter",
    FinishReason.PAUSE: STOP,
    FinishReason.ERROR: "error",
    FinishReason.OTHER: STOP,
}
_encode: Final = msgspec.json.Encoder().encode


def encode_answer(answer: ChatAnswer, asking: Asking) -> bytes:
    """Return a whole answer for a client."""
    prefix = "" if answer.dialect is Dialect.MISTRAL else prefix_of(asking.request)
    listed = shows_thinking(asking.request)
    wordless = None if asking.request.format is not None else ""
    choices = [_write_choice(choice, prefix, listed=listed, wordless=wordless) for choice in answer.choices]
    return _encode(
        {
            **envelope(answer.id, answer.model, answer.created, asking),
            "object": "chat.completion",
            "choices": choices or [_write_choice(Choice(0, ()), "", listed=False, wordless="")],
            "usage": write_usage(answer.usage),
        }
    )


def envelope(given_id: str | None, model: str | None, created: int | None, asking: Asking) -> dict[str, Any]:
    """Return what a whole answer and each chunk of a stream have in common."""
    return {
        "id": given_id or asking.id,
        "created": asking.created if created is None else created,
        "model": model or asking.request.model,
    }


def shows_thinking(request: ChatRequest) -> bool:
    """Say whether a caller reads thinking out of the content."""
    wish = request.reasoning
    return wish is not None and wish.effort is not Effort.NONE and request.format is None


def prefix_of(request: ChatRequest) -> str:
    """Return what the answer was asked to go on from."""
    last = request.messages[-1] if request.messages else None
    if last is None or last.role is not Role.ASSISTANT or not last.prefix:
        return ""
    return "".join([part.text for part in last.parts if isinstance(part, Text)])


def finish_word(finish: Finish | None) -> str:
    return STOP if finish is None else _WORDS[finish.reason]


def whole_call(number: int, call_id: str, name: str, arguments: str, *, custom: bool = False) -> dict[str, Any]:
    """Return a tool call; a custom tool's text becomes the one argument of a function."""
    if custom:
        arguments = _encode({"input": arguments}).decode()
    function = {"name": name, "arguments": arguments or NO_ARGUMENTS}
    return {"id": call_id, "type": "function", "function": function, "index": number}


def image(media: Media) -> dict[str, Any] | None:
    """Return an image that the model made; None for other media, which clients would refuse."""
    if media.kind is not MediaKind.IMAGE:
        return None
    return {"type": "image_url", "image_url": media.url or data_url(media.mime, media.data or "")}


def text_chunks(part: Text) -> list[Any]:
    """Return a text as chunks, with Mistral's own references where they stood."""
    chunks: list[Any] = []
    done = 0
    for source in sorted(part.citations, key=lambda one: one.end or 0):
        if source.dialect is not Dialect.MISTRAL or source.raw is None:
            continue
        end = max(source.end or 0, done)
        if end > done:
            chunks.append({"type": "text", "text": part.text[done:end]})
        chunks.append(source.raw)
        done = end
    if done < len(part.text):
        chunks.append({"type": "text", "text": part.text[done:]})
    return chunks


def _write_choice(choice: Choice, prefix: str, *, listed: bool, wordless: str | None) -> dict[str, Any]:
    """Return a choice; `wordless` is the content of one that only calls."""
    chunks: list[Any] = text_chunks(Text(prefix))
    texts: list[str] = [prefix]
    calls: list[dict[str, Any]] = []
    is_list = False
    for part in choice.parts:
        match part:
            case Text():
                said = text_chunks(part)
                is_list = is_list or len(said) > 1 or any(isinstance(chunk, msgspec.Raw) for chunk in said)
                chunks += said
                texts.append(part.text)
            case Refusal(text):
                chunks += text_chunks(Text(text))
                texts.append(text)
            case Thinking() if listed and (thought := write_thinking(part)) is not None:
                is_list = True
                chunks.append(thought)
            case ToolCall(call_id, name, arguments, custom):
                calls.append(whole_call(len(calls), call_id, name, arguments, custom=custom))
            case Media():
                shown = image(part)
                if shown is not None:
                    is_list = True
                    chunks.append(shown)
            case NativePart(Dialect.MISTRAL, raw):
                is_list = True
                chunks.append(raw)
            case _:
                pass
    text = "".join(texts)
    message: dict[str, Any] = {"role": "assistant", "content": chunks if is_list else text}
    if calls:
        message["tool_calls"] = calls
        message["content"] = message["content"] or wordless
    word = "tool_calls" if calls and choice.finish is None else finish_word(choice.finish)
    return {"index": choice.index, "message": message, "finish_reason": word}

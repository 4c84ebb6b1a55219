"""A whole answer, read and written."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct, structs

from gantry.core.chat import (
    ChatAnswer,
    Choice,
    Citation,
    NativePart,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from gantry.core.errors import UpstreamBroke
from gantry.core.usage import NO_USAGE
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking
from gantry.dialects.cohere.citations import citation_value, is_of_text, read_citation
from gantry.dialects.cohere.finish import finish_word, read_finish
from gantry.dialects.cohere.shapes import Call, decode_content
from gantry.dialects.cohere.usage import UsageShape, read_usage, usage_value
from gantry.dialects.members import UNREADABLE
from gantry.dialects.tool_terms import has_calls, unsaid_finish

NO_ARGUMENTS: Final = "{}"


class _Message(Struct):
    content: list[Raw] | None = None
    tool_plan: str | None = None
    tool_calls: list[Call] | None = None
    citations: list[Raw] | None = None


class _Answer(Struct):
    message: _Message
    id: str | None = None
    finish_reason: str | None = None
    usage: UsageShape | None = None


_decode: Final = msgspec.json.Decoder(_Answer).decode
_encode: Final = msgspec.json.Encoder().encode


def decode_answer(body: bytes) -> ChatAnswer:
    """Return an answer. Raises UpstreamBroke when the body is none."""
    try:
        shape = _decode(body)
        parts = _parts(shape.message)
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not the JSON of a Cohere answer") from None
    return ChatAnswer(
        dialect=Dialect.COHERE,
        id=shape.id,
        choices=(Choice(0, parts, None if shape.finish_reason is None else read_finish(shape.finish_reason)),),
        usage=NO_USAGE if shape.usage is None else read_usage(shape.usage),
    )


def _parts(message: _Message) -> tuple[Part, ...]:
    parts: list[Part] = []
    for raw in message.content or ():
        item = decode_content(raw)
        if item.text is not None:
            parts.append(Text(item.text))
        elif item.thinking is not None:
            parts.append(Thinking(item.thinking))
        else:
            parts.append(NativePart(Dialect.COHERE, raw))
    attach_citations(parts, message.citations or ())
    add_plan(parts, message.tool_plan)
    parts += [read_call(call) for call in message.tool_calls or ()]
    return tuple(parts)


def add_plan(parts: list[Part], plan: str | None) -> None:
    """Put a plan where it was made: the model thinks, then plans, then calls."""
    if plan:
        thoughts = next((at for at, part in enumerate(parts) if not isinstance(part, Thinking)), len(parts))
        parts.insert(thoughts, Text(plan))


def read_call(call: Call) -> ToolCall:
    return ToolCall(call.id, call.function.name, read_arguments(call.function.arguments))


def read_arguments(arguments: str | None) -> str:
    """Return a call's arguments; Cohere writes `null` where a tool takes none."""
    return NO_ARGUMENTS if arguments is None or arguments.strip() in ("", "null") else arguments


def attach_citations(parts: list[Part], raws: Sequence[Raw]) -> None:
    """Give citations to the text that they are of: the item they name, else the first text."""
    given: dict[int, list[Citation]] = {}
    for raw in raws:
        citation, cited = read_citation(raw)
        at = cited.content_index
        if at is None or not (0 <= at < len(parts) and isinstance(parts[at], Text)):
            at = next((number for number, part in enumerate(parts) if isinstance(part, Text)), None)
        if at is not None and is_of_text(cited):
            given.setdefault(at, []).append(citation)
    for at, part in enumerate(parts):
        if isinstance(part, Text) and at in given:
            parts[at] = structs.replace(part, citations=tuple(given[at]))


def encode_answer(answer: ChatAnswer, asking: Asking) -> bytes:
    """Return an answer as Cohere gives it: its first choice."""
    choice = answer.choices[0] if answer.choices else Choice(0, ())
    return _encode(
        {
            "id": answer.id or asking.id,
            "message": {"role": "assistant", **message_fields(choice.parts)},
            "finish_reason": finish_word(choice.finish or unsaid_finish(called=has_calls(choice.parts))),
            "usage": usage_value(answer.usage),
        }
    )


def message_fields(parts: Sequence[Part]) -> dict[str, Any]:
    """Return what an assistant's message holds; parts that Cohere has no words for are left out."""
    content: list[Any] = []
    plan: list[str] = []
    calls: list[Any] = []
    citations: list[Any] = []
    calling = has_calls(parts)
    for part in parts:
        match part:
            case Text(text, cited):
                if calling and not cited:
                    plan.append(text)
                else:
                    content.append({"type": "text", "text": text})
                    citations += [citation_value(one, len(content) - 1) for one in cited]
            case Refusal(text):
                content.append({"type": "text", "text": text})
            case Thinking(text):
                if text:
                    content.append({"type": "thinking", "thinking": text})
            case ToolCall(call_id, name, arguments):
                function = {"name": name, "arguments": arguments or NO_ARGUMENTS}
                calls.append({"id": call_id, "type": "function", "function": function})
            case NativePart(Dialect.COHERE, raw):
                content.append(raw)
            case _:
                pass
    fields: dict[str, Any] = {}
    if content:
        fields["content"] = content
    if any(plan):
        fields["tool_plan"] = "".join(plan)
    if calls:
        fields["tool_calls"] = calls
    if citations:
        fields["citations"] = citations
    return fields

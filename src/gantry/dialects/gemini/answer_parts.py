"""The parts of an answer for a client of Gemini's, made alike for whole answers and for streams.

Law: a client that did not ask for thoughts gets none. Calls go as objects, and only Gemini's own signatures go at all:
Google's clients send them back, and another provider's mean nothing there.
"""

from typing import Any

from msgspec import Raw

from gantry.core.chat import Choice, Media, NativePart, Part, Refusal, Text, Thinking, ToolCall, ToolResult
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking
from gantry.dialects.gemini.media import answered_media
from gantry.dialects.tool_terms import arguments_object

WirePart = dict[str, Any] | Raw


def shows_thoughts(asking: Asking) -> bool:
    reasoning = asking.request.reasoning
    return reasoning is not None and reasoning.shown is True


def text_part(text: str) -> dict[str, Any]:
    return {"text": text}


def signed_part(signature: str) -> dict[str, Any]:
    """Return a part that is a signature and nothing else."""
    return {"text": "", "thoughtSignature": signature}


def thought_part(text: str, signature: str | None = None) -> dict[str, Any]:
    part: dict[str, Any] = {"text": text, "thought": True}
    return part if signature is None else {**part, "thoughtSignature": signature}


def call_part(call: ToolCall) -> dict[str, Any]:
    arguments = {"input": call.arguments} if call.custom else arguments_object(call.arguments)
    part: dict[str, Any] = {"functionCall": {"id": call.id, "name": call.name, "args": arguments}}
    return part if call.signature is None else {**part, "thoughtSignature": call.signature}


def wire_parts(choice: Choice, *, thoughts: bool) -> list[WirePart]:
    """Return the parts of a whole answer."""
    parts: list[WirePart] = []
    seal: str | None = None
    for part in choice.parts:
        made = _wire_part(part, thoughts=thoughts)
        if seal is not None and isinstance(part, Text | Media) and isinstance(made, dict):
            made["thoughtSignature"], seal = seal, None
        elif seal is not None:
            parts.append(signed_part(seal))
            seal = None
        if made is not None:
            parts.append(made)
        if isinstance(part, Thinking) and part.dialect is Dialect.GEMINI and part.sealed is not None:
            seal = part.sealed
    return parts if seal is None else [*parts, signed_part(seal)]


def _wire_part(part: Part, *, thoughts: bool) -> WirePart | None:
    match part:
        case Text(text) | Refusal(text):
            return text_part(text) if text else None
        case Thinking(text):
            signature = part.signature if part.dialect is Dialect.GEMINI else None
            return thought_part(text, signature) if thoughts and (text or signature) else None
        case ToolCall():
            return call_part(part)
        case Media():
            return answered_media(part)
        case NativePart(dialect, raw):
            return raw if dialect is Dialect.GEMINI else None
        case ToolResult():
            return None

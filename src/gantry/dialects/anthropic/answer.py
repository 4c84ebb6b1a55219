"""An answer that comes whole: `{"type": "message", "content": […], "stop_reason", "usage"}`.

Law: reading is tolerant, a block we do not know keeps its bytes. What is written passes the official SDKs' types:
counts are numbers, a tool's input is an object, thinking always has a signature, empty where its maker does not sign.
"""

import re
from typing import Any, Final

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
from gantry.core.errors import UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.citations import read_citation, write_citation
from gantry.dialects.anthropic.finish import read_finish, stop_reason
from gantry.dialects.anthropic.signature import read_signed, write_signature
from gantry.dialects.anthropic.usage import UsageReader, write_usage
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.codec import Asking
from gantry.dialects.members import UNREADABLE
from gantry.dialects.tool_terms import arguments_object, has_calls, mint_call_id, plain_tool_id

_OUTSIDE_IDS: Final = re.compile(r"[^A-Za-z0-9_-]")


class Block(Struct, gc=False):
    """What we read of a content block, in an answer and at its beginning in a stream."""

    type: str
    text: str | None = None
    citations: list[Raw] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT

    def arguments(self) -> str:
        return bytes(self.input).decode("utf-8", "replace") if has_value(self.input) else "{}"


class _Answer(Struct):
    content: list[Raw]
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Raw = ABSENT


class _Kind(Struct, gc=False):
    type: str


KNOWN_BLOCKS: Final = frozenset(("text", "thinking", "redacted_thinking", "tool_use"))
_decode: Final = msgspec.json.Decoder(_Answer).decode
_decode_kind: Final = msgspec.json.Decoder(_Kind).decode
_decode_block: Final = msgspec.json.Decoder(Block).decode


def read_answer(body: bytes) -> ChatAnswer:
    """Return a provider's whole answer. Raises UpstreamBroke when it is none."""
    try:
        found = _decode(body)
        blocks = [(read_block(raw), raw) for raw in found.content]
    except UNREADABLE:
        raise UpstreamBroke("the provider's answer is not a message of Anthropic's") from None
    parts: list[Part] = []
    for number, (block, raw) in enumerate(blocks):
        part = _read_part(block, raw, found.id or "", number)
        if part is not None:
            parts.append(part)
    usage = UsageReader()
    return ChatAnswer(
        dialect=Dialect.ANTHROPIC,
        id=found.id,
        model=found.model,
        choices=(Choice(0, tuple(parts), read_finish(found.stop_reason, found.stop_sequence)),),
        usage=usage.add(found.usage),
        service_tier=usage.service_tier,
    )


def read_block(raw: Raw) -> Block | None:
    """Return a block of a kind we know; None for any other. Raises msgspec's errors."""
    return _decode_block(raw) if _decode_kind(raw).type in KNOWN_BLOCKS else None


def _read_part(block: Block | None, raw: Raw, answer_id: str, number: int) -> Part | None:
    """Return a part; None for a block that says nothing, which a stream has no event for either."""
    if block is None:
        return NativePart(Dialect.ANTHROPIC, raw)
    match block.type:
        case "text":
            citations = tuple([read_citation(one) for one in block.citations or ()])
            return Text(block.text or "", citations) if block.text or citations else None
        case "thinking":
            return read_signed(block.thinking or "", block.signature) if block.thinking or block.signature else None
        case "redacted_thinking":
            return Thinking(sealed=block.data or "", dialect=Dialect.ANTHROPIC)
        case _:
            return ToolCall(block.id or mint_call_id(answer_id, number), block.name or "", block.arguments())


def write_answer(answer: ChatAnswer, asking: Asking) -> dict[str, Any]:
    """Return a whole answer for a client of Anthropic's. It has one choice; others are left out."""
    choice = answer.choices[0] if answer.choices else Choice(0, ())
    finish = choice.finish
    return {
        **message_head(answer.id, answer.model, asking),
        "content": [block for part in choice.parts if (block := _write_part(part)) is not None],
        "stop_reason": stop_reason(finish, calls=has_calls(choice.parts)),
        "stop_sequence": None if finish is None else finish.sequence,
        "usage": write_usage(answer.usage, answer.service_tier),
    }


def message_head(answer_id: str | None, model: str | None, asking: Asking) -> dict[str, Any]:
    """Return what a message begins with, whole or streamed."""
    if answer_id is None or not answer_id.startswith("msg_"):
        answer_id = "msg_" + (asking.id if asking.id.isalnum() else _OUTSIDE_IDS.sub("_", asking.id))
    return {"id": answer_id, "type": "message", "role": "assistant", "model": model or asking.request.model}


def _write_part(part: Part) -> dict[str, Any] | Raw | None:
    match part:
        case Text(text, citations):
            block: dict[str, Any] = {"type": "text", "text": text}
            if citations:
                written = [one for one in map(write_citation, citations) if one is not None]
                if written:
                    block["citations"] = written
            return block if text or "citations" in block else None
        case Thinking():
            return _write_thinking(part)
        case Refusal(text):
            return {"type": "text", "text": text}
        case ToolCall(id, name, arguments):
            given = arguments_object(arguments)
            return {"type": "tool_use", "id": plain_tool_id(id), "name": name, "input": given}
        case NativePart(Dialect.ANTHROPIC, raw):
            return raw
        case NativePart() | Media() | ToolResult():
            return None


def _write_thinking(part: Thinking) -> dict[str, Any] | None:
    if part.dialect is Dialect.ANTHROPIC and part.sealed is not None:
        return {"type": "redacted_thinking", "data": part.sealed}
    signature = write_signature(part)
    if not part.text and not signature:
        return None
    return {"type": "thinking", "thinking": part.text, "signature": signature}

"""Canonical messages as OpenAI takes them.

Law: one canonical turn may be several messages, because a result stands alone here. What a tool returned besides text
follows its results in a message of the user: OpenAI takes only text from a tool. Thinking goes back unsigned under the
name that the provider has for it, and signed only in a request that was written in this format.
"""

from typing import Any, Final

import msgspec

from gantry.core.chat import (
    CacheMark,
    ChatRequest,
    Media,
    Message,
    NativePart,
    Refusal,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.caller_names import TurnNames, parts_name
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.foreign import refuse_part
from gantry.dialects.members import decode_members
from gantry.dialects.openai_chat.parts import write_media
from gantry.dialects.openai_chat.thinking import thinking_fields
from gantry.dialects.tool_terms import plain_tool_id

NO_ARGUMENTS: Final = "{}"
_MAX_ID: Final = 40  # https://github.com/langchain-ai/langchain/issues/27912
_FAILED: Final = "The tool failed."


def write_messages(request: ChatRequest, thinking_field: str | None, changes: list[Change]) -> list[dict[str, Any]]:
    """Return messages for OpenAI. Raises InvalidRequest for what they cannot say."""
    writer = _Writer(request, thinking_field, changes)
    for index, message in enumerate(request.messages):
        writer.add(index, message)
    writer.flush_media()
    return writer.written


def fitting_id(given: str) -> str:
    """Return a call's id in at most 40 characters; the same id gives the same."""
    return given if len(given) <= _MAX_ID else plain_tool_id(given + "/" * 64)


def result_text(result: ToolResult) -> str:
    """Return what a tool returned as text; that it failed is told, for there is no other place for it."""
    text = "\n".join([part.text for part in result.parts if isinstance(part, Text)])
    if not result.is_error or text[:5].lower() == "error":
        return text
    return f"Error: {text}" if text else _FAILED


class _Writer:
    __slots__ = ("_changes", "_native", "_parts", "_pending", "_request", "_thinking_field", "_turns", "written")

    def __init__(self, request: ChatRequest, thinking_field: str | None, changes: list[Change]) -> None:
        self._request = request
        self._thinking_field = thinking_field
        self._changes = changes
        self._turns = TurnNames(request)
        self._parts = parts_name(request.dialect)
        self._native = request.dialect is Dialect.OPENAI_CHAT
        self._pending: list[dict[str, Any]] = []  # what tools returned besides text
        self.written: list[dict[str, Any]] = []

    def add(self, index: int, message: Message) -> None:
        if message.prefix:
            place = f"{self._turns[index]}.prefix"
            raise InvalidRequest(
                f"`{place}`: the provider of this model does not go on from an answer that was begun", param=place
            )
        if message.role is not Role.TOOL:
            self.flush_media()
        match message.role:
            case Role.TOOL:
                for number, part in enumerate(message.parts):
                    if isinstance(part, ToolResult):
                        self._result(index, number, part)
            case Role.ASSISTANT:
                self._assistant(index, message)
            case Role.USER | Role.SYSTEM:
                content = [self._part(index, number, part) for number, part in enumerate(message.parts)]
                self._append(message, {"role": message.role, "content": _simplest(content)})

    def flush_media(self) -> None:
        """Send what tools returned besides text, once their results are complete."""
        if self._pending:
            self.written.append({"role": "user", "content": self._pending})
            self._pending = []

    def _place(self, index: int, number: int) -> str:
        return f"{self._turns[index]}.{self._parts}[{number}]"

    def _append(self, message: Message, written: dict[str, Any]) -> None:
        if message.name is not None:
            written["name"] = message.name
        self.written.append(written)

    def _part(self, index: int, number: int, part: object) -> dict[str, Any]:
        match part:
            case Text():
                return self._marked({"type": "text", "text": part.text}, part.cache)
            case Media():
                return self._marked(
                    write_media(part, self._place(index, number), self._request.dialect, self._changes), part.cache
                )
            case Refusal(text):
                return {"type": "refusal", "refusal": text}
            case NativePart(Dialect.OPENAI_CHAT, raw):
                return decode_members(raw)
            case NativePart():
                raise refuse_part(part, self._place(index, number))
            case _:
                place = self._place(index, number)
                raise InvalidRequest(f"`{place}` does not belong into a message of this role", param=place)

    def _marked(self, part: dict[str, Any], cache: CacheMark | None) -> dict[str, Any]:
        """Return a part with its cache mark, which only some of the providers of this format know."""
        if cache is not None and self._native:
            mark = {"type": "ephemeral"} if cache.ttl is None else {"type": "ephemeral", "ttl": cache.ttl}
            part["cache_control"] = mark
        return part

    def _assistant(self, index: int, message: Message) -> None:
        content: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        thoughts: list[Thinking] = []
        written: dict[str, Any] = {"role": "assistant", "content": None}
        for number, part in enumerate(message.parts):
            match part:
                case ToolCall():
                    calls.append(write_call(part, signed=self._native))
                case Thinking():
                    thoughts.append(part)
                case NativePart(Dialect.OPENAI_CHAT, raw):
                    self._own(raw, content, written)
                case NativePart() | Media() | ToolResult():
                    place = self._place(index, number)
                    self._changes.append(dropped(place, "what another provider made or found itself"))
                case _:
                    content.append(self._part(index, number, part))
        written["content"] = _simplest(content) if content else None
        self._think(index, thoughts, written)
        if calls:
            written["tool_calls"] = calls
        if not content and not calls:
            if len(written) == 2:
                return  # a turn that says nothing is refused by many
            written["content"] = ""
        self._append(message, written)

    def _own(self, raw: msgspec.Raw, content: list[dict[str, Any]], written: dict[str, Any]) -> None:
        """Put a part that only this format knows where it stood: in the content, or beside it."""
        members = decode_members(raw)
        if "type" in members:
            content.append(members)
        else:
            written |= members

    def _think(self, index: int, thoughts: list[Thinking], written: dict[str, Any]) -> None:
        if not thoughts:
            return
        own = [one for one in thoughts if self._native or one.dialect is Dialect.OPENAI_CHAT]
        written |= thinking_fields(own)
        plain = "".join([one.text for one in thoughts if one in own or one.dialect is None])
        if plain and self._thinking_field is not None:
            written[self._thinking_field] = plain
        unsaid = plain and self._thinking_field is None
        if unsaid or any(one.dialect is not None and one not in own for one in thoughts):
            place = self._turns[index]
            self._changes.append(dropped(place, "of thinking, which its maker alone can take back"))

    def _result(self, index: int, number: int, result: ToolResult) -> None:
        call_id = fitting_id(result.call_id)
        texts = [self._part(index, number, part) for part in result.parts if isinstance(part, Text)]
        listed = len(texts) > 1 and not result.is_error
        content = texts if listed else result_text(result)
        self.written.append({"role": "tool", "tool_call_id": call_id, "content": content})
        others = [self._part(index, number, part) for part in result.parts if not isinstance(part, Text)]
        if others:
            self._changes.append(converted(self._place(index, number), "from a tool's result to a message after it"))
            self._pending += [{"type": "text", "text": f"The tool call {call_id} returned:"}, *others]


def write_call(call: ToolCall, *, signed: bool) -> dict[str, Any]:
    """Return one whole tool call, with its signature if it is to be `signed`."""
    written: dict[str, Any] = {"id": fitting_id(call.id)}
    if call.custom:
        written |= {"type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        written |= {"type": "function", "function": {"name": call.name, "arguments": call.arguments or NO_ARGUMENTS}}
    if signed and call.signature is not None:
        written["extra_content"] = {"google": {"thought_signature": call.signature}}
    return written


def _simplest(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return content as a string where it is one text: some providers of this format take nothing else."""
    if not content:
        return ""
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        text: str = content[0]["text"]
        return text
    return content

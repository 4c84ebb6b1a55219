"""Canonical messages as Mistral takes them.

Law: system messages stand before the first answer; an answer says or calls something; one that comes last is the
beginning of the next. A call's id is nine letters and digits, in the call and in its result alike. Thinking goes back
as a chunk where the model takes it, with its signature only if Mistral made it.
"""

from typing import Any, Final

from gantry.core.chat import (
    ChatRequest,
    Media,
    Message,
    NativePart,
    Part,
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
from gantry.dialects.changes import Change, converted, defaulted, dropped
from gantry.dialects.foreign import refuse_part
from gantry.dialects.members import decode_members
from gantry.dialects.mistral_chat.parts import write_media, write_thinking
from gantry.dialects.mistral_reasoning import Reasoning, reasoning_of
from gantry.dialects.mistral_tool_ids import ToolIds
from gantry.dialects.openai_chat.messages_out import NO_ARGUMENTS, result_text

_SYSTEM: Final = Role.SYSTEM


def write_messages(request: ChatRequest, model: str, changes: list[Change]) -> list[dict[str, Any]]:
    """Return messages for Mistral. Raises InvalidRequest for what they cannot say."""
    writer = _Writer(request, model, changes)
    for index in _in_order(request, changes):
        writer.add(index, request.messages[index])
    writer.close()
    return writer.written


def _in_order(request: ChatRequest, changes: list[Change]) -> list[int]:
    """Return the messages' places, with system messages that come late among the leading ones."""
    messages = request.messages
    if _SYSTEM not in [message.role for message in messages[1:]]:
        return list(range(len(messages)))
    said = [index for index, message in enumerate(messages) if message.role is not _SYSTEM]
    if not said:
        return list(range(len(messages)))
    answered = next((index for index in said if messages[index].role is not Role.USER), len(messages))
    late = {  # in their order
        index: None
        for index, message in enumerate(messages)
        if message.role is _SYSTEM and (index > answered or index > said[-1])
    }
    turns = TurnNames(request)
    changes += [converted(turns[index], "to a leading system message") for index in late]
    leading = list(range(said[0]))
    return [*leading, *late, *[index for index in range(said[0], len(messages)) if index not in late]]


class _Writer:
    __slots__ = ("_changes", "_ids", "_last", "_parts", "_request", "_takes_thinking", "_turns", "written")

    def __init__(self, request: ChatRequest, model: str, changes: list[Change]) -> None:
        self._request = request
        self._changes = changes
        self._turns = TurnNames(request)
        self._parts = parts_name(request.dialect)
        self._ids = ToolIds()
        self._last: tuple[int, Message] | None = None
        thinks = reasoning_of(model)
        own = request.dialect is Dialect.MISTRAL and thinks is Reasoning.UNKNOWN
        self._takes_thinking = own or thinks in (Reasoning.EFFORT, Reasoning.PROMPT_MODE)
        self.written: list[dict[str, Any]] = []

    def add(self, index: int, message: Message) -> None:
        match message.role:
            case Role.TOOL:
                for number, part in enumerate(message.parts):
                    if isinstance(part, ToolResult):
                        self._result(index, number, part)
            case Role.ASSISTANT:
                self._assistant(index, message)
            case Role.USER | Role.SYSTEM:
                content = [self._part(index, number, part) for number, part in enumerate(message.parts)]
                self._append(index, message, {"role": message.role, "content": _simplest(content)})

    def close(self) -> None:
        """Mark an answer that comes last as the beginning of the next, and tell of changed ids."""
        if self._ids.changed:
            self._changes.append(converted("tool_calls[].id", "to nine letters and digits"))
        if self._last is None or not self.written or self.written[-1]["role"] != "assistant":
            return
        index, message = self._last
        if "tool_calls" not in self.written[-1]:
            self.written[-1]["prefix"] = True
            if not message.prefix:
                self._changes.append(defaulted(f"{self._turns[index]}.prefix", "to true"))

    def _place(self, index: int, number: int) -> str:
        return f"{self._turns[index]}.{self._parts}[{number}]"

    def _append(self, index: int, message: Message, written: dict[str, Any]) -> None:
        if message.name is not None:
            self._changes.append(dropped(f"{self._turns[index]}.name"))
        self._last = index, message
        self.written.append(written)

    def _part(self, index: int, number: int, part: Part) -> dict[str, Any]:
        match part:
            case Text() | Refusal():
                return {"type": "text", "text": part.text}
            case Media():
                return write_media(part, self._place(index, number), self._request.dialect, self._changes)
            case NativePart(Dialect.MISTRAL, raw):
                return decode_members(raw)
            case NativePart():
                raise refuse_part(part, self._place(index, number))
            case _:
                place = self._place(index, number)
                raise InvalidRequest(f"`{place}` does not belong into a message of this role", param=place)

    def _assistant(self, index: int, message: Message) -> None:
        content: list[dict[str, Any]] = []
        calls: list[dict[str, Any]] = []
        hidden = False
        for number, part in enumerate(message.parts):
            match part:
                case ToolCall():
                    calls.append(self._call(index, number, part))
                case Thinking() if self._takes_thinking:
                    content += self._thinking(part)
                case Thinking():
                    hidden = hidden or bool(part.text)
                case NativePart(dialect) if dialect is not Dialect.MISTRAL:
                    self._drop(index, number)
                case Media() | ToolResult():
                    self._drop(index, number)
                case _:
                    content.append(self._part(index, number, part))
        if hidden:
            self._changes.append(dropped(self._turns[index], "of thinking, for a model that takes no thoughts back"))
        if not calls and not any(chunk.get("text") or chunk["type"] != "text" for chunk in content):
            self._changes.append(dropped(self._turns[index], "an answer that says nothing"))
            return
        written: dict[str, Any] = {"role": "assistant", "content": _simplest(content)}
        if calls:
            written["tool_calls"] = calls
        self._append(index, message, written)

    def _thinking(self, part: Thinking) -> list[dict[str, Any]]:
        chunk = write_thinking(part if part.dialect is Dialect.MISTRAL else Thinking(part.text))
        return [] if chunk is None else [chunk]

    def _drop(self, index: int, number: int) -> None:
        place = self._place(index, number)
        self._changes.append(dropped(place, "what another provider made or found itself"))

    def _call(self, index: int, number: int, call: ToolCall) -> dict[str, Any]:
        if call.custom:
            place = self._place(index, number)
            raise InvalidRequest(f"`{place}` must be a call of a function for Mistral", param=place)
        function = {"name": call.name, "arguments": call.arguments or NO_ARGUMENTS}
        return {"id": self._ids.adapt(call.id), "type": "function", "function": function}

    def _result(self, index: int, number: int, result: ToolResult) -> None:
        listed = result.is_error or all(isinstance(part, Text) for part in result.parts)
        content: str | list[dict[str, Any]] = result_text(result)
        if not listed or len(result.parts) > 1:
            others = [part for part in result.parts if not (result.is_error and isinstance(part, Text))]
            said = [{"type": "text", "text": content}] if result.is_error else []
            content = said + [self._part(index, number, part) for part in others]
        written = {"role": "tool", "tool_call_id": self._ids.adapt(result.call_id), "content": content}
        if result.name is not None:
            written["name"] = result.name
        self.written.append(written)


def _simplest(content: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    if not content:
        return ""
    if len(content) == 1 and content[0]["type"] == "text":
        text: str = content[0]["text"]
        return text
    return content

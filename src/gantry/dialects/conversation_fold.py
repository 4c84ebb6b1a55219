"""The fold of a conversation's answer: entries, from a whole answer or from its stream's events.

Law: fragments with the same output index and id are one entry. For reading, the entries become one chat message, with
what the provider's own tools did beside it.
"""

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Raw, Struct

from gantry.dialects.chat_chunk import has_value, read_chunk, read_shape
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.content_fold import ContentFold
from gantry.dialects.error_message import error_message
from gantry.dialects.fold import Answer, Envelope, encode
from gantry.dialects.outline import outline

_KINDS: Final = {
    "message.output": "message.output",
    "message.output.delta": "message.output",
    "function.call": "function.call",
    "function.call.delta": "function.call",
    "tool.execution": "tool.execution",
    "tool.execution.started": "tool.execution",
    "tool.execution.delta": "tool.execution",
    "tool.execution.done": "tool.execution",
    "agent.handoff": "agent.handoff",
    "agent.handoff.started": "agent.handoff",
    "agent.handoff.done": "agent.handoff",
}


class _EntryPart(Struct, gc=False):
    """An entry of a whole answer, or an event that adds to one."""

    type: str | None = None
    id: str | None = None
    output_index: int | None = None
    model: str | None = None
    content: str | list[Raw] | dict[str, Raw] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Raw] | None = None
    info: Raw = ABSENT
    next_agent_name: str | None = None


class _Whole(Struct, gc=False):
    conversation_id: str | None = None
    type: str | None = None
    outputs: list[Raw] | None = None


class _Entry:
    """One entry as far as it came."""

    __slots__ = ("arguments", "call_id", "content", "id", "info", "name", "type")

    def __init__(self, type_: str) -> None:
        self.type = type_
        self.id: str | None = None
        self.content = ContentFold()
        self.name = ""
        self.call_id: str | None = None
        self.arguments: list[str] = []
        self.info: Raw = ABSENT

    def add(self, part: _EntryPart) -> None:
        self.id = self.id or part.id
        self.name = part.name or part.next_agent_name or self.name
        self.call_id = part.tool_call_id or self.call_id
        if isinstance(part.content, dict):
            self.content.add([Raw(encode(part.content))])
        elif part.content is not None:
            self.content.add(part.content)
        if isinstance(part.arguments, dict):
            self.arguments.append(encode(part.arguments).decode())
        elif part.arguments:
            self.arguments.append(part.arguments)
        if has_value(part.info):
            self.info = part.info

    def call(self) -> dict[str, Any]:
        identity = {"id": self.call_id} if self.call_id else {}
        return {**identity, "type": "function", "function": {"name": self.name, "arguments": "".join(self.arguments)}}

    def execution(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"type": self.type, "name": self.name}
        if self.arguments:
            shown["arguments"] = "".join(self.arguments)
        return shown

    def assembled(self) -> dict[str, Any]:
        """Return the entry as a whole answer carries it."""
        entry: dict[str, Any] = {"object": "entry", "type": self.type}
        if self.id is not None:
            entry["id"] = self.id
        if self.type == "message.output":
            return {**entry, "role": "assistant", "content": self.content.assembled()}
        if self.call_id is not None:
            entry["tool_call_id"] = self.call_id
        if has_value(self.info):
            entry["info"] = self.info
        return {**entry, "name": self.name, "arguments": "".join(self.arguments)}


class ConversationFold(Envelope):
    """The answer to a turn of a conversation."""

    __slots__ = ("_done", "_entries", "_other")

    def __init__(self, streamed: bool) -> None:
        super().__init__()
        self._entries: dict[tuple[int, str, str], _Entry] = {}
        self._done = False
        self._other: bytes | None = None  # a conversation's card, its history, a list of conversations

    def add(self, document: bytes) -> bool:
        chunk, whole = read_chunk(document), read_shape(_Whole, document)
        if chunk is None or whole is None:
            return False
        type_ = whole.type or ""
        if type_ in _KINDS:
            self._add_part(document, None)
            return True
        chunk.id = whole.conversation_id
        self.take(chunk)
        self._done = self._done or type_ == "conversation.response.done"
        if not type_ and whole.outputs is None:
            self._other = document
        for index, raw in enumerate(whole.outputs or ()):
            self._add_part(raw, index)
        return True

    def answer(self, ended: bool, warnings: Iterable[str] = ()) -> Answer:
        entries = list(self._entries.values())
        if not entries and self._other is not None and self.error is None:
            return self.conclude(complete=ended, warnings=warnings, message=outline(self._other))
        said = [entry.content for entry in entries if entry.type == "message.output"]
        calls = [entry.call() for entry in entries if entry.type == "function.call"]
        executed = [entry.execution() for entry in entries if entry.type in ("tool.execution", "agent.handoff")]
        message: dict[str, Any] = {"role": "assistant", "content": _joined(said)}
        if calls:
            message["tool_calls"] = calls
        if executed:
            message["executions"] = executed
        return self.conclude(
            complete=ended or self._done,
            warnings=warnings,
            message=encode(message) if entries else None,
            tool_calls=encode(calls) if calls else None,
            text="".join(content.text or "" for content in said) if said else None,
            reasoning="".join(content.thinking for content in said),
        )

    def whole(self) -> bytes:
        members = self.members()
        members["conversation_id"] = members.pop("id", None)
        outputs = [entry.assembled() for entry in self._entries.values()]
        error = {} if self.error is None else {"error": {"message": error_message(self.error)}}
        return encode({**members, "object": "conversation.response", "outputs": outputs, **error})

    def _add_part(self, raw: bytes | Raw, index: int | None) -> None:
        part = read_shape(_EntryPart, raw)
        kind = _KINDS.get(part.type or "") if part is not None else None
        if part is None or kind is None:
            return
        self.model = part.model or self.model
        place = index if index is not None else part.output_index or 0
        key = (place, kind, part.id or "")
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(kind)
        entry.add(part)


def _joined(contents: list[ContentFold]) -> Any:
    """Return the content of one message, or of several as one list of chunks."""
    if len(contents) == 1:
        return contents[0].assembled()
    chunks: list[Any] = []
    for content in contents:
        assembled = content.assembled()
        chunks += assembled if isinstance(assembled, list) else [{"type": "text", "text": assembled or ""}]
    return chunks or None

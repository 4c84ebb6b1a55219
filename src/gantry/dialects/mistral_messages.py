"""OpenAI's messages as Mistral takes them: roles, order, tool calls, content parts.

Law: a message that needs no change keeps its bytes. What Mistral has no place for is dropped and named in the changes
when the conversation reads the same without it, and refused with the field's name when it does not.
"""

from collections import deque
from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.errors import InvalidRequest
from gantry.dialects.mistral_tool_ids import ToolIds

Members = dict[str, Raw]

_NULL: Final = b"null"
_KEPT: Final = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "prefix"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
}
_ROLES: Final = {"developer": "system", "function": "tool"}
_NO_ID: Final = ("", "null", None)
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


class MessageAdapter:
    """Adapts the messages of one request; `changes` collects what was done beyond renaming."""

    def __init__(self, changes: list[str]) -> None:
        self._changes = changes
        self._ids = ToolIds()
        self._waiting: deque[str] = deque()  # calls whose result has not come yet, for results that name none

    def adapt(self, raw: Raw) -> Raw:
        messages = _decode(raw, list[Members], "messages", "a list of messages")
        adapted: list[Members] = []
        for position, message in enumerate(messages):
            one = self._adapt_one(position, message)
            if one is not None:
                adapted.append(one)
        adapted = self._lift_late_system(adapted)
        self._mark_prefix(adapted)
        return Raw(msgspec.json.encode(adapted))

    def _adapt_one(self, position: int, message: Members) -> Members | None:
        where = f"messages[{position}]"
        given_role = _text(message.get("role"), f"{where}.role")
        role = _ROLES.get(given_role, given_role)
        kept = _KEPT.get(role)
        if kept is None:
            raise InvalidRequest(f"`{where}.role` {given_role!r} is not known to Mistral", param=f"{where}.role")
        adapted: Members = {}
        for name, value in message.items():
            if name in kept and bytes(value) != _NULL:
                adapted[name] = value
            elif name not in kept and name != "function_call":
                self._drop(f"{where}.{name}", value)
        adapted["role"] = _encode(role)
        if "content" in adapted:
            adapted["content"] = self._adapt_content(where, adapted["content"])
        if role == "assistant":
            return self._adapt_assistant(where, adapted, message.get("function_call", Raw(_NULL)))
        if role == "tool":
            self._adapt_tool_result(where, adapted)
        return adapted

    def _adapt_assistant(self, where: str, message: Members, legacy: Raw) -> Members | None:
        calls: list[Members] = []
        if "tool_calls" in message:
            calls = _decode(message["tool_calls"], list[Members], f"{where}.tool_calls", "a list of tool calls")
        elif bytes(legacy) != _NULL:
            calls = [{"function": legacy}]
        if calls:
            message["tool_calls"] = _encode([self._adapt_call(where, index, call) for index, call in enumerate(calls)])
        else:
            message.pop("tool_calls", None)
        if "content" not in message and not calls:
            self._changes.append(f"dropped {where}: an assistant message without content")
            return None
        return message

    def _adapt_call(self, where: str, index: int, call: Members) -> Members:
        field = f"{where}.tool_calls[{index}]"
        function = call.get("function")
        if function is None:
            raise InvalidRequest(f"`{field}` must be a call of a function for Mistral", param=field)
        given = _text(call["id"], f"{field}.id") if bytes(call.get("id", Raw(_NULL))) != _NULL else None
        fitting = self._ids.adapt(f"{where}/{index}" if given in _NO_ID or given is None else given)
        self._waiting.append(fitting)
        return {"id": _encode(fitting), "type": _encode("function"), "function": function}

    def _adapt_tool_result(self, where: str, message: Members) -> None:
        given = _text(message["tool_call_id"], f"{where}.tool_call_id") if "tool_call_id" in message else None
        if given is None or given in _NO_ID:
            if not self._waiting:
                raise InvalidRequest(f"`{where}.tool_call_id` names no tool call", param=f"{where}.tool_call_id")
            fitting = self._waiting.popleft()
        else:
            fitting = self._ids.adapt(given)
            if fitting in self._waiting:
                self._waiting.remove(fitting)
        message["tool_call_id"] = _encode(fitting)

    def _adapt_content(self, where: str, content: Raw) -> Raw:
        if not bytes(content).lstrip().startswith(b"["):
            return content
        parts = _decode(content, list[Members], f"{where}.content", "a string or a list of parts")
        adapted = []
        for index, part in enumerate(parts):
            one = self._adapt_part(f"{where}.content[{index}]", part)
            if one is not None:
                adapted.append(one)
        return _encode(adapted)

    def _adapt_part(self, field: str, part: Members) -> Members | None:
        kind = _text(part.get("type"), f"{field}.type")
        match kind:
            case "text" if part.keys() > {"type", "text"}:
                self._changes.append(f"dropped what stood beside the text in {field}")
                return {name: part[name] for name in ("type", "text") if name in part}
            case "image_url":
                return {"type": part["type"], "image_url": self._adapt_image(field, part)}
            case "input_audio":
                audio = _members(part, "input_audio", field)
                return {"type": part["type"], "input_audio": audio.get("data", Raw(b'""'))} if audio else part
            case "file":
                return _adapt_file(field, part)
            case "refusal":
                self._changes.append(f"dropped {field}: a refusal")
                return None
            case _:
                return part  # Mistral's own kinds, and what only Mistral can judge

    def _adapt_image(self, field: str, part: Members) -> Raw:
        image = _members(part, "image_url", field)
        if image and bytes(image.get("detail", Raw(b""))) == b'"original"':
            return _encode({**image, "detail": "auto"})
        return part.get("image_url", Raw(_NULL))

    def _lift_late_system(self, messages: list[Members]) -> list[Members]:
        """Move system messages after the conversation began into the leading one, where alone Mistral allows them."""
        began = False
        late = []
        kept: list[Members] = []
        for message in messages:
            role = bytes(message["role"])
            if role == b'"system"' and began:
                late.append(message)
                continue
            began = began or role in (b'"assistant"', b'"tool"')
            kept.append(message)
        if not late:
            return messages
        self._changes.append("moved system messages to the front: Mistral takes none after an assistant message")
        leading = next(
            (index for index, message in enumerate(kept) if bytes(message["role"]) != b'"system"'), len(kept)
        )
        return kept[:leading] + late + kept[leading:]

    def _mark_prefix(self, messages: list[Members]) -> None:
        last = messages[-1] if messages else {}
        if bytes(last.get("role", Raw())) == b'"assistant"' and "tool_calls" not in last and "prefix" not in last:
            last["prefix"] = Raw(b"true")
            self._changes.append("marked the last message as the prefix of the answer")

    def _drop(self, field: str, value: Raw) -> None:
        if bytes(value) not in (_NULL, b"[]", b'""'):
            self._changes.append(f"dropped {field}")


def _adapt_file(field: str, part: Members) -> Members:
    file = _members(part, "file", field)
    if "file_data" in file:
        document: dict[str, Any] = {"type": "document_url", "document_url": file["file_data"]}
        if "filename" in file:
            document["document_name"] = file["filename"]
        return document
    if "file_id" in file:
        return {"type": _encode("file"), "file_id": file["file_id"]}
    raise InvalidRequest(f"`{field}.file` must hold `file_data` or `file_id`", param=f"{field}.file")


def _members(part: Members, name: str, field: str) -> Members:
    """Return the members of an object; empty when the value is a string, as in Mistral's own spelling."""
    value = part.get(name)
    if value is None:
        raise InvalidRequest(f"`{field}.{name}` is missing", param=f"{field}.{name}")
    if bytes(value).startswith(b'"'):
        return {}
    members: Members = _decode(value, Members, f"{field}.{name}", "an object")
    return members


def _decode(raw: Raw, expected: Any, field: str, wanted: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=expected)
    except _UNREADABLE:
        raise InvalidRequest(f"`{field}` must be {wanted}", param=field) from None


def _text(raw: Raw | None, field: str) -> str:
    if raw is None:
        raise InvalidRequest(f"`{field}` is missing", param=field)
    text: str = _decode(raw, str, field, "a string")
    return text


def _encode(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))

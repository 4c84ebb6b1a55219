"""OpenAI's messages as Mistral takes them: roles, order, tool calls.

Law: a message that needs no change keeps its bytes, and a conversation of plain messages is only looked at. What
Mistral has no place for is dropped and reported when the conversation reads the same without it, and refused with the
field's name when it does not. Order: system messages stand before the first answer; an answer says or calls something;
one that comes last is the prefix of the next.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest
from gantry.dialects.changes import Change, converted, defaulted, dropped
from gantry.dialects.members import (
    NULL,
    UNREADABLE,
    Members,
    asks_nothing,
    encode,
    has,
    read_items,
    read_members,
    read_text,
)
from gantry.dialects.mistral_content import adapt_content, with_thinking
from gantry.dialects.mistral_tool_ids import ToolIds
from gantry.dialects.waiting_calls import WaitingCalls

_KEPT: Final = {
    "system": frozenset(("role", "content")),
    "user": frozenset(("role", "content")),
    "assistant": frozenset(("role", "content", "tool_calls", "prefix")),
    "tool": frozenset(("role", "content", "tool_call_id", "name")),
}
_ROLES: Final = {"developer": "system", "function": "tool"}
_THINKING: Final = ("reasoning_content", "reasoning")  # one text under two names
_CALL_KEYS: Final = frozenset(("id", "type", "function", "index"))
_FUNCTION_KEYS: Final = frozenset(("name", "arguments"))
# What OpenAI's SDK read out of an answer for its caller, and sends back beside what it was read from.
_READINGS: Final = frozenset(("parsed", "parsed_arguments"))
_NO_ID: Final = ("", "null", None)
_FUNCTION: Final = Raw(b'"function"')
_SYSTEM: Final = Raw(b'"system"')
_ASSISTANT: Final = Raw(b'"assistant"')
_TOOL: Final = Raw(b'"tool"')


class _PlainMessage(Struct, forbid_unknown_fields=True, gc=False):
    """What both families write alike."""

    role: Literal["system", "user", "assistant"]
    content: str


_decode_plain: Final = msgspec.json.Decoder(list[_PlainMessage]).decode


def adapt_messages(raw: Raw, changes: list[Change], shows_thinking: Callable[[], bool]) -> Raw:
    """Return messages for Mistral: the same value where all are alike. Raises InvalidRequest.

    `shows_thinking` says whether the model takes its former thoughts back.
    """
    if _is_plain(raw):
        return raw
    return _Conversation(changes, shows_thinking).adapt(raw)


def _is_plain(raw: Raw) -> bool:
    """Say whether messages are of plain text, and in an order that Mistral takes."""
    try:
        messages = _decode_plain(raw)
    except UNREADABLE:
        return False
    answered = False
    for message in messages:
        if message.role == "assistant":
            if not message.content:
                return False
            answered = True
        elif answered and message.role == "system":
            return False
    return not messages or messages[-1].role not in ("assistant", "system") or len(messages) == 1


class _Conversation:
    """The messages of one request on their way; `changes` collects what was done."""

    __slots__ = ("_changes", "_ids", "_shows_thinking", "_waiting")

    def __init__(self, changes: list[Change], shows_thinking: Callable[[], bool]) -> None:
        self._changes = changes
        self._shows_thinking = shows_thinking
        self._ids = ToolIds()
        self._waiting = WaitingCalls()

    def adapt(self, raw: Raw) -> Raw:
        given = read_items(raw, "messages", "a list of messages")
        adapted: list[tuple[str, Members]] = []
        for position, message in enumerate(given):
            where = f"messages[{position}]"
            one = self._adapt_one(where, message)
            if one is not None:
                adapted.append((where, one))
        if self._ids.changed:
            self._changes.append(converted("messages[].tool_calls[].id", "to nine letters and digits"))
        adapted = self._lift_late_system(adapted)
        self._mark_prefix(adapted)
        return encode([message for _, message in adapted])

    def _adapt_one(self, where: str, message: Members) -> Members | None:
        role = self._adapt_role(where, message)
        adapted: Members = {}
        for name, value in message.items():
            if value == NULL:
                continue
            if name in _KEPT[role]:
                adapted[name] = value
            elif name not in _THINKING and name != "function_call":
                self._leave_out(where, name, value)
        adapted["role"] = encode(role)
        if "content" in adapted:
            adapted["content"] = adapt_content(where, adapted["content"], self._changes)
        if role == "assistant":
            return self._adapt_assistant(where, adapted, message)
        if role == "tool":
            self._adapt_tool_result(where, adapted)
        return adapted

    def _adapt_role(self, where: str, message: Members) -> str:
        given = read_text(message.get("role"), f"{where}.role")
        role = _ROLES.get(given, given)
        if role not in _KEPT:
            raise InvalidRequest(f"`{where}.role` {given!r} is not known to Mistral", param=f"{where}.role")
        if role != given:
            self._changes.append(converted(f"{where}.role", f"to {role}"))
        return role

    def _adapt_assistant(self, where: str, adapted: Members, message: Members) -> Members | None:
        calls = self._calls(where, message)
        if calls:
            adapted["tool_calls"] = encode(calls)
        else:
            adapted.pop("tool_calls", None)
        if not calls and asks_nothing(adapted.get("content", NULL)):
            self._changes.append(dropped(where, "an answer that says nothing"))
            return None
        thinking = next((message[name] for name in _THINKING if has(message, name)), None)
        if thinking is not None and not asks_nothing(thinking):
            self._think(where, adapted, thinking)
        return adapted

    def _think(self, where: str, adapted: Members, thinking: Raw) -> None:
        field = f"{where}.reasoning_content"
        if not self._shows_thinking():
            self._changes.append(dropped(field, "for a model that takes no thoughts back"))
            return
        adapted["content"] = with_thinking(read_text(thinking, field), adapted.get("content"))
        self._changes.append(converted(field, "to a chunk of thinking"))

    def _calls(self, where: str, message: Members) -> list[Members]:
        if has(message, "tool_calls"):
            calls = read_items(message["tool_calls"], f"{where}.tool_calls", "a list of tool calls")
        elif has(message, "function_call"):
            calls = [{"function": message["function_call"]}]
            self._changes.append(converted(f"{where}.function_call", "to tool_calls"))
        else:
            return []
        return [self._adapt_call(f"{where}.tool_calls[{index}]", call) for index, call in enumerate(calls)]

    def _adapt_call(self, field: str, call: Members) -> Members:
        if not has(call, "function"):
            raise InvalidRequest(f"`{field}` must be a call of a function for Mistral", param=field)
        for name, value in call.items():
            if name not in _CALL_KEYS:
                self._leave_out(field, name, value)
        given = read_text(call["id"], f"{field}.id") if has(call, "id") else None
        fitting = self._ids.adapt(field if given in _NO_ID or given is None else given)
        self._waiting.add(fitting, "")
        function = self._adapt_function(f"{field}.function", call["function"])
        return {"id": encode(fitting), "type": _FUNCTION, "function": function}

    def _adapt_function(self, field: str, raw: Raw) -> Raw:
        function = read_members(raw, field)
        if function.keys() <= _FUNCTION_KEYS:
            return raw
        for name, value in function.items():
            if name not in _FUNCTION_KEYS:
                self._leave_out(field, name, value)
        return encode({name: value for name, value in function.items() if name in _FUNCTION_KEYS})

    def _leave_out(self, where: str, name: str, value: Raw) -> None:
        if name not in _READINGS and not asks_nothing(value):
            self._changes.append(dropped(f"{where}.{name}"))

    def _adapt_tool_result(self, where: str, message: Members) -> None:
        field = f"{where}.tool_call_id"
        given = read_text(message["tool_call_id"], field) if "tool_call_id" in message else None
        if given is None or given in _NO_ID:
            fitting = self._waiting.answer(None)
            if fitting is None:
                raise InvalidRequest(f"`{field}` names no tool call", param=field)
        else:
            fitting = self._ids.adapt(given)
            self._waiting.answer(fitting)
        message["tool_call_id"] = encode(fitting)

    def _lift_late_system(self, messages: list[tuple[str, Members]]) -> list[tuple[str, Members]]:
        """Move system messages to the leading ones where Mistral allows none: after an answer, and at the end."""
        began = False
        late, kept = [], []
        said = [index for index, (_, message) in enumerate(messages) if message["role"] != _SYSTEM]
        for index, (where, message) in enumerate(messages):
            role = message["role"]
            if role == _SYSTEM and said and (began or index > said[-1]):
                late.append((where, message))
                self._changes.append(converted(where, "to a leading system message"))
            else:
                began = began or role in (_ASSISTANT, _TOOL)
                kept.append((where, message))
        leading = next((index for index, (_, one) in enumerate(kept) if one["role"] != _SYSTEM), len(kept))
        return kept[:leading] + late + kept[leading:]

    def _mark_prefix(self, messages: list[tuple[str, Members]]) -> None:
        where, last = messages[-1] if messages else ("", {})
        if last and last["role"] == _ASSISTANT and "tool_calls" not in last and "prefix" not in last:
            last["prefix"] = Raw(b"true")
            self._changes.append(defaulted(f"{where}.prefix", "to true"))

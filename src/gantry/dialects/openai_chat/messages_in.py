"""The messages of an OpenAI or Mistral request in canonical words.

Law: both formats order and pair messages alike, so one reader serves both; what a content part means is the format's
own (`PartReader`). A part of a kind not known here is kept as it came, for only its own dialect can say it.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Raw

from gantry.core.chat import (
    CacheMark,
    Citation,
    Media,
    Message,
    NativePart,
    Part,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.members import decode_items, decode_list, decode_members, encode
from gantry.dialects.openai_chat.annotations import read_citations
from gantry.dialects.openai_chat.shapes import CacheIn, CallIn, FunctionCallIn, MessageIn, PartIn, present
from gantry.dialects.openai_chat.thinking import read_thinking
from gantry.dialects.tool_terms import mint_call_id
from gantry.dialects.waiting_calls import WaitingCalls

PartReader = Callable[[PartIn, str], Part | None]
"""Reads one content part; takes its path for errors. None: a kind that the format does not know."""

_ROLES: Final = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}
_NO_ID: Final = ("", "null", None)
_RESULT_PARTS: Final = (Text, Media, NativePart)


def cache_mark(given: CacheIn | None) -> CacheMark | None:
    return None if given is None else CacheMark(given.ttl)


def read_messages(
    dialect: Dialect, body: bytes, given: Iterable[MessageIn], read_part: PartReader
) -> tuple[Message, ...]:
    """Return the messages of a request whose body is given too. Raises InvalidRequest."""
    conversation = _Conversation(dialect, body, read_part)
    return tuple([conversation.read(position, message) for position, message in enumerate(given)])


class _Conversation:
    __slots__ = ("_body", "_dialect", "_items", "_items_of", "_raws", "_read_part", "_waiting")

    def __init__(self, dialect: Dialect, body: bytes, read_part: PartReader) -> None:
        self._dialect = dialect
        self._body = body
        self._read_part = read_part
        self._waiting = WaitingCalls()
        self._raws: list[dict[str, Raw]] | None = None  # the messages, once one of them is needed as it came
        self._items: list[Raw] = []  # the content of one of them
        self._items_of = -1

    def read(self, position: int, message: MessageIn) -> Message:
        where = f"messages[{position}]"
        role = _ROLES.get(message.role)
        if role is None:
            raise InvalidRequest(
                f"`{where}.role` must be system, developer, user, assistant or tool", param=f"{where}.role"
            )
        if role is Role.TOOL:
            return Message(role, (self._result(where, position, message),))
        parts = self._content(where, position, message)
        if role is Role.ASSISTANT:
            parts = self._assistant(where, message, parts)
        return Message(role, tuple(parts), message.name, bool(message.prefix))

    def _content(self, where: str, position: int, message: MessageIn) -> list[Part]:
        content = message.content
        if content is None:
            return []
        if isinstance(content, str):
            return [Text(content, cache=cache_mark(message.cache_control))] if content else []
        parts: list[Part] = []
        for number, item in enumerate(content):
            part = self._read_part(item, f"{where}.content[{number}]")
            parts.append(self._native(position, number) if part is None else part)
        return parts

    def _native(self, position: int, number: int) -> NativePart:
        if self._raws is None:
            self._raws = decode_items(decode_members(self._body)["messages"])
        if self._items_of != position:
            self._items = decode_list(self._raws[position]["content"])
            self._items_of = position
        return NativePart(self._dialect, Raw(bytes(self._items[number])))

    def _assistant(self, where: str, message: MessageIn, content: list[Part]) -> list[Part]:
        parts: list[Part] = list(
            read_thinking(
                message.thinking_blocks, message.reasoning_details, message.reasoning_content, message.reasoning
            )
        )
        sources = read_citations(message.annotations)
        parts += _with_sources(content, sources) if sources else content
        if message.refusal:
            parts.append(Refusal(message.refusal))
        audio = present(message.audio)
        if audio is not None:
            parts.append(NativePart(self._dialect, encode({"audio": audio})))
        calls = message.tool_calls or []
        if not calls and message.function_call is not None:
            calls = [CallIn(function=message.function_call)]
        parts += [self._call(f"{where}.tool_calls[{number}]", call) for number, call in enumerate(calls)]
        return parts

    def _call(self, where: str, call: CallIn) -> ToolCall:
        call_id = mint_call_id(where, 0) if call.id is None or call.id in _NO_ID else call.id
        extra = call.extra_content
        signature = extra.google.thought_signature if extra is not None and extra.google is not None else None
        if call.custom is not None:
            self._waiting.add(call_id, call.custom.name)
            return ToolCall(call_id, call.custom.name, call.custom.input or "", custom=True, signature=signature)
        if call.function is None:
            raise InvalidRequest(f"`{where}.function` is missing", param=f"{where}.function")
        self._waiting.add(call_id, call.function.name)
        return ToolCall(call_id, call.function.name, _arguments(call.function), signature=signature)

    def _result(self, where: str, position: int, message: MessageIn) -> ToolResult:
        parts: list[Text | Media | NativePart] = []
        for number, part in enumerate(self._content(where, position, message)):
            if not isinstance(part, _RESULT_PARTS):
                raise InvalidRequest(
                    f"`{where}.content[{number}]` is nothing that a tool can return", param=f"{where}.content[{number}]"
                )
            parts.append(part)
        return ToolResult(
            self._called(where, message), tuple(parts), message.name, cache=cache_mark(message.cache_control)
        )

    def _called(self, where: str, message: MessageIn) -> str:
        given = None if message.tool_call_id in _NO_ID else message.tool_call_id
        called = self._waiting.answer(given, message.name)
        if given is not None:
            return given
        if called is None:
            raise InvalidRequest(
                f"`{where}.tool_call_id` is missing, and no call waits for a result", param=f"{where}.tool_call_id"
            )
        return called


def _with_sources(parts: list[Part], sources: list[Citation]) -> list[Part]:
    """Return the parts with the sources in the first text."""
    for number, part in enumerate(parts):
        if isinstance(part, Text):
            return [*parts[:number], Text(part.text, tuple(sources), part.cache), *parts[number + 1 :]]
    return parts


def _arguments(function: FunctionCallIn) -> str:
    arguments = function.arguments
    if isinstance(arguments, dict):
        return msgspec.json.encode(arguments).decode()
    return arguments or ""

"""A conversation as Converse wants it: system blocks apart, turns of user and assistant in alternation.

Law: adjacent turns of one side are one message, and results of tools come first in it, because Claude refuses them
elsewhere. Blank text is left out where anything else is said, because the API refuses it. What a caller said and
Bedrock cannot say is refused; what a provider said earlier and cannot go back is dropped, with a change that says so.
"""

import re
from typing import Any, Final, assert_never

from msgspec import Struct

from gantry.core.chat import (
    CacheMark,
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
from gantry.dialects.bedrock.blocks import cache_point, call_block, text_block, thinking_block
from gantry.dialects.bedrock.media import DocumentNames, media_block
from gantry.dialects.caller_names import turn_names
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.foreign import refuse_part
from gantry.dialects.tool_terms import plain_tool_id

_USER: Final = "user"
_ASSISTANT: Final = "assistant"
_SYSTEM: Final = "system"
_TOOL_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_ROLES: Final = {Role.USER: _USER, Role.TOOL: _USER, Role.ASSISTANT: _ASSISTANT, Role.SYSTEM: _SYSTEM}

Blocks = list[Any]  # one block, and the cache point behind it


class _Turn(Struct):
    role: str
    results: list[Blocks] = []
    others: list[Blocks] = []

    def content(self) -> Blocks:
        return [block for blocks in (*self.results, *self.others) for block in blocks]


class Turns:
    """The system blocks and the messages of one request, and what was changed on the way."""

    __slots__ = (
        "_keeps_names",
        "_names",
        "_request",
        "_takes_signed",
        "_turns",
        "_where",
        "changes",
        "system",
        "used_tools",
    )

    def __init__(self, request: ChatRequest, *, takes_signed: bool) -> None:
        self._takes_signed = takes_signed or request.dialect is Dialect.BEDROCK
        self._request = request
        self._keeps_names = request.dialect is Dialect.BEDROCK
        self._where = ""  # what the caller calls the message that is being added
        self._names = DocumentNames()
        self._turns: list[_Turn] = []
        self.system: Blocks = []
        self.changes: list[Change] = []
        self.used_tools: dict[str, None] = {}  # names, in their order
        for self._where, message in zip(turn_names(request), request.messages, strict=True):
            self._add(message)
        if request.cache is not None and self._turns:
            self._turns[-1].others.append([cache_point(request.cache)])

    def messages(self) -> list[dict[str, Any]]:
        found = []
        for turn in self._turns:
            content = turn.content()
            if content:
                found.append({"role": turn.role, "content": content})
        return found

    def _add(self, message: Message) -> None:
        if message.name is not None:
            self.changes.append(dropped(f"{self._where}.name"))
        if message.role is Role.SYSTEM and self._belongs_above():
            self.system += self._system_blocks(message)
            return
        role = _ROLES[message.role]
        turn = self._turns[-1] if self._turns and self._turns[-1].role == role else None
        if turn is None:
            turn = _Turn(role)
            self._turns.append(turn)
        for part in message.parts:
            blocks = [] if _is_blank(part) else self._blocks(part, message.role)
            if blocks:
                (turn.results if isinstance(part, ToolResult) else turn.others).append(blocks)
        if not turn.results and not turn.others:
            if role == _ASSISTANT:
                self._turns.pop()
            else:
                turn.others.append([text_block("")])

    def _belongs_above(self) -> bool:
        if not self._turns:
            return True
        if self._request.dialect is Dialect.BEDROCK:
            return False
        self.changes.append(converted(self._where, "to a part of the system prompt, which stands first"))
        return True

    def _system_blocks(self, message: Message) -> Blocks:
        blocks: Blocks = []
        for part in message.parts:
            if not _is_blank(part):
                if not isinstance(part, Text | Refusal | NativePart):
                    raise InvalidRequest(f"`{self._where}`: system turns hold text only", param=self._where)
                blocks += self._blocks(part, Role.SYSTEM)
        return blocks

    def _blocks(self, part: Part, role: Role) -> Blocks:
        match part:
            case Text(text, citations, cache):
                own = [one for one in citations if one.dialect is Dialect.BEDROCK]
                if len(own) < len(citations):
                    self.changes.append(dropped(f"{self._where}.citations", "of another provider"))
                return _marked(text_block(text, own), cache)
            case Refusal(text):
                return [text_block(text)]
            case Media():
                return _marked(self._media(part), part.cache)
            case Thinking():
                return self._thinking(part)
            case ToolCall():
                self.used_tools[part.name] = None
                return _marked(call_block(_tool_id(part.id), part.name, part.arguments), part.cache)
            case ToolResult():
                return _marked(self._result(part), part.cache)
            case NativePart():
                return self._native(part, role)
            case _:
                assert_never(part)

    def _media(self, media: Media) -> dict[str, Any]:
        name = media.name if self._keeps_names and media.name else self._names.plain(media.name)
        return media_block(media, name, self._where)

    def _thinking(self, thinking: Thinking) -> Blocks:
        block = None
        if self._takes_signed:
            block = thinking_block(thinking, unsigned=self._request.dialect is Dialect.BEDROCK)
        if block is None:
            self.changes.append(
                dropped(f"{self._where}.thinking", "only Claude takes it back, and only what it signed")
            )
            return []
        return [block]

    def _result(self, result: ToolResult) -> dict[str, Any]:
        content: Blocks = []
        for part in result.parts:
            match part:
                case Text(text):
                    if text:
                        content.append({"text": text})
                case Media():
                    content.append(self._media(part))
                case NativePart():
                    content += self._native(part, Role.TOOL)
                case _:
                    assert_never(part)
        value: dict[str, Any] = {"toolUseId": _tool_id(result.call_id), "content": content}
        if result.is_error:
            value["status"] = "error"
        return {"toolResult": value}

    def _native(self, part: NativePart, role: Role) -> Blocks:
        if part.dialect is Dialect.BEDROCK:
            return [part.raw]
        if role is not Role.ASSISTANT:
            raise refuse_part(part, self._where)
        self.changes.append(dropped(self._where, f"a part that only {part.dialect} knows"))
        return []


def _tool_id(given: str) -> str:
    return given if _TOOL_ID.fullmatch(given) else plain_tool_id(given)


def _is_blank(part: Part) -> bool:
    return isinstance(part, Text | Refusal) and not part.text and not (isinstance(part, Text) and part.citations)


def _marked(block: dict[str, Any], cache: CacheMark | None) -> Blocks:
    return [block] if cache is None else [block, cache_point(cache)]

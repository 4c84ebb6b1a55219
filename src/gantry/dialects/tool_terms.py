"""What tool calls need between dialects: arguments as an object, ids that a format accepts, names looked up by id."""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Raw

from gantry.core.chat import Finish, FinishReason, Message, Part, ToolCall
from gantry.dialects.members import UNREADABLE, decode_members

EMPTY_OBJECT: Final = Raw(b"{}")
_OUTSIDE_IDS: Final = re.compile(r"[^A-Za-z0-9_-]")
_MAX_ID: Final = 64


def arguments_object(arguments: str) -> Raw:
    """Return a call's arguments as a JSON object, for formats that take no text.

    What is not an object, because the model wrote it so or broke off in it, is kept under the name `arguments`.
    """
    text = arguments.strip()
    if not text:
        return EMPTY_OBJECT
    try:
        decode_members(text)
    except UNREADABLE:
        return Raw(msgspec.json.encode({"arguments": arguments}))
    return Raw(text.encode())


def plain_tool_id(given: str) -> str:
    """Return a tool call's id in letters, digits, `_` and `-`, at most 64 of them; the same id gives the same."""
    if given and len(given) <= _MAX_ID and not _OUTSIDE_IDS.search(given):
        return given
    return "call_" + sha256(given.encode("utf-8", "replace")).hexdigest()[:24]


def mint_call_id(seed: str, number: int) -> str:
    """Return an id for a call that its provider gave none: the same for the same call of the same answer."""
    return "call_" + sha256(f"{seed}/{number}".encode("utf-8", "replace")).hexdigest()[:24]


def call_names(messages: Iterable[Message]) -> dict[str, str]:
    """Return the names of the tools that were called in a conversation, by the calls' ids."""
    return {part.id: part.name for message in messages for part in message.parts if isinstance(part, ToolCall)}


def has_calls(parts: Iterable[Part]) -> bool:
    return any(isinstance(part, ToolCall) for part in parts)


def unsaid_finish(*, called: bool) -> Finish:
    """Return why an answer ended whose provider did not say: its client still has to know whether to call."""
    return Finish(FinishReason.TOOL_CALLS if called else FinishReason.STOP)

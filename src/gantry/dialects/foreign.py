"""What only the caller's dialect can say, on the way to a provider of another: refused, or dropped with a word.

Law: a request for something to be made, searched or checked is refused by its name, because the answer would silently
lack it; a tuning knob is dropped and reported. A provider's own earlier parts are left out of the history it is not the
author of any more.
"""

from collections.abc import Collection, Mapping
from typing import Final

from gantry.core.chat import ChatRequest, NativePart, NativeTool
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.changes import Change, dropped
from gantry.dialects.members import asks_nothing

_NEVER_DROPPED: Final[Mapping[Dialect, Mapping[str, str]]] = {
    Dialect.OPENAI_CHAT: {
        "modalities": "asks for more than text",
        "audio": "asks for sound",
        "web_search_options": "asks for a search",
        "moderation": "asks for a check",
    },
    Dialect.MISTRAL: {"guardrails": "asks for a check"},
    Dialect.ANTHROPIC: {"mcp_servers": "asks for tools of a server", "container": "asks for code to be run"},
}


def drop_extra(request: ChatRequest, changes: list[Change], taken: Collection[str] = ()) -> None:
    """Report what only the caller's dialect knows as dropped, save what was taken. Raises InvalidRequest."""
    never = _NEVER_DROPPED.get(request.dialect, {})
    for name, raw in request.extra.items():
        if name in taken or asks_nothing(raw):
            continue
        if name in never:
            raise InvalidRequest(f"`{name}` {never[name]}, which the provider of this model does not make", param=name)
        changes.append(dropped(name))


def refuse_tool(tool: NativeTool, field: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{field}`: the provider of this model has no tool of the kind {tool.kind}. Offer it as a function.",
        param=field,
    )


def refuse_part(part: NativePart, place: str) -> InvalidRequest:
    return InvalidRequest(
        f"`{place}`: this kind of content is known to {part.dialect} alone, not to the provider of this model",
        param=place,
    )

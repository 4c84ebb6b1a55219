"""Functions in a namespace, on their way to a provider that has none and back.

Law: there a function is called `namespace__name`, here by both names again, in the caller's tools, its history and the
answer. A namespace that holds more than plain functions stays what it is, and is refused by those who do not know it.
Codex offers its sub-agents and the tools of MCP servers so: https://developers.openai.com/api/docs/guides/tools
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import structs

from gantry.core.chat import ChatRequest, FunctionTool, Message, NativePart, NativeTool, Part, Tool, ToolCall
from gantry.core.vocabulary import Dialect
from gantry.dialects.changes import Change, converted
from gantry.dialects.responses.shapes import decode_namespaced_call
from gantry.dialects.responses.tools import Namespace, read_namespace

_OWN: Final = Dialect.OPENAI_RESPONSES
_SEPARATOR: Final = "__"
_LONGEST: Final = 64  # characters that every provider takes in the name of a function


class Home(NamedTuple):
    """Where a function lives, and what it is called there."""

    namespace: str
    name: str


Homes = Mapping[str, Home]  # by the name that it has elsewhere
NO_HOMES: Final[Homes] = {}


def homes_of(tools: Sequence[Tool]) -> Homes:
    """Return the functions in namespaces that have a name elsewhere."""
    if all(isinstance(tool, FunctionTool) for tool in tools):
        return NO_HOMES
    homes: dict[str, Home] = {}
    taken = {tool.name for tool in tools if isinstance(tool, FunctionTool)}
    for namespace in map(_plain_namespace, tools):
        if namespace is not None:
            names = [_elsewhere(namespace.name, tool.name) for tool in namespace.functions]
            if taken.isdisjoint(names) and all(len(name) <= _LONGEST for name in names):
                taken.update(names)
                homes.update(
                    (name, Home(namespace.name, tool.name))
                    for name, tool in zip(names, namespace.functions, strict=True)
                )
    return homes


def without_namespaces(request: ChatRequest) -> tuple[ChatRequest, list[Change]]:
    """Return a request with the functions of its namespaces among its own, and where that was done."""
    homes = homes_of(request.tools)
    if not homes and not any(isinstance(part, NativePart) for message in request.messages for part in message.parts):
        return request, []
    tools, changes = _flattened(request.tools, homes)
    messages = tuple(_called_elsewhere(message) for message in request.messages)
    return structs.replace(request, tools=tools, messages=messages), changes


def _flattened(tools: Sequence[Tool], homes: Homes) -> tuple[tuple[Tool, ...], list[Change]]:
    """Return the tools; of a namespace the first stands in its place and the others last, so that no place changes."""
    known = set(homes.values())
    kept: list[Tool] = []
    last: list[Tool] = []
    changes = []
    for number, tool in enumerate(tools):
        namespace = _plain_namespace(tool)
        if namespace is None or Home(namespace.name, namespace.functions[0].name) not in known:
            kept.append(tool)
            continue
        first, *others = (
            structs.replace(function, name=_elsewhere(namespace.name, function.name))
            for function in namespace.functions
        )
        kept.append(first)
        last += others
        changes.append(converted(f"tools[{number}]", f"to functions called {namespace.name}{_SEPARATOR}…"))
    return (*kept, *last), changes


def _called_elsewhere(message: Message) -> Message:
    parts = tuple(map(_call_elsewhere, message.parts))
    return message if parts == message.parts else structs.replace(message, parts=parts)


def _call_elsewhere(part: Part) -> Part:
    if not isinstance(part, NativePart) or part.dialect is not _OWN:
        return part
    try:
        call = decode_namespaced_call(part.raw)
    except msgspec.ValidationError:
        return part  # of another kind
    return ToolCall(call.call_id, _elsewhere(call.namespace, call.name), call.arguments)


def _plain_namespace(tool: Tool) -> Namespace | None:
    if not isinstance(tool, NativeTool) or tool.dialect is not _OWN or tool.kind != "namespace":
        return None
    return read_namespace(tool.raw)


def _elsewhere(namespace: str, name: str) -> str:
    return f"{namespace}{_SEPARATOR}{name}"

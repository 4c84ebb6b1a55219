"""Tools and the choice among them, read and written. Here a function's fields stand beside its type."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import FunctionTool, NativeTool, Tool, ToolChoice, ToolMode
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.foreign import refuse_tool
from gantry.dialects.members import decode_list, is_text, read_schema
from gantry.dialects.read_exactly import read_exactly
from gantry.dialects.responses.items import OWN, native

CUSTOM: Final = "custom"  # a tool that takes free text
_NO_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')
_NOT_DEFERRED: Final = (b"", b"null", b"false")


class _ToolShape(Struct, gc=False):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None
    defer_loading: Raw = ABSENT
    allowed_callers: Raw = ABSENT


class Namespace(NamedTuple):
    """A namespace of plain functions, of which it has one at least."""

    name: str
    functions: list[FunctionTool]


class _NamespaceShape(Struct, gc=False):
    name: str
    tools: list[Raw]


class _ToolName(Struct, gc=False):
    type: str | None = None
    name: str | None = None


class _ChoiceShape(Struct, gc=False):
    type: str
    name: str | None = None
    mode: str | None = None
    tools: list[_ToolName] | None = None


class _ChatCustom(Struct, gc=False):
    """A custom tool as OpenAI's chat writes it, one level deeper."""

    name: str
    description: str | None = None
    format: Raw = ABSENT


class _ChatTool(Struct, gc=False):
    custom: _ChatCustom


class _ChatGrammar(Struct, gc=False):
    type: str
    grammar: dict[str, Raw] | None = None


_decode_tool: Final = msgspec.json.Decoder(_ToolShape).decode
_decode_name: Final = msgspec.json.Decoder(_ToolName).decode
_decode_namespace: Final = msgspec.json.Decoder(_NamespaceShape).decode
_decode_mode: Final = msgspec.json.Decoder(ToolMode).decode
_decode_choice: Final = msgspec.json.Decoder(_ChoiceShape).decode
_decode_chat_tool: Final = msgspec.json.Decoder(_ChatTool).decode
_decode_chat_format: Final = msgspec.json.Decoder(_ChatGrammar).decode


def read_tools(raw: Raw) -> tuple[Tool, ...]:
    """Return the tools of a request. Raises InvalidRequest."""
    tools = read_exactly(decode_list, raw, "tools")
    return tuple(_read_tool(tool, f"tools[{number}]") for number, tool in enumerate(tools))


def _read_tool(raw: Raw, path: str) -> Tool:
    kind = read_exactly(_decode_name, raw, path).type
    if kind is None:
        raise InvalidRequest(f"`{path}.type` is missing", param=f"{path}.type")
    if kind != "function":
        return NativeTool(OWN, kind, native(raw))
    tool = read_exactly(_decode_tool, raw, path)
    if tool.name is None:
        raise InvalidRequest(f"`{path}.name` is missing", param=f"{path}.name")
    if bytes(tool.defer_loading) not in _NOT_DEFERRED or has_value(tool.allowed_callers):
        return NativeTool(OWN, kind, native(raw))  # one that is searched for, or called by the provider's programs
    schema = read_schema(tool.parameters, f"{path}.parameters") if has_value(tool.parameters) else None
    return FunctionTool(tool.name, tool.description, schema, tool.strict)


def read_namespace(raw: Raw) -> Namespace | None:
    """Return a namespace; None for one that holds nothing, or more than plain functions."""
    try:
        shape = _decode_namespace(raw)
        tools = [_read_tool(tool, "tools") for tool in shape.tools]
    except (msgspec.ValidationError, InvalidRequest):
        return None
    functions = [tool for tool in tools if isinstance(tool, FunctionTool)]
    return Namespace(shape.name, functions) if functions and len(functions) == len(tools) else None


def read_tool_choice(raw: Raw) -> ToolChoice | None:
    """Return the choice among tools; None for one that only this format knows. Raises InvalidRequest."""
    path = "tool_choice"
    if is_text(raw):
        return ToolChoice(read_exactly(_decode_mode, raw, path))
    choice = read_exactly(_decode_choice, raw, path)
    if choice.type in ("function", CUSTOM) and choice.name is not None:
        return ToolChoice(ToolMode.REQUIRED, (choice.name,))
    if choice.type == "allowed_tools" and choice.mode in ("auto", "required"):
        names = [tool.name for tool in choice.tools or () if tool.type in ("function", CUSTOM) and tool.name]
        if names and len(names) == len(choice.tools or ()):
            return ToolChoice(ToolMode(choice.mode), tuple(names))
    return None


def custom_names(tools: Iterable[Tool]) -> frozenset[str]:
    """Return the names of the tools that take free text."""
    found = set()
    for tool in tools:
        if isinstance(tool, NativeTool) and tool.kind == CUSTOM:
            if tool.dialect is OWN:
                found.add(_decode_name(tool.raw).name or "")
            elif tool.dialect is Dialect.OPENAI_CHAT:
                found.add(_decode_chat_tool(tool.raw).custom.name)
    return frozenset(found)


def write_tools(tools: Sequence[Tool], asked_in: Dialect) -> list[Any]:
    """Return the tools for a provider. Raises InvalidRequest for one that this format cannot say."""
    return [_write_tool(tool, f"tools[{number}]", asked_in) for number, tool in enumerate(tools)]


def _write_tool(tool: Tool, path: str, asked_in: Dialect) -> Any:
    if isinstance(tool, FunctionTool):
        # A function is strict here unless it is said not to be, and everywhere else the other way round.
        strict = tool.strict if tool.strict is not None or asked_in is OWN else False
        described = {} if tool.description is None else {"description": tool.description}
        bound = {} if strict is None else {"strict": strict}
        parameters = _NO_PARAMETERS if tool.schema is None else tool.schema
        return {"type": "function", "name": tool.name, **described, "parameters": parameters, **bound}
    if tool.dialect is OWN:
        return tool.raw
    if tool.dialect is Dialect.OPENAI_CHAT and tool.kind == CUSTOM:
        return _flattened(tool.raw)
    raise refuse_tool(tool, path)


def _flattened(raw: Raw) -> dict[str, Any]:
    """Return a custom tool of OpenAI's chat as Responses writes it."""
    custom = _decode_chat_tool(raw).custom
    tool: dict[str, Any] = {"type": CUSTOM, "name": custom.name}
    if custom.description is not None:
        tool["description"] = custom.description
    if has_value(custom.format):
        form = _decode_chat_format(custom.format)
        tool["format"] = {"type": form.type, **(form.grammar or {})}
    return tool


def write_tool_choice(choice: ToolChoice, custom: frozenset[str]) -> Any:
    named = [{"type": CUSTOM if name in custom else "function", "name": name} for name in choice.names]
    if not named:
        return choice.mode
    if len(named) == 1 and choice.mode is ToolMode.REQUIRED:
        return named[0]
    return {"type": "allowed_tools", "mode": choice.mode, "tools": named}

"""The tools of an OpenAI or Mistral request, the choice among them, and the form of the answer; read and written.

Law: functions are everyone's; a tool that the provider runs itself, or OpenAI's custom tool, is its dialect's own and
goes nowhere else. A choice among some of the tools becomes those tools alone where the format has no word for it.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.chat import (
    AnswerFormat,
    FormatKind,
    FunctionTool,
    NativeTool,
    Tool,
    ToolChoice,
    ToolMode,
)
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.members import decode_list, decode_members, read_schema
from gantry.dialects.openai_chat.messages_in import cache_mark
from gantry.dialects.openai_chat.shapes import (
    ChoiceIn,
    ChosenIn,
    FormatIn,
    FunctionIn,
    NamedIn,
    ToolIn,
    present,
)

_MODES: Final = {
    "auto": ToolMode.AUTO,
    "none": ToolMode.NONE,
    "required": ToolMode.REQUIRED,
    "any": ToolMode.REQUIRED,
}


def read_tools(dialect: Dialect, body: bytes, given: Sequence[ToolIn]) -> tuple[Tool, ...]:
    """Return the tools of a request whose body is given too."""
    raws = decode_list(decode_members(body)["tools"]) if any(tool.function is None for tool in given) else []
    return tuple(
        [
            _read_native(dialect, f"tools[{number}]", tool, raws[number])
            if tool.function is None
            else read_function(tool.function, f"tools[{number}].function", tool)
            for number, tool in enumerate(given)
        ]
    )


def read_function(function: FunctionIn, field: str, tool: ToolIn | None = None) -> FunctionTool:
    """Return a function that stands at `field`. Raises InvalidRequest."""
    cache = cache_mark(tool.cache_control) if tool is not None else None
    parameters = present(function.parameters)
    schema = None if parameters is None else read_schema(parameters, f"{field}.parameters")
    return FunctionTool(function.name, function.description, schema, function.strict, cache)


def _read_native(dialect: Dialect, field: str, tool: ToolIn, raw: Raw) -> NativeTool:
    if tool.type is None:
        raise InvalidRequest(f"`{field}.type` is missing", param=f"{field}.type")
    if tool.type == "function":
        raise InvalidRequest(f"`{field}.function` is missing", param=f"{field}.function")
    return NativeTool(dialect, tool.type, Raw(bytes(raw)))


def read_tool_choice(given: str | ChoiceIn) -> ToolChoice:
    """Return the choice among tools. Raises InvalidRequest."""
    if isinstance(given, str):
        return ToolChoice(_mode(given, "tool_choice"))
    if given.allowed_tools is not None:
        allowed = given.allowed_tools
        mode = _mode(allowed.mode, "tool_choice.allowed_tools.mode")
        return ToolChoice(mode, tuple([_name_of(tool) for tool in allowed.tools]))
    named = given.function or given.custom
    if named is not None:
        return ToolChoice(ToolMode.REQUIRED, (named.name,))
    if given.type is None or given.type in ("function", "custom", "allowed_tools"):
        raise InvalidRequest("`tool_choice` must name a tool, or be auto, none or required", param="tool_choice")
    return ToolChoice(ToolMode.REQUIRED, (given.type,))


def read_function_call(given: str | NamedIn) -> ToolChoice:
    """Return OpenAI's older word for the choice."""
    if isinstance(given, str):
        return ToolChoice(_mode(given, "function_call"))
    return ToolChoice(ToolMode.REQUIRED, (given.name,))


def read_format(given: FormatIn) -> AnswerFormat | None:
    """Return the form of the answer; None for text. Raises InvalidRequest."""
    match given.type:
        case "text":
            return None
        case "json_object":
            return AnswerFormat(FormatKind.JSON)
        case "json_schema":
            schema = given.json_schema
            if schema is None:
                raise InvalidRequest("`response_format.json_schema` is missing", param="response_format.json_schema")
            shape = present(schema.schema)
            if shape is not None:
                shape = read_schema(shape, "response_format.json_schema.schema")
            return AnswerFormat(FormatKind.JSON_SCHEMA, shape, schema.name, schema.description, schema.strict)
        case _:
            raise InvalidRequest(
                "`response_format.type` must be text, json_object or json_schema", param="response_format.type"
            )


def write_function(tool: FunctionTool, default_schema: Raw | None = None) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    schema = tool.schema if tool.schema is not None else default_schema
    if schema is not None:
        function["parameters"] = schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def write_format(given: AnswerFormat, default_schema: Raw | None = None) -> dict[str, Any] | None:
    """Return `response_format`; None for text, which is what it is anyway."""
    match given.kind:
        case FormatKind.TEXT:
            return None
        case FormatKind.JSON:
            return {"type": "json_object"}
        case FormatKind.JSON_SCHEMA:
            schema: dict[str, Any] = {"name": given.name or "answer"}
            if given.description is not None:
                schema["description"] = given.description
            shape = given.schema if given.schema is not None else default_schema
            if shape is not None:
                schema["schema"] = shape
            if given.strict is not None:
                schema["strict"] = given.strict
            return {"type": "json_schema", "json_schema": schema}


def only_chosen(tools: Sequence[Tool], names: Sequence[str]) -> list[Tool]:
    """Return the tools that a choice is made among."""
    return [tool for tool in tools if tool_name(tool) in names]


def tool_name(tool: Tool) -> str:
    """Return the name that a choice knows a tool by; a provider's own goes by its kind."""
    if isinstance(tool, FunctionTool):
        return tool.name
    if tool.kind == "custom" and tool.dialect is Dialect.OPENAI_CHAT:
        return _decode_custom(tool.raw).custom.name
    return tool.kind


class _Custom(msgspec.Struct):
    custom: NamedIn


_decode_custom: Final = msgspec.json.Decoder(_Custom).decode


def _name_of(tool: ChosenIn) -> str:
    named = tool.function or tool.custom
    return named.name if named is not None else tool.type or ""


def _mode(word: str, field: str) -> ToolMode:
    mode = _MODES.get(word)
    if mode is None:
        raise InvalidRequest(f"`{field}` must be auto, none or required, or name a tool", param=field)
    return mode

"""Tools, and the choice among them, in Anthropic's words."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Raw, Struct

from gantry.core.chat import ChatRequest, FunctionTool, NativeTool, Tool, ToolMode
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.generation import Generation
from gantry.dialects.anthropic.write_content import cache_control
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, converted, dropped
from gantry.dialects.foreign import refuse_tool
from gantry.dialects.members import asks_nothing

_NO_PARAMETERS: Final = {"type": "object", "properties": {}}
_MODES: Final = {ToolMode.AUTO: "auto", ToolMode.REQUIRED: "any", ToolMode.NONE: "none"}


class Tooling(Struct):
    """Empty tools and no choice mean that the request names none."""

    tools: list[dict[str, Any] | Raw]
    choice: dict[str, Any] | None

    @property
    def forced(self) -> bool:
        return self.choice is not None and self.choice["type"] in ("any", "tool")


def write_tooling(request: ChatRequest, generation: Generation, changes: list[Change]) -> Tooling:
    """Return what the model may call. Raises InvalidRequest for a tool that only another provider has."""
    choice = request.tool_choice
    offered: Sequence[Tool] = request.tools
    if choice is not None and choice.names and not (choice.mode is ToolMode.REQUIRED and len(choice.names) == 1):
        offered = [tool for tool in offered if isinstance(tool, FunctionTool) and tool.name in choice.names]
        changes.append(converted(caller_name(request.dialect, "tool_choice"), "to a shorter list of tools"))
    tools = [_write_tool(tool, number, request, generation, changes) for number, tool in enumerate(offered)]
    return Tooling(tools, _write_choice(request, bool(tools)))


def _write_tool(
    tool: Tool, number: int, request: ChatRequest, generation: Generation, changes: list[Change]
) -> dict[str, Any] | Raw:
    path = f"tools[{number}]"
    if isinstance(tool, NativeTool):
        if tool.dialect is Dialect.ANTHROPIC:
            return tool.raw
        raise refuse_tool(tool, path)
    written: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    schemaless = tool.schema is None or asks_nothing(tool.schema)
    written["input_schema"] = _NO_PARAMETERS if schemaless else tool.schema
    if tool.strict and not generation.schemas and request.dialect is not Dialect.ANTHROPIC:
        changes.append(dropped(f"{path}.strict", "this model has no strict tools"))
    elif tool.strict is not None:
        written["strict"] = tool.strict
    if tool.cache is not None:
        written["cache_control"] = cache_control(tool.cache)
    if request.dialect is Dialect.ANTHROPIC:
        start = f"{path}."
        written |= {name[len(start) :]: raw for name, raw in request.extra.items() if name.startswith(start)}
    return written


def _write_choice(request: ChatRequest, offered: bool) -> dict[str, Any] | None:
    choice, alone = request.tool_choice, request.parallel_tool_calls is False
    if (
        not offered
        and request.dialect is not Dialect.ANTHROPIC
        and (choice is None or choice.mode is not ToolMode.REQUIRED)
    ):
        return None  # Anthropic refuses a choice among no tools
    if choice is None:
        return {"type": "auto", "disable_parallel_tool_use": True} if alone else None
    written: dict[str, Any] = {"type": _MODES[choice.mode]}
    if choice.mode is ToolMode.REQUIRED and len(choice.names) == 1:
        written = {"type": "tool", "name": choice.names[0]}
    if alone and choice.mode is not ToolMode.NONE:
        written["disable_parallel_tool_use"] = True
    return written

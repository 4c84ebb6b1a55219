"""The tools of a request, and which of them the model is to call.

A tool of the caller's has no type or `custom`; any other type names one that Anthropic runs or defines. What else it
says of a tool of the caller's (`defer_loading`, `input_examples`) is kept by its path.
"""

from typing import Final

from msgspec import Raw

from gantry.core.chat import FunctionTool, NativeTool, Tool, ToolChoice, ToolMode
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.fields import leftovers, optional_flag, optional_text, read_cache, read_list
from gantry.dialects.members import Members, has, read_members, read_schema, read_text

_CUSTOM: Final = "custom"
_KNOWN: Final = frozenset(("type", "name", "description", "input_schema", "strict", "cache_control"))
_MODES: Final = {"auto": ToolMode.AUTO, "any": ToolMode.REQUIRED, "tool": ToolMode.REQUIRED, "none": ToolMode.NONE}


def read_tools(members: Members, extra: Members) -> tuple[Tool, ...]:
    if not has(members, "tools"):
        return ()
    return tuple([_read_tool(raw, number, extra) for number, raw in enumerate(read_list(members["tools"], "tools"))])


def _read_tool(raw: Raw, number: int, extra: Members) -> Tool:
    path = f"tools[{number}]."
    members = read_members(raw, path[:-1], "a tool")
    kind = optional_text(members, "type", path)
    if kind is not None and kind != _CUSTOM:
        return NativeTool(Dialect.ANTHROPIC, kind, raw)
    schema = members["input_schema"] if has(members, "input_schema") else None
    if schema is not None:
        read_schema(schema, f"{path}input_schema")
    extra.update(leftovers(members, _KNOWN, path))
    return FunctionTool(
        read_text(members.get("name"), f"{path}name"),
        optional_text(members, "description", path),
        schema,
        optional_flag(members, "strict", path),
        read_cache(members, path),
    )


def read_tool_choice(members: Members) -> tuple[ToolChoice | None, bool | None]:
    """Return the choice, and whether calls may come in parallel."""
    if not has(members, "tool_choice"):
        return None, None
    choice = read_members(members["tool_choice"], "tool_choice")
    kind = read_text(choice.get("type"), "tool_choice.type")
    mode = _MODES.get(kind)
    if mode is None:
        raise InvalidRequest(
            f"`tool_choice.type` is one of {', '.join(_MODES)}, not {kind!r}", param="tool_choice.type"
        )
    names = (read_text(choice.get("name"), "tool_choice.name"),) if kind == "tool" else ()
    alone = optional_flag(choice, "disable_parallel_tool_use", "tool_choice.")
    return ToolChoice(mode, names), None if alone is None else not alone

"""The tools of an OpenAI request, and the choice among them, as Mistral takes them.

Law: only functions can be expressed; a custom tool is a 400 naming it. `parameters` is required by Mistral and an empty
object where OpenAI lets it be absent. Without tools nothing that speaks of tools is sent.
"""

from typing import Final

from msgspec import Raw

from gantry.core.errors import InvalidRequest
from gantry.dialects.changes import Change, converted, defaulted, dropped
from gantry.dialects.members import (
    NULL,
    Members,
    asks_nothing,
    encode,
    has,
    is_text,
    read_items,
    read_members,
    read_text,
)

TOOL_FIELDS: Final = frozenset(("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call"))
EMPTY_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')
_FUNCTION_KEYS: Final = frozenset(("name", "description", "parameters", "strict"))
_TOOL_KEYS: Final = frozenset(("type", "function"))
_CHOICES: Final = frozenset(("auto", "none", "any", "required"))


def adapt_tools(given: Members, adapted: Members, changes: list[Change]) -> None:
    """Put the tools of a request and what goes with them into the adapted one. Raises InvalidRequest."""
    listed = _listed(given, changes)
    tools = [_adapt_tool(f"tools[{index}]", tool, changes) for index, tool in enumerate(listed)]
    choice, allowed = _choice(given, changes)
    if allowed is not None:
        tools = [tool for tool in tools if _name_of(tool) in allowed]
    if not tools:
        if choice is not None and bytes(choice) not in (b'"auto"', b'"none"'):
            changes.append(dropped("tool_choice", "for lack of tools"))
        return
    adapted["tools"] = given["tools"] if has(given, "tools") and tools == listed else encode(tools)
    if choice is not None:
        adapted["tool_choice"] = choice
    if has(given, "parallel_tool_calls"):
        adapted["parallel_tool_calls"] = given["parallel_tool_calls"]


def _listed(given: Members, changes: list[Change]) -> list[Members]:
    if has(given, "tools"):
        if has(given, "functions") and not asks_nothing(given["functions"]):
            changes.append(dropped("functions", "in favour of tools"))
        return read_items(given["tools"], "tools", "a list of tools")
    if not has(given, "functions") or asks_nothing(given["functions"]):
        return []
    functions = read_items(given["functions"], "functions", "a list of functions")
    changes.append(converted("functions", "to tools"))
    return [{"type": encode("function"), "function": encode(function)} for function in functions]


def _adapt_tool(field: str, tool: Members, changes: list[Change]) -> Members:
    if "custom" in tool or bytes(tool.get("type", NULL)) == b'"custom"':
        raise InvalidRequest(f"`{field}` must be a function: Mistral has no custom tools", param=field)
    if not has(tool, "function"):
        return tool  # Mistral's own tools
    function = read_members(tool["function"], f"{field}.function")
    kept = _kept(f"{field}.function", function, _FUNCTION_KEYS, changes)
    if "parameters" not in kept:
        changes.append(defaulted(f"{field}.function.parameters"))
        kept["parameters"] = EMPTY_PARAMETERS
    outer = _kept(field, tool, _TOOL_KEYS, changes)
    return outer if kept == function else {**outer, "function": encode(kept)}


def _kept(field: str, members: Members, known: frozenset[str], changes: list[Change]) -> Members:
    """Return the members that Mistral knows, without nulls."""
    for name, value in members.items():
        if name not in known and not asks_nothing(value):
            changes.append(dropped(f"{field}.{name}"))
    return {name: value for name, value in members.items() if name in known and value != NULL}


def _choice(given: Members, changes: list[Change]) -> tuple[Raw | None, set[str] | None]:
    """Return the choice for Mistral, and the names of the tools it is made among when not all."""
    if not has(given, "tool_choice"):
        return _legacy_choice(given, changes), None
    raw = given["tool_choice"]
    if is_text(raw):
        word = read_text(raw, "tool_choice")
        if word not in _CHOICES:
            raise InvalidRequest("`tool_choice` must be auto, none, required or name a function", param="tool_choice")
        return raw, None
    members = read_members(raw, "tool_choice", "a string or an object")
    if has(members, "function"):
        return raw, None
    if not has(members, "allowed_tools"):
        raise InvalidRequest("`tool_choice` must name a function, or be auto, none or required", param="tool_choice")
    allowed = read_members(members["allowed_tools"], "tool_choice.allowed_tools")
    mode = allowed.get("mode", encode("auto"))
    tools = read_items(allowed.get("tools", NULL), "tool_choice.allowed_tools.tools", "a list of tools")
    word = read_text(mode, "tool_choice.allowed_tools.mode")
    changes.append(converted("tool_choice", f"to {word} among the allowed tools"))
    return mode, {_name_of(tool) for tool in tools}


def _legacy_choice(given: Members, changes: list[Change]) -> Raw | None:
    if not has(given, "function_call"):
        return None
    changes.append(converted("function_call", "to tool_choice"))
    raw = given["function_call"]
    return raw if is_text(raw) else encode({"type": "function", "function": raw})


def _name_of(tool: Members) -> str:
    """Return a function's name; Mistral's own tools go by their type."""
    if not has(tool, "function"):
        return read_text(tool.get("type"), "tools.type")
    return read_text(read_members(tool["function"], "tools.function").get("name"), "tools.function.name")

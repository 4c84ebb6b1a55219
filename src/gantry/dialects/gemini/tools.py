"""Tools and the choice among them, in both directions.

Law: a function is a function everywhere; each of Google's own tools is one native tool, by its field's name. A strict
function is what Google calls VALIDATED: the model chooses freely, and its calls are held to the schemas.
Spec: https://ai.google.dev/api/caching#Tool, #FunctionCallingConfig
"""

from typing import Any, Final

from msgspec import Raw

from gantry.core.chat import ChatRequest, FunctionTool, NativeTool, Tool, ToolChoice, ToolMode
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect
from gantry.dialects.changes import Change, dropped
from gantry.dialects.gemini.schema import json_schema
from gantry.dialects.gemini.spelling import read_fields, read_list, read_texts
from gantry.dialects.members import Members, encode, read, read_schema, read_text

VALIDATED: Final = "VALIDATED"
_FUNCTIONS: Final = "functionDeclarations"
_UNDERSTOOD: Final = frozenset(("name", "description", "parameters", "parametersJsonSchema"))
_MODES: Final = {
    "AUTO": ToolMode.AUTO,
    "ANY": ToolMode.REQUIRED,
    "NONE": ToolMode.NONE,
    VALIDATED: ToolMode.AUTO,
    "MODE_UNSPECIFIED": ToolMode.AUTO,
}
_WORDS: Final = {ToolMode.AUTO: "AUTO", ToolMode.REQUIRED: "ANY", ToolMode.NONE: "NONE"}


def read_tools(raw: Raw, extra: dict[str, Raw]) -> list[Tool]:
    """Return the tools; what a declaration says and no other format can is put into `extra` by its path."""
    tools: list[Tool] = []
    for number, item in enumerate(read_list(raw, "tools", "a list of tools")):
        path = f"tools[{number}]"
        for kind, value in read_fields(item, path, "a tool").items():
            if kind == _FUNCTIONS:
                for position, function in enumerate(read_list(value, f"{path}.{kind}", "a list of functions")):
                    tools.append(_read_function(function, f"{path}.{kind}[{position}]", extra))
            else:
                tools.append(NativeTool(Dialect.GEMINI, kind, encode({kind: value})))
    return tools


def _read_function(raw: Raw, path: str, extra: dict[str, Raw]) -> FunctionTool:
    function = read_fields(raw, path, "a function declaration")
    extra |= {f"{path}.{name}": value for name, value in function.items() if name not in _UNDERSTOOD}
    description = function.get("description")
    schema = function.get("parametersJsonSchema")
    if schema is not None:
        schema = read_schema(schema, f"{path}.parametersJsonSchema")
    elif "parameters" in function:
        schema = read(json_schema, function["parameters"], f"{path}.parameters", "a schema")
    return FunctionTool(
        name=read_text(function.get("name"), f"{path}.name"),
        description=None if description is None else read_text(description, f"{path}.description"),
        schema=schema,
    )


def read_choice(config: Members, path: str, extra: dict[str, Raw]) -> ToolChoice | None:
    """Return the choice in a `functionCallingConfig`; what no other format can say is put into `extra`."""
    mode: ToolMode | None = None
    names: tuple[str, ...] = ()
    for name, value in config.items():
        where = f"{path}.{name}"
        if name == "mode":
            word = read_text(value, where)
            mode = _MODES.get(word)
            if mode is None:
                raise InvalidRequest(f"`{where}` must be one of {', '.join(_MODES)}, not `{word}`", param=where)
            if word == VALIDATED:
                extra[where] = value
        elif name == "allowedFunctionNames":
            names = tuple(read_texts(value, where))
        else:
            extra[where] = value
    return None if mode is None and not names else ToolChoice(mode or ToolMode.AUTO, names)


def encode_tools(request: ChatRequest, changes: list[Change]) -> list[dict[str, Any] | Raw]:
    """Return the tools of a request. Raises InvalidRequest for one that only its own provider runs."""
    functions: list[dict[str, Any]] = []
    natives: list[dict[str, Any] | Raw] = []
    for number, tool in enumerate(request.tools):
        match tool:
            case FunctionTool():
                functions.append(_function(tool))
            case NativeTool(Dialect.GEMINI, _, raw):
                natives.append(raw)
            case NativeTool():
                raise InvalidRequest(
                    f"`tools[{number}]` is a tool that only its own provider has ({tool.kind}); Gemini cannot run it. "
                    "Leave it out, or call a model of that provider.",
                    param=f"tools[{number}]",
                )
    if request.tools and request.parallel_tool_calls is False:
        changes.append(dropped("parallel_tool_calls", "the model may call several tools at once"))
    return [{_FUNCTIONS: functions}, *natives] if functions else natives


def _function(tool: FunctionTool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parametersJsonSchema"] = tool.schema
    return function


def encode_choice(request: ChatRequest) -> dict[str, Any] | None:
    """Return the `functionCallingConfig` of a request; None where the default says the same."""
    functions = [tool for tool in request.tools if isinstance(tool, FunctionTool)]
    choice = request.tool_choice
    if choice is None:
        return {"mode": VALIDATED} if any(tool.strict for tool in functions) else None
    if not functions and request.dialect is not Dialect.GEMINI:
        return None
    config: dict[str, Any] = {"mode": _WORDS[choice.mode]}
    if choice.mode is ToolMode.AUTO and (choice.names or any(tool.strict for tool in functions)):
        config["mode"] = VALIDATED  # names are not taken with AUTO
    if choice.names:
        config["allowedFunctionNames"] = list(choice.names)
    return config

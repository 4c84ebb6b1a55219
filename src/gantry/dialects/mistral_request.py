"""An OpenAI chat request as Mistral takes it: the common fields, and those whose shape breaks a call.

Law: what is the same keeps its bytes, unknown fields included. Mistral refuses fields it does not know (422), so
OpenAI's own knobs are dropped and reported; what asks for something Mistral cannot do is a 400 naming the field.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest
from gantry.dialects.fields import object_members
from gantry.dialects.mistral_messages import Members, MessageAdapter

_NULL: Final = b"null"
_MAX_TEMPERATURE: Final = 1.5
_SMALLEST_TOP_P: Final = 0.0001
_EMPTY_PARAMETERS: Final = Raw(b'{"type":"object","properties":{}}')
_SCHEMA_KEYS: Final = ("name", "schema", "description", "strict")
_SERVICE_TIERS: Final = {"auto": "auto", "priority": "auto"}
_CHOICES: Final = {"auto": "auto", "none": "none", "required": "any", "any": "any"}
_DROPPED: Final = frozenset(
    """
    user safety_identifier store logit_bias verbosity web_search_options prompt_cache_retention moderation
    """.split()
)
_UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)


class MistralRequest(Struct, frozen=True):
    """The request for Mistral, what was changed beyond renaming, and whether the caller asked for usage in a stream."""

    body: bytes
    changes: list[str]
    include_usage: bool


def to_mistral(body: bytes) -> MistralRequest:
    """Return an OpenAI chat request for Mistral. Raises InvalidRequest."""
    given = {
        name: value
        for name, value in object_members(body, "a chat request").items()
        if bytes(value) != _NULL or name not in _RULES
    }
    changes: list[str] = []
    include_usage = _wants_usage(given.get("stream_options"))
    adapted: Members = {}
    for name, value in given.items():
        rule = _RULES.get(name)
        if rule is None:
            adapted[name] = value
        else:
            rule(value, adapted, changes)
    if "messages" not in adapted:
        raise InvalidRequest("`messages` is missing", param="messages")
    _settle_tools(adapted, changes)
    return MistralRequest(msgspec.json.encode(adapted), changes, include_usage)


def _wants_usage(raw: Raw | None) -> bool:
    options = _decode(raw, Members, "stream_options", "an object") if raw is not None else {}
    return bytes(options.get("include_usage", Raw())) == b"true"


def _settle_tools(adapted: Members, changes: list[str]) -> None:
    """Leave out what only makes sense with tools when there are none."""
    if "tools" not in adapted:
        for name in ("tool_choice", "parallel_tool_calls"):
            if adapted.pop(name, None) is not None:
                changes.append(f"dropped {name}: the request has no tools")


def _messages(value: Raw, into: Members, changes: list[str]) -> None:
    into["messages"] = MessageAdapter(changes).adapt(value)


def _max_tokens(value: Raw, into: Members, changes: list[str]) -> None:
    into.setdefault("max_tokens", value)


def _max_completion_tokens(value: Raw, into: Members, changes: list[str]) -> None:
    into["max_tokens"] = value


def _seed(value: Raw, into: Members, changes: list[str]) -> None:
    if bytes(value).startswith(b"-"):
        changes.append("dropped seed: Mistral takes none below 0")
    else:
        into["random_seed"] = value


def _temperature(value: Raw, into: Members, changes: list[str]) -> None:
    if _decode(value, float, "temperature", "a number") > _MAX_TEMPERATURE:
        changes.append(f"temperature lowered to {_MAX_TEMPERATURE}, Mistral's highest")
        value = _encode(_MAX_TEMPERATURE)
    into["temperature"] = value


def _top_p(value: Raw, into: Members, changes: list[str]) -> None:
    if _decode(value, float, "top_p", "a number") == 0:
        changes.append(f"top_p raised to {_SMALLEST_TOP_P}: Mistral takes none of 0")
        value = _encode(_SMALLEST_TOP_P)
    into["top_p"] = value


def _service_tier(value: Raw, into: Members, changes: list[str]) -> None:
    given = _decode(value, str, "service_tier", "a string")
    into["service_tier"] = _encode(_SERVICE_TIERS.get(given, "standard_only"))


def _response_format(value: Raw, into: Members, changes: list[str]) -> None:
    members: Members = _decode(value, Members, "response_format", "an object")
    if "json_schema" in members:
        schema = _decode(members["json_schema"], Members, "response_format.json_schema", "an object")
        kept = {name: schema[name] for name in _SCHEMA_KEYS if bytes(schema.get(name, Raw(_NULL))) != _NULL}
        if kept.keys() != schema.keys():
            members["json_schema"] = _encode(kept)
            value = _encode(members)
    into["response_format"] = value


def _modalities(value: Raw, into: Members, changes: list[str]) -> None:
    if _decode(value, list[str], "modalities", "a list of strings") != ["text"]:
        raise InvalidRequest("`modalities` other than text are not made by Mistral's chat models", param="modalities")


def _audio(value: Raw, into: Members, changes: list[str]) -> None:
    raise InvalidRequest("`audio` output is not made by Mistral's chat models", param="audio")


def _tools(value: Raw, into: Members, changes: list[str]) -> None:
    tools: list[Members] = _decode(value, list[Members], "tools", "a list of tools")
    adapted = [_adapt_tool(f"tools[{index}]", tool) for index, tool in enumerate(tools)]
    if adapted:
        into["tools"] = value if adapted == tools else _encode(adapted)


def _adapt_tool(field: str, tool: Members) -> Members:
    if "custom" in tool or bytes(tool.get("type", Raw())) == b'"custom"':
        raise InvalidRequest(f"`{field}` must be a function: Mistral has no custom tools", param=field)
    if "function" not in tool:
        return tool  # Mistral's own tools
    function: Members = _decode(tool["function"], Members, f"{field}.function", "an object")
    if bytes(function.get("parameters", Raw(_NULL))) != _NULL:
        return tool
    return {**tool, "function": _encode({**function, "parameters": _EMPTY_PARAMETERS})}


def _functions(value: Raw, into: Members, changes: list[str]) -> None:
    functions: list[Raw] = _decode(value, list[Raw], "functions", "a list of functions")
    if functions and "tools" not in into:
        _tools(_encode([{"type": "function", "function": function} for function in functions]), into, changes)


def _tool_choice(value: Raw, into: Members, changes: list[str]) -> None:
    raw = bytes(value)
    if raw.startswith(b'"'):
        given = _decode(value, str, "tool_choice", "a string or an object")
        into["tool_choice"] = _encode(_CHOICES.get(given, given))
        return
    members = _decode(value, Members, "tool_choice", "a string or an object")
    if "function" not in members:
        raise InvalidRequest("`tool_choice` must name a function, or be auto, none or required", param="tool_choice")
    into["tool_choice"] = value


def _function_call(value: Raw, into: Members, changes: list[str]) -> None:
    if bytes(value).startswith(b'"'):
        into.setdefault("tool_choice", value)
    else:
        into.setdefault("tool_choice", _encode({"type": "function", "function": value}))


def _take_silently(value: Raw, into: Members, changes: list[str]) -> None:
    """Take a field whose meaning is carried elsewhere."""


def _dropping(name: str) -> Callable[[Raw, Members, list[str]], None]:
    def drop(value: Raw, into: Members, changes: list[str]) -> None:
        changes.append(f"dropped {name}: Mistral has none")

    return drop


def _decode(raw: Raw, expected: Any, field: str, wanted: str) -> Any:
    try:
        return msgspec.json.decode(raw, type=expected)
    except _UNREADABLE:
        raise InvalidRequest(f"`{field}` must be {wanted}", param=field) from None


def _encode(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


_RULES: Final[dict[str, Callable[[Raw, Members, list[str]], None]]] = {
    "messages": _messages,
    "max_tokens": _max_tokens,
    "max_completion_tokens": _max_completion_tokens,
    "seed": _seed,
    "temperature": _temperature,
    "top_p": _top_p,
    "service_tier": _service_tier,
    "response_format": _response_format,
    "modalities": _modalities,
    "audio": _audio,
    "tools": _tools,
    "functions": _functions,
    "tool_choice": _tool_choice,
    "function_call": _function_call,
    "stream_options": _take_silently,
    **{name: _dropping(name) for name in _DROPPED},
}

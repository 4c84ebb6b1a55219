"""How content is generated: tools and configuration, checked, and turned into what the oracle is asked."""

import re
from typing import Any

from msgspec import Struct

from gantry.simulator.gemini.catalog import Model
from gantry.simulator.gemini.errors import invalid, misplaced

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_JSON = "application/json"
_MEDIA = ("text/plain", _JSON, "text/x.enum")


class Thinking(Struct, frozen=True):
    thinks: bool
    shown: bool


def check_tools(request: dict[str, Any]) -> None:
    names = [function.get("name", "") for function in declarations(request)]
    for index, name in enumerate(names):
        if not _NAME.fullmatch(name):
            rule = "Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_),"
            more = "dots (.), colons (:), or dashes (-), with a maximum length of 64."
            place = f"tools[0].function_declarations[{index}].name"
            raise misplaced(place, f"Invalid function name. {rule} {more}")
    if len(set(names)) < len(names):
        raise invalid("Duplicate function declaration found: " + next(n for n in names if names.count(n) > 1))
    config = calling(request)
    allowed = config.get("allowedFunctionNames") or []
    if allowed and config.get("mode") not in ("ANY", "VALIDATED"):
        raise invalid("allowed_function_names should only be set when the function calling mode is ANY or VALIDATED.")
    for name in allowed:
        if name not in names:
            raise invalid(f"allowed_function_names contains {name}, which is not in function_declarations.")


def check_config(config: dict[str, Any], request: dict[str, Any], model: Model) -> None:
    for name, low, high in (("temperature", 0.0, 2.0), ("topP", 0.0, 1.0)):
        given = config.get(name)
        if given is not None and not low <= given <= high:
            snake = "top_p" if name == "topP" else name
            raise misplaced(f"generation_config.{snake}", f"must be in the range [{low}, {high}].")
    if not 1 <= config.get("candidateCount", 1) <= 8:
        raise misplaced("generation_config.candidate_count", "must be in the range [1, 8].")
    if config.get("maxOutputTokens", 1) < 1:
        raise misplaced("generation_config.max_output_tokens", "max_output_tokens must be positive.")
    if len(config.get("stopSequences") or ()) > 5:
        raise misplaced("generation_config.stop_sequences", "at most 5 stop sequences may be given.")
    media = config.get("responseMimeType") or "text/plain"
    if media not in _MEDIA:
        allowed = ", ".join(f"`{item}`" for item in _MEDIA)
        raise misplaced("generation_config.response_mime_type", f"allowed mimetypes are {allowed}.")
    schemas = [name for name in ("responseSchema", "responseJsonSchema", "_responseJsonSchema") if name in config]
    if len(schemas) > 1:
        raise invalid("response_schema and response_json_schema cannot both be set.")
    if schemas and media == "text/plain":
        raise misplaced("generation_config.response_schema", f"only allowed when response_mime_type is {_JSON}.")
    if media == _JSON and declarations(request) and not model.levels:
        raise invalid(f"Function calling with a response mime type: '{_JSON}' is unsupported")


def thinking(config: dict[str, Any], model: Model) -> Thinking:
    """Return whether a model thinks. Raises Refusal where it cannot as asked."""
    given = config.get("thinkingConfig") or {}
    budget, level = given.get("thinkingBudget"), given.get("thinkingLevel")
    if budget is not None and level is not None:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if level is not None and not model.levels:
        raise invalid("Thinking level is not supported for this model.")
    if given and not model.thinks and (given.get("includeThoughts") or budget):
        raise invalid("Thinking is not enabled for models/" + model.name)
    if budget == 0 and model.always:
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")
    return Thinking(model.thinks and budget != 0, bool(given.get("includeThoughts")))


def declarations(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [function for tool in request.get("tools") or () for function in tool.get("functionDeclarations") or ()]


def calling(request: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (request.get("toolConfig") or {}).get("functionCallingConfig") or {}
    return found


def response_schema(config: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema asked for, as JSON Schema."""
    for name in ("responseJsonSchema", "_responseJsonSchema"):
        if name in config:
            found: dict[str, Any] = config[name]
            return found
    schema: dict[str, Any] | None = json_schema(config.get("responseSchema"))
    return schema


def parameters(function: dict[str, Any]) -> dict[str, Any]:
    """Return what a function takes, as JSON Schema."""
    if "parametersJsonSchema" in function:
        found: dict[str, Any] = function["parametersJsonSchema"]
        return found
    schema: dict[str, Any] = json_schema(function.get("parameters") or {"type": "OBJECT"})
    return schema


def json_schema(schema: Any) -> Any:
    """Turn the protocol's own kind of schema into JSON Schema."""
    if isinstance(schema, list):
        return [json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    turned = {name: value for name, value in schema.items() if name not in ("type", "properties", "items", "anyOf")}
    if "type" in schema:
        turned["type"] = schema["type"].lower()
    if "properties" in schema:
        turned["properties"] = {name: json_schema(value) for name, value in schema["properties"].items()}
    for name in ("items", "anyOf"):
        if name in schema:
            turned[name] = json_schema(schema[name])
    return turned

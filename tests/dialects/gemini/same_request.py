"""When two of Gemini's requests ask the same. What this irons out is what the format says is equal, or harmless:

- both spellings of a name, null and absent, `thought: false` and absent, an object and a list of it;
- both dialects of a schema, in either field, and the order of properties that `propertyOrdering` gives;
- functions and Google's own tools in one tool or in several;
- neighbours of one role in one content or in several, `function` and `user`, a system instruction's role;
- base64 in either alphabet, a call without arguments and with none, words of an enumeration in either case.
"""

from typing import Any

OPAQUE = {"args", "response", "labels"}
SCHEMAS = ("parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "_responseJsonSchema")


def normalised(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = respelled(body)
    found["contents"] = merged([content_of(content) for content in found["contents"]])
    system = found.pop("systemInstruction", None)
    if system:
        found["systemInstruction"] = content_of(system)["parts"]
    tools = found.pop("tools", [])
    functions = [function for tool in tools for function in tool.get("functionDeclarations", [])]
    natives = [{kind: value} for tool in tools for kind, value in tool.items() if kind != "functionDeclarations"]
    found["functions"], found["natives"] = functions, natives
    generation = found.pop("generationConfig", {})
    if generation.get("candidateCount") == 1:
        del generation["candidateCount"]
    thinking = generation.get("thinkingConfig", {})
    if "thinkingLevel" in thinking:
        thinking["thinkingLevel"] = thinking["thinkingLevel"].upper()
    if generation:
        found["generationConfig"] = generation
    return found


def respelled(value: Any) -> Any:
    if isinstance(value, list):
        return [respelled(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, item in value.items():
        spelled = camel(name)
        if item is None or (spelled == "thought" and item is False):
            continue
        if spelled in SCHEMAS and isinstance(item, dict):
            found["parameters" if "arameters" in spelled else "schema"] = as_json_schema(item)
        elif spelled in OPAQUE:
            found[spelled] = item
        else:
            found[spelled] = respelled(item)
    return found


def camel(name: str) -> str:
    head, *rest = name.split("_") if not name.startswith("_") else [name]
    return head + "".join(word.capitalize() for word in rest)


def as_json_schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [as_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for name, item in schema.items():
        if name == "properties":
            found[name] = {key: as_json_schema(value) for key, value in item.items()}
        elif name in ("type",):
            found[name] = item.lower() if isinstance(item, str) else [one.lower() for one in item]
        elif name not in ("property_ordering", "propertyOrdering", "nullable"):
            found[camel(name)] = as_json_schema(item)
    if schema.get("nullable"):
        if "enum" in found:
            found["enum"].append(None)
        if "type" in found:
            found["type"] = [found["type"], "null"]
        else:
            found["anyOf"].append({"type": "null"})
    return found


def content_of(content: dict[str, Any]) -> dict[str, Any]:
    parts = content.get("parts", [])
    return {
        "role": "model" if content.get("role") == "model" else "user",
        "parts": [part_of(part) for part in (parts if isinstance(parts, list) else [parts])],
    }


def part_of(part: dict[str, Any]) -> dict[str, Any]:
    if "inlineData" in part:
        part["inlineData"]["data"] = part["inlineData"]["data"].replace("-", "+").replace("_", "/")
    if "functionCall" in part:
        part["functionCall"].setdefault("args", {})
    for held in part.get("functionResponse", {}).get("parts", ()):
        part_of(held)
    if part.get("thought"):
        part.setdefault("text", "")
    return part


def merged(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for content in contents:
        if found and found[-1]["role"] == content["role"]:
            found[-1]["parts"] += content["parts"]
        elif content["parts"]:
            found.append(content)
    return found

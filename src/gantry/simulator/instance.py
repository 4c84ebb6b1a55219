"""The smallest sensible value that satisfies a JSON schema, the same one each time."""

from collections.abc import Mapping
from typing import Any

_DEPTH = 12
_FORMATS = {
    "date": "2026-11-22",
    "date-time": "2026-11-22T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}


def instance(schema: Any) -> Any:
    """Return a value that satisfies `schema` (draft 7 to 2020-12, without `pattern`, `not` and `if`)."""
    root = schema if isinstance(schema, Mapping) else {}
    return _value(schema, root, "value", 0)


def _value(schema: Any, root: Mapping[str, Any], name: str, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return None
    if "$ref" in schema:
        return _value(_resolve(schema["$ref"], root), root, name, depth + 1)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    if "allOf" in schema:
        return _value(_merge(schema, root), root, name, depth + 1)
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            return _value(_first_concrete(schema[key]), root, name, depth + 1)
    match _kind(schema):
        case "object":
            return _object(schema, root, depth)
        case "array":
            return _array(schema, root, name, depth)
        case "string":
            return _string(schema, name)
        case "integer":
            return int(_number(schema, 1))
        case "number":
            return _number(schema, 1.5)
        case "boolean":
            return True
        case _:
            return None


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((item for item in kind if item != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = _typed(schema.get("properties"), dict) or {}
    required = [name for name in _typed(schema.get("required"), list) or () if isinstance(name, str)]
    names = [*required, *(name for name in properties if name not in required)] if depth < 4 else required
    return {name: _value(properties.get(name, {}), root, name, depth + 1) for name in names}


def _array(schema: Mapping[str, Any], root: Mapping[str, Any], name: str, depth: int) -> list[Any]:
    first = [_value(item, root, name, depth + 1) for item in schema.get("prefixItems") or ()]
    wanted = max(int(schema.get("minItems", 1)), len(first))
    if "maxItems" in schema:
        wanted = min(wanted, int(schema["maxItems"]))
    items = schema.get("items", {"type": "string"})
    return [*first, *(_value(items, root, name, depth + 1) for _ in range(wanted - len(first)))]


def _string(schema: Mapping[str, Any], name: str) -> str:
    text = _FORMATS.get(str(schema.get("format")), name)
    shortest = int(schema.get("minLength", 0))
    if len(text) < shortest:
        text = (text * (shortest // max(len(text), 1) + 1))[:shortest]
    return text[: int(schema["maxLength"])] if "maxLength" in schema else text


def _number(schema: Mapping[str, Any], fallback: float) -> float:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and isinstance(schema.get("exclusiveMinimum"), int | float):
        low = schema["exclusiveMinimum"] + 1
    if high is None and isinstance(schema.get("exclusiveMaximum"), int | float):
        high = schema["exclusiveMaximum"] - 1
    value = fallback
    if low is not None:
        value = max(value, low)
    if high is not None:
        value = min(value, high)
    step = schema.get("multipleOf")
    return float(-(-value // step) * step) if step else value


def _typed(value: Any, kind: type) -> Any:
    """Return a value of that kind, or None: a schema may hold anything."""
    return value if isinstance(value, kind) else None


def _first_concrete(options: list[Any]) -> Any:
    return next(
        (item for item in options if not (isinstance(item, Mapping) and item.get("type") == "null")), options[0]
    )


def _merge(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        resolved = _resolve(part["$ref"], root) if isinstance(part, Mapping) and "$ref" in part else part
        for key, value in resolved.items() if isinstance(resolved, Mapping) else ():
            if key == "properties":
                merged[key] = {**merged.get(key, {}), **value}
            elif key == "required":
                merged[key] = [*merged.get(key, []), *value]
            else:
                merged.setdefault(key, value)
    return merged


def _resolve(reference: Any, root: Mapping[str, Any]) -> Any:
    node: Any = root
    for step in str(reference).removeprefix("#").strip("/").split("/"):
        if step:
            key = step.replace("~1", "/").replace("~0", "~")
            node = node.get(key) if isinstance(node, Mapping) else None
    return node

"""Google's own schemas, a subset of OpenAPI 3.0, told as JSON Schema.

Law: what a schema says is kept, and only how it says it changes: types in lower case, `nullable` as a type, counts as
numbers, `propertyOrdering` as the order in which the properties stand. Names of properties are the caller's own.
Spec: https://ai.google.dev/api/caching#Schema
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.dialects.gemini.spelling import camel

_KEYWORDS: Final = {"ref": "$ref", "defs": "$defs"}
_COUNTS: Final = frozenset("minItems maxItems minLength maxLength minProperties maxProperties".split())
_OF_SCHEMAS: Final = frozenset(("properties", "$defs", "definitions", "patternProperties"))
_UNSPECIFIED: Final = "TYPE_UNSPECIFIED"


def json_schema(raw: Raw) -> Raw:
    """Return a schema as JSON Schema; one that is that already says the same after. Raises ValueError."""
    schema = msgspec.json.decode(raw)
    if not isinstance(schema, dict):
        raise ValueError("a schema is an object")
    return Raw(msgspec.json.encode(_told(schema)))


def _told(schema: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in schema.items():
        keyword = _KEYWORDS.get(name) or camel(name)
        if value is not None or keyword in ("default", "example", "const"):
            told[keyword] = _value(keyword, value)
    _order(told)
    if told.get("type") == _UNSPECIFIED.lower():
        del told["type"]
    if told.get("format") == "enum" and "enum" in told:
        del told["format"]
    if "example" in told:
        told["examples"] = [told.pop("example")]
    if told.pop("nullable", False):
        _allow_null(told)
    return told


def _value(keyword: str, value: Any) -> Any:
    match value:
        case dict() if keyword in _OF_SCHEMAS:
            return {name: _told(item) if isinstance(item, dict) else item for name, item in value.items()}
        case dict() if keyword in ("items", "additionalProperties", "not"):
            return _told(value)
        case list() if keyword in ("anyOf", "oneOf", "allOf", "prefixItems"):
            return [_told(item) if isinstance(item, dict) else item for item in value]
        case str() if keyword == "type":
            return value.lower()
        case list() if keyword == "type":
            return [item.lower() if isinstance(item, str) else item for item in value]
        case str() if keyword in _COUNTS and value.isdigit():
            return int(value)
        case _:
            return value


def _order(schema: dict[str, Any]) -> None:
    ordering = schema.pop("propertyOrdering", None)
    properties = schema.get("properties")
    if isinstance(ordering, list) and isinstance(properties, dict):
        first = {name: properties[name] for name in ordering if isinstance(name, str) and name in properties}
        schema["properties"] = first | properties


def _allow_null(schema: dict[str, Any]) -> None:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]

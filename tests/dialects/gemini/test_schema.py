"""Google's schemas told as JSON Schema."""

import json
from typing import Any

import pytest
from msgspec import Raw

from gantry.dialects.gemini.schema import json_schema

SCHEMAS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "STRING"}, {"type": "string"}),
    ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
    ({"type": "STRING", "enum": ["a"], "format": "enum"}, {"type": "string", "enum": ["a"]}),
    (
        {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "1", "max_items": 3},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
    ),
    ({"any_of": [{"type": "STRING"}, {"type": "NULL"}]}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ({"anyOf": [{"type": "STRING"}], "nullable": True}, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    (
        {
            "type": "OBJECT",
            "properties": {"type": {"type": "STRING"}, "any_of": {"type": "BOOLEAN"}},
            "required": ["type"],
        },
        {
            "type": "object",
            "properties": {"type": {"type": "string"}, "any_of": {"type": "boolean"}},
            "required": ["type"],
        },
    ),
    ({"type": "OBJECT", "example": {"a": 1}}, {"type": "object", "examples": [{"a": 1}]}),
    (
        {"ref": "#/$defs/A", "defs": {"A": {"type": "NUMBER"}}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"type": "number"}}},
    ),
    ({"type": "TYPE_UNSPECIFIED", "default": None}, {"default": None}),
    (
        {"type": ["string", "null"], "additionalProperties": False},
        {"type": ["string", "null"], "additionalProperties": False},
    ),
]


@pytest.mark.parametrize(("given", "wanted"), SCHEMAS)
def test_a_schema_says_the_same_as_json_schema(given: dict[str, Any], wanted: dict[str, Any]) -> None:
    told = json_schema(Raw(json.dumps(given).encode()))
    assert json.loads(bytes(told)) == wanted
    assert json.loads(bytes(json_schema(told))) == wanted


def test_properties_stand_in_the_order_that_was_asked() -> None:
    given = {"type": "OBJECT", "propertyOrdering": ["b", "gone", "a"], "properties": {"a": {}, "b": {}, "c": {}}}
    told = json.loads(bytes(json_schema(Raw(json.dumps(given).encode()))))
    assert list(told["properties"]) == ["b", "a", "c"]
    assert "propertyOrdering" not in told


def test_a_property_may_be_called_as_a_keyword_is() -> None:
    given = {"properties": {"propertyOrdering": {"type": "STRING"}, "nullable": {"type": "STRING"}}}
    assert json.loads(bytes(json_schema(Raw(json.dumps(given).encode()))))["properties"]["nullable"] == {
        "type": "string"
    }


def test_what_is_no_schema_is_refused() -> None:
    with pytest.raises(ValueError):
        json_schema(Raw(b"[]"))

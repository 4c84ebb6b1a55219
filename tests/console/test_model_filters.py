"""Filters and order over models, operator by operator."""

from typing import Any

import pytest

from gantry.console.model_filters import Item, filtered, ordered

ITEMS: list[Item] = [
    {"id": "a", "model_name": "Alpha", "input_cost": 1.0, "provider": {"provider_id": "mistral"}},
    {"id": "b", "model_name": "beta", "input_cost": 2.0, "provider": None},
    {"id": "c", "model_name": "alphabet", "input_cost": None, "provider": {"provider_id": "openai"}},
]


@pytest.mark.parametrize(
    ("field", "operator", "value", "found"),
    [
        ("model_name", "", ["alpha"], "a"),
        ("model_name", "in", ["ALPHA", "beta"], "ab"),
        ("model_name", "not", ["alpha"], "bc"),
        ("model_name", "contains", ["ALPHA"], "ac"),
        ("model_name", "icontains", ["bet"], "bc"),
        ("model_name", "startswith", ["alpha"], "ac"),
        ("model_name", "endswith", ["a"], "ab"),
        ("input_cost", "gt", [1], "b"),
        ("input_cost", "gte", [1], "ab"),
        ("input_cost", "lt", [2], "a"),
        ("input_cost", "lte", [2], "ab"),
        ("input_cost", "empty", [], "c"),
        ("input_cost", "not_empty", [], "ab"),
        ("provider", "", ["mistral"], "a"),
        ("provider", "empty", None, "b"),
    ],
)
def test_each_operator(field: str, operator: str, value: Any, found: str) -> None:
    kept = filtered(ITEMS, {field: {"operator": operator, "value": value}})
    assert "".join(item["id"] for item in kept) == found


@pytest.mark.parametrize(("sort_by", "order"), [("input_cost", "abc"), ("-input_cost", "bac"), (None, "acb")])
def test_what_is_unknown_stands_last(sort_by: str | None, order: str) -> None:
    assert "".join(item["id"] for item in ordered(ITEMS, sort_by)) == order

"""Objects in the names of a form's fields, as clients flatten them."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.errors import InvalidRequest
from gantry.gateway.bracketed import root_of, unflatten


def flatten(value: Any, name: str) -> list[tuple[str, bytes]]:
    """Return the fields that OpenAI's client makes of a value."""
    if isinstance(value, dict):
        return [field for key, inner in value.items() for field in flatten(inner, f"{name}[{key}]")]
    if isinstance(value, list):
        return [field for inner in value for field in flatten(inner, f"{name}[]")]
    text = value if isinstance(value, str) else json.dumps(value)
    return [(name, text.encode())]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("customer_credentials", {"mistral": {"api_key": "k"}, "openai": {"api_key": "l", "api_base": "https://x"}}),
        ("customer_credentials", {"mistral": [{"weight": 1, "credentials": {"api_key": "k"}}] * 3}),
        ("customer_credentials", [{"credentials": {"mistral": {"api_key": str(n)}}, "weight": 1.5} for n in range(3)]),
        ("credential_override", {"mistral/mistral-large-latest": {"api_key": "123"}}),
        ("fallback_models", ["a", "b", "b"]),
        ("retry_params", {"retry_enabled": False, "num_retries": 2, "retry_after": 0.5}),
        ("respan_params", {"customer_credentials": {"mistral": {"api_key": "é k"}}, "fallback_models": ["a"]}),
    ],
)
def test_what_was_flattened_is_made_whole(name: str, value: Any) -> None:
    found = unflatten(flatten(value, name))
    assert {key: json.loads(raw) for key, raw in found.items()} == {name: value}


@pytest.mark.parametrize(
    "name", ["a[", "a[]]", "a[x", "a[x]y", "a[[x]]", "[x]", "a[][][x]", f"a{'[x]' * 9}", f"a{'[x]' * 5000}"]
)
def test_what_cannot_be_read_is_refused_without_its_value(name: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        unflatten([(name, b"canary")])
    assert "canary" not in raised.value.message


@pytest.mark.parametrize("names", [("a[x]", "a[x]"), ("a[x]", "a[x][y]"), ("a[x][y]", "a[x]"), ("a[]", "a[x]")])
def test_one_place_has_one_value(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        unflatten([(name, b"1") for name in names])


@given(st.lists(st.tuples(st.text("ab[]", max_size=12), st.binary(max_size=4)), max_size=8))
def test_nothing_else_is_raised(fields: list[tuple[str, bytes]]) -> None:
    try:
        for name, raw in unflatten([(name, value) for name, value in fields if "[" in name]).items():
            assert root_of(name) == name
            json.loads(raw)
    except InvalidRequest:
        pass


def test_a_name_of_one_part_is_its_own_root() -> None:
    assert (root_of("model"), root_of("metadata[team][x]"), quote(root_of("[x]"))) == ("model", "metadata", "")

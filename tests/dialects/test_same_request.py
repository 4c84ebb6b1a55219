"""Two requests are the same when their spelling alone differs, and another when anything that is meant differs."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gantry.dialects.same_request import asked_in, leaves_state, same_form

TEXTS = st.text(max_size=5)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(TEXTS | st.sampled_from(["messages", "temperature", "seed", "tools"]), VALUES, max_size=5)
LEFT_OUT = ("model", "stream", "user", "metadata", "stream_options", "cache_ttl")


def form(body: bytes, *, stream: bool = False) -> bytes:
    asked = asked_in(body, {"cache_ttl"}, stream=stream)
    assert asked is not None
    return same_form(asked)


def turned(value: Any) -> Any:
    """Return a value whose objects have their members in the opposite order."""
    if isinstance(value, dict):
        return {name: turned(member) for name, member in reversed(value.items())}
    return [turned(item) for item in value] if isinstance(value, list) else value


def mean_the_same(left: Any, right: Any) -> bool:
    """Say whether two JSON values are one, told as strictly as JSON can."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


@given(BODIES, st.integers(0, 3), st.booleans())
def test_order_white_space_and_escapes_are_spelling(body: dict[str, Any], indent: int, ascii_only: bool) -> None:
    plain = json.dumps(body, ensure_ascii=True).encode()
    spelt = json.dumps(turned(body), indent=indent or None, ensure_ascii=ascii_only)
    assert form(plain) == form(spelt.encode())


def test_a_character_is_the_same_in_every_spelling() -> None:
    assert form('{"a":"😀é"}'.encode()) == form(b'{"a":"\\ud83d\\ude00\\u00e9"}')


@given(BODIES, BODIES)
def test_other_values_are_another_request(left: dict[str, Any], right: dict[str, Any]) -> None:
    meant = [{name: value for name, value in body.items() if name not in LEFT_OUT} for body in (left, right)]
    alike = form(json.dumps(left).encode()) == form(json.dumps(right).encode())
    assert alike is mean_the_same(*meant)


@given(BODIES, st.data())
def test_one_changed_field_is_enough(body: dict[str, Any], data: st.DataObject) -> None:
    body = {name: value for name, value in body.items() if name not in LEFT_OUT}
    assume(body)
    name = data.draw(st.sampled_from(sorted(body)))
    value = data.draw(VALUES)
    assume(not mean_the_same(value, body[name]))
    before = form(json.dumps(body).encode())
    assert form(json.dumps({**body, name: value}).encode()) != before
    assert form(json.dumps({one: member for one, member in body.items() if one != name}).encode()) != before


@pytest.mark.parametrize("name", LEFT_OUT)
def test_who_asks_and_how_it_is_delivered_is_left_out(name: str) -> None:
    body = {"messages": [], name: {"a": 1}}
    assert form(json.dumps(body).encode()) == form(b'{"messages":[]}')


def test_the_options_of_a_stream_say_what_it_has() -> None:
    with_usage = b'{"messages":[],"stream_options":{"include_usage":true}}'
    assert form(with_usage, stream=True) != form(b'{"messages":[]}', stream=True)


@pytest.mark.parametrize(
    "body", [b"[" * 5000 + b"]" * 5000, b'{"a":1e999}', b'{"a":"\\ud800"}', b'{"a":"\xff"}', b"[]"]
)
def test_what_cannot_be_read_exactly_is_nobodys_twin(body: bytes) -> None:
    assert asked_in(body, set(), stream=False) is None


@pytest.mark.parametrize(
    ("members", "is_response", "expected"),
    [
        ({}, False, False),
        ({"store": True}, False, True),
        ({"store": None}, False, False),
        ({}, True, True),
        ({"store": None}, True, True),
        ({"store": False}, True, False),
        ({"store": False, "background": True}, True, True),
        ({"store": False, "previous_response_id": "r"}, True, True),
        ({"store": False, "previous_response_id": None}, True, False),
        ({"store": False, "conversation": "c"}, True, True),
    ],
)
def test_what_leaves_something_behind(members: dict[str, Any], is_response: bool, expected: bool) -> None:
    assert leaves_state(members, is_response=is_response) is expected

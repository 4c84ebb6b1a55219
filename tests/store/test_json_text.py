"""A member of stored JSON: as PostgreSQL's `->>` has it, and no stored value makes it fail."""

import pytest

from gantry.store.json_text import member_in_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("[1]", None),
        ("not json", None),
        ('{"b":1}', None),
        ('{"a":null}', None),
        ('{"a":"x\\u00e9\\n"}', "xé\n"),
        ('{"a":""}', ""),
        ('{"a":1.00}', "1.00"),
        ('{"a":12345678901234567890123}', "12345678901234567890123"),
        ('{"a":true,"b":2}', "true"),
        ('{"a":{"b": 1}}', '{"b": 1}'),
        ('{"\\u0061":"escaped"}', "escaped"),
        ('{"a":1,"a":2}', "2"),
        ('{"a":"\\ud800"}', None),
        ("[" * 3000, None),
    ],
)
def test_member(text: str | None, expected: str | None) -> None:
    assert member_in_text(text, "a") == expected

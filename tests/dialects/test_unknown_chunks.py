"""Wrapped chunks are unwrapped wherever they stand; everything else keeps its bytes."""

import pytest

from gantry.dialects.unknown_chunks import unwrap_unknown

WRAPPED = b'{"type":"UNKNOWN","raw":{"type":"resource_link","n":1.00},"is_unknown":true}'
INSIDE = b'{"type":"resource_link","n":1.00}'


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (b'{"a": 1.00, "b": [ 1 ]}', b'{"a": 1.00, "b": [ 1 ]}'),
        (b'{"messages":[{"content":[%b]}]}' % WRAPPED, b'{"messages":[{"content":[%b]}]}' % INSIDE),
        (b'{"inputs":[%b,{"x": 2.50}]}' % WRAPPED, b'{"inputs":[%b,{"x": 2.50}]}' % INSIDE),
        (b'{"is_unknown":false,"raw":1}', b'{"is_unknown":false,"raw":1}'),
        (b'{"text":"\\"is_unknown\\": true"}', b'{"text":"\\"is_unknown\\": true"}'),
        (b'{"raw":%b,"is_unknown":true}' % WRAPPED, INSIDE),
        (b'not JSON "is_unknown"', b'not JSON "is_unknown"'),
    ],
)
def test_wrappers_are_taken_off(given: bytes, expected: bytes) -> None:
    assert unwrap_unknown(given) == expected


def test_a_deep_document_is_left_alone_below_a_bound() -> None:
    deep = b"[" * 500 + WRAPPED + b"]" * 500
    assert unwrap_unknown(deep) == deep

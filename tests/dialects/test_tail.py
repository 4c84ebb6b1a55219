"""The usage in the tail of an answer nobody kept."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.dialects.tail import find_usage

USAGE = b'{"prompt_tokens":1,"details":{"n":[{"x":"}"}]}}'

TAILS = {
    "a whole answer": (b'{"model":"m","usage":' + USAGE + b',"choices":[]}', (USAGE, "m")),
    "the model after it": (b'{"usage":' + USAGE + b',"model":"m"}', (USAGE, "m")),
    "spaces": (b'"usage" : ' + USAGE, (USAGE, None)),
    "the last of several": (b'{"usage":{"a":1}}\n\ndata: {"usage":{"a":2}}', (b'{"a":2}', None)),
    "null comes last": (b'{"usage":{"a":1}}\n\ndata: {"usage":null}', (b'{"a":1}', None)),
    "cut after the first": (b'{"usage":{"a":1}}\n\ndata: {"usage":{"a":', (b'{"a":1}', None)),
    "behind a few that are broken": (b'"usage":{"a":1}' + b'"usage":{"a":[1' * 5 + b"}" * 9, (b'{"a":1}', None)),
    "behind more than an answer has": (b'"usage":{"a":1}' + b'"usage":{"a":[1' * 50 + b"}" * 9, None),
    "behind a thousand that are null": (b'"usage":{"a":1}' + b'"usage":null' * 1000, (b'{"a":1}', None)),
    "larger than any usage": (b'"usage":{"a":"%b"}' % (b"a" * 20_000), None),
    "a brace in a string": (b'"usage":{"a":"}\\"}{"}', (b'{"a":"}\\"}{"}', None)),
    "ocr": (b'{"pages":[],"usage_info":{"pages_processed":2}}', (b'{"pages_processed":2}', None)),
    "words in a message": (b'{"content":"say \\"usage\\": {\\"a\\":1}"}', None),
    "a word that ends alike": (b'{"my_usage":1}', None),
    "nothing": (b"", None),
    "cut at the start": (b'age":{"a":1}}', None),
}


@pytest.mark.parametrize(("tail", "expected"), TAILS.values(), ids=TAILS)
def test_finds_the_last_whole_usage(tail: bytes, expected: tuple[bytes, str | None] | None) -> None:
    assert find_usage(tail) == expected


@given(tail=st.binary(max_size=120))
def test_any_tail_is_read(tail: bytes) -> None:
    found = find_usage(b'{"model":"a' + tail + b'"usage":{' + tail)
    assert found is None or (found[0].startswith(b"{") and found[0].endswith(b"}"))


JSON = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(usage=st.dictionaries(st.text(), JSON), around=st.text())
def test_finds_any_object(usage: dict[str, object], around: str) -> None:
    body = json.dumps({"around": around, "usage": usage, "model": around})
    found = find_usage(body.encode())
    assert found is not None
    if "usage" not in usage and "usage_info" not in usage:
        assert json.loads(found[0]) == usage

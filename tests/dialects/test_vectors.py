"""Vectors as numbers and as OpenAI's base64."""

import json
from base64 import b64decode
from struct import unpack

import pytest
from msgspec import Raw

from gantry.dialects.vectors import packed_vector, plain_vector


def test_a_vector_goes_there_and_back() -> None:
    packed = packed_vector(Raw(b"[0.5, -1, 3.25]"))
    assert unpack("<3f", b64decode(packed)) == (0.5, -1.0, 3.25)
    assert json.loads(bytes(plain_vector(Raw(json.dumps(packed).encode())))) == [0.5, -1.0, 3.25]


def test_what_has_the_form_already_keeps_it() -> None:
    assert packed_vector(Raw(b'"AAAA"')) == "AAAA"
    assert plain_vector(Raw(b"[1]")) == Raw(b"[1]")


def test_what_is_no_vector_is_refused() -> None:
    for raw in (b'{"a": 1}', b'["a"]'):
        with pytest.raises(ValueError):
            packed_vector(Raw(raw))
    with pytest.raises(ValueError):
        plain_vector(Raw(b'"AAA"'))

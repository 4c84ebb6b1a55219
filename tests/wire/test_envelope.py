"""wire/envelope: what is taken, what is refused, and that splicing moves no other byte."""

import json
from collections.abc import Mapping
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.errors import InvalidRequest
from gantry.wire.envelope import MAX_MEMBERS, peek
from tests.fuzz.envelope import check

ODD = b'\n{ "model" :\t"mistral/x" , "z":1.00,"big":12345678901234567890123 ,"\\u0061":"\xc3\xa9","n":null }\r\n'

names = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | names
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3))
spaces = st.text(" \t\r\n", max_size=3)


@st.composite
def objects(draw: st.DrawFn) -> tuple[bytes, Mapping[str, object]]:
    """Draw an object as text, spelled in any way JSON allows, and as value."""
    parsed = draw(st.dictionaries(names, values, max_size=6))
    members = []
    for key, value in parsed.items():
        name = json.dumps(key, ensure_ascii=draw(st.booleans()))
        content = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(1)))
        members.append(f"{draw(spaces)}{name}{draw(spaces)}:{draw(spaces)}{content}{draw(spaces)}")
    inside = ",".join(members) or draw(spaces)
    return f"{draw(spaces)}{{{inside}}}{draw(spaces)}".encode(), parsed


@given(objects())
def test_values_are_those_of_the_standard_library(drawn: tuple[bytes, Mapping[str, object]]) -> None:
    body, parsed = drawn
    envelope = peek(body)
    assert list(envelope.members) == list(parsed)
    for key, value in parsed.items():
        assert json.loads(envelope.get(key) or b"") == value


@given(objects(), st.integers())
def test_splicing_keeps_every_other_byte(drawn: tuple[bytes, Mapping[str, object]], seed: int) -> None:
    check(drawn[0], Random(seed))


@given(objects(), st.data())
def test_a_repeated_key_is_refused_wherever_it_stands_and_however_it_is_spelled(
    drawn: tuple[bytes, Mapping[str, object]], data: st.DataObject
) -> None:
    body, parsed = drawn
    key = data.draw(st.sampled_from(sorted(parsed))) if parsed else "k"
    twin = (
        json.dumps(key, ensure_ascii=data.draw(st.booleans())).encode() + b":" + json.dumps(data.draw(values)).encode()
    )
    start, end = body.index(b"{") + 1, body.rindex(b"}")
    if not parsed:
        repeated = body[:start] + twin + b"," + twin + body[end:]
    elif data.draw(st.booleans()):
        repeated = body[:start] + twin + b"," + body[start:]
    else:
        repeated = body[:end] + b"," + twin + body[end:]
    with pytest.raises(InvalidRequest) as refusal:
        peek(repeated)
    assert refusal.value.param == key


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    check(body, Random(0))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[]", "must be a JSON object"),
        (b'"model"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        (b'{"a":1}x', "trailing characters"),
        (b'{"a":1}{"a":1}', "trailing characters"),
        (b'{"a":1}\x00', "trailing characters"),
        (b'{"a":1', "too early"),
        (b'{"a":1,}', "trailing comma"),
        (b"{'a':1}", "not valid JSON"),
        (b"{a:1}", "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":"\n"}', "not valid JSON"),
        (b'{"a":1/**/}', "not valid JSON"),
        (b'{"a":"\\ud83d"}', "surrogate"),
        (b'{"a":"\\udc00"}', "surrogate"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'{"a":["\xed\xa0\x80"]}', "UTF-8"),
        (b'{"a":"' + b"x" * 70_000 + b'\xc3"}', "UTF-8"),
        (b'{"\xff":1}', "UTF-8"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"a":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, "nested too deeply"),
        (b"{" + b",".join(b'"%d":1' % n for n in range(MAX_MEMBERS + 1)) + b"}", "top-level keys"),
        (b'{"a":1,"a":1}', "`a` more than once"),
        (b'{"a":12,"a":1}', "`a` more than once"),
        (b'{"a":1,"b":1,"a":1}', "`a` more than once"),
        (b'{"a":1,"a":1,"b":1}', "`a` more than once"),
        (b'{"model":"x","mod\\u0065l":"y"}', "`model` more than once"),
        (b'{"mod\\u0065l":"x","model":"x"}', "`model` more than once"),
        (b'{"":1,"":1}', "`` more than once"),
        (b'{"\\"":1,"\\u0022":1}', '`"` more than once'),
    ],
)
def test_what_readers_could_understand_differently_is_refused(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        peek(body)


def test_a_character_across_the_blocks_of_the_utf8_check_is_whole() -> None:
    body = b'{"a":"' + "é漢😀".encode() * 30_000 + b'"}'
    assert peek(body).text("a") == "é漢😀" * 30_000


def test_a_repeated_key_inside_a_value_is_the_providers_business() -> None:
    assert peek(b'{"a":{"b":1,"b":2}}').get("a") == b'{"b":1,"b":2}'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{}", None),
        (b'{"model":null}', None),
        (b'{"model":"x"}', "x"),
        (b'{ "mod\\u0065l" : "\\u00e9\\n" }', "é\n"),
    ],
)
def test_text(body: bytes, expected: str | None) -> None:
    assert peek(body).text("model") == expected


@pytest.mark.parametrize("value", [b"1", b"true", b"[]", b"{}"])
def test_text_of_another_type_names_the_key(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="`model` must be a string") as refusal:
        peek(b'{"model":' + value + b"}").text("model")
    assert refusal.value.param == "model"


@pytest.mark.parametrize(
    ("body", "expected"),
    [(b"{}", False), (b'{"stream":null}', False), (b'{"stream":false}', False), (b'{"stream": true }', True)],
)
def test_flag(body: bytes, expected: bool) -> None:
    assert peek(body).flag("stream") is expected


@pytest.mark.parametrize("value", [b"1", b'"true"', b"[]", b"0"])
def test_flag_of_another_type_names_the_key(value: bytes) -> None:
    with pytest.raises(InvalidRequest, match="`stream` must be true or false") as refusal:
        peek(b'{"stream":' + value + b"}").flag("stream")
    assert refusal.value.param == "stream"


@pytest.mark.parametrize(
    ("replace", "remove", "expected"),
    [
        ({"model": b'"x"'}, (), ODD.replace(b'"mistral/x"', b'"x"')),
        ({}, ("model",), ODD.replace(b'"model" :\t"mistral/x" , ', b"")),
        ({}, ("z",), ODD.replace(b' , "z":1.00', b"")),
        ({}, ("n",), ODD.replace(b',"n":null', b"")),
        ({}, ("a", "n"), ODD.replace(b' ,"\\u0061":"\xc3\xa9","n":null', b"")),
        ({}, ("model", "z"), ODD.replace(b'"model" :\t"mistral/x" , "z":1.00,', b"")),
        (
            {},
            ("model", "big"),
            ODD.replace(b'"model" :\t"mistral/x" , ', b"").replace(b',"big":12345678901234567890123', b""),
        ),
        ({}, ("model", "z", "big", "a", "n"), b"\n{  }\r\n"),
        ({"new": b"[1]"}, (), ODD.replace(b"null }", b'null,"new":[1] }')),
        ({"new": b"[1]"}, ("n",), ODD.replace(b',"n":null', b',"new":[1]')),
        ({"new": b"1", 'q"': b"2"}, ("model", "z", "big", "a", "n"), b'\n{ "new":1,"q\\"":2 }\r\n'),
        ({"n": b"1", "new": b"2"}, (), ODD.replace(b"null }", b'1,"new":2 }')),
        ({"z": b"2"}, ("z",), ODD.replace(b' , "z":1.00', b"")),
    ],
)
def test_splice(replace: Mapping[str, bytes], remove: tuple[str, ...], expected: bytes) -> None:
    spliced = peek(ODD).splice(replace, remove)
    assert spliced == expected
    msgspec.json.decode(spliced)


def test_an_empty_object_takes_a_member() -> None:
    assert peek(b" { } ").splice({"a": b"1"}, ()) == b' {"a":1 } '


@pytest.mark.parametrize("body", [ODD, b'{"model":"x"}', b"{}"])
def test_nothing_to_change_gives_the_same_object(body: bytes) -> None:
    assert peek(body).splice({}, ("absent",)) is body
    assert peek(body).splice({"absent": b"1"}, ("absent",)) is body

"""Fuzz target: wire/envelope against the standard library's JSON parser.

Inputs are grown from a grammar (odd white space, escapes, repeated keys, long numbers), and most are then damaged.
Laws: a body is taken exactly when the reference takes it as one object without repeated keys; values are equal;
splicing changes the named members and no other byte; nothing but InvalidRequest is ever raised.
"""

import json
from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

from gantry.core.errors import InvalidRequest
from gantry.wire.envelope import Envelope, peek

_PLAIN_KEYS: Final = ("model", "stream", "a", "b", "metadata", "k:", "", "messages", "c", "d", "e", "f", "g", "h")
_KEYS: Final = (
    "model",
    "mod\\u0065l",
    "stream",
    "a",
    "\\u0061",
    "é",
    "\\u00e9",
    "",
    '\\"',
    "\\\\",
    "k:",
    "metadata",
    "漢",
)
_STRINGS: Final = (
    "",
    "x",
    "\\n",
    "\\u00e9",
    "é",
    "\\ud83d\\ude00",
    "😀",
    '\\"',
    "\\\\",
    '\\\\\\"',
    "},{",
    ': "',
    "[",
    "\x7f",
)
_NUMBERS: Final = ("0", "-0", "1.00", "12345678901234567890123", "1e5", "-1.5E-7", "12", "1", "1e999")
_SPACES: Final = ("", "", "", " ", "\n", "\t ", "\r\n", "  ")
_DAMAGE: Final = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\x00", b"\x1f", b"\x0b", b"\xff", b"\xc3", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b"\\ud800", b"\\udc00", b"NaN", b"Infinity", b"01", b"1.", b"null", b'"a":1,', b',"a":1', b"/**/",
)  # fmt: skip


class Number(str):
    """A number as its text, so that `1.0` and `1.00` differ."""

    __slots__ = ()


class Style(NamedTuple):
    keys: Sequence[str]
    spaces: Sequence[str]


class Members(list[tuple[str, Any]]):
    """An object as its pairs in order, so that a repeated key shows."""


def make_input(random: Random) -> bytes:
    """Return a JSON object as text, which is damaged in two cases of three."""
    body = _object(random, 0, random.choice(_STYLES)).encode()
    if random.random() < 0.3:
        body = random.choice(_SPACES).encode() + body + random.choice(_SPACES).encode()
    for _ in range(random.choice((0, 1, 1, 2, 3))):
        at = random.randrange(len(body) + 1)
        kind = random.randrange(4)
        if kind == 0:
            body = body[:at] + random.choice(_DAMAGE) + body[at:]
        elif kind == 1:
            body = body[:at] + body[at + random.randrange(1, 4) :]
        elif kind == 2:
            body = body[:at] + bytes((random.randrange(256),)) + body[at + 1 :]
        else:
            start = random.randrange(len(body) + 1)
            body = body[:at] + body[start : start + random.randrange(12)] + body[at:]
    return body


def check(body: bytes, random: Random) -> None:
    """Raise AssertionError when a law does not hold for this input."""
    expected = reference(body)
    try:
        envelope = peek(body)
    except InvalidRequest:
        envelope = None
    if envelope is None:
        assert expected is None or len({key for key, _ in expected}) < len(expected), "refused without reason"
        return
    assert expected is not None, "taken, though the reference refuses it"
    assert list(envelope.members) == [key for key, _ in expected], "keys differ, or one is repeated"
    for key, value in expected:
        raw = envelope.get(key)
        assert raw is not None
        assert _parse(raw.decode()) == value, f"value of {key!r} differs"
    _check_splice(envelope, expected, random)


def reference(body: bytes) -> Members | None:
    """Return the top-level members as the standard library reads them, or None for what is not strict JSON."""
    try:
        parsed = _parse(body.decode())
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, Members) and not _holds_surrogate(parsed) else None


def _check_splice(envelope: Envelope, expected: Members, random: Random) -> None:
    body = envelope.body
    names = [key for key, _ in expected]
    assert envelope.splice({}, ("absent",)) is body
    same = {key: envelope.get(key) or b"" for key in names}
    assert envelope.splice(same, ()) == body
    if names:
        key = random.choice(names)
        marked = envelope.splice({key: b"@MARK@"}, ())
        assert marked.replace(b"@MARK@", same[key]) == body
    remove = {key for key in names if random.random() < 0.4}
    replace = {key: b"[7]" for key in (*names, "new") if random.random() < 0.3}
    spliced = peek(envelope.splice(replace, remove))
    wanted = [key for key in names if key not in remove]
    if "new" in replace and "new" not in names:
        wanted.append("new")
    assert list(spliced.members) == wanted
    for key in wanted:
        assert spliced.get(key) == replace.get(key, same.get(key))


def _parse(text: str) -> Any:
    return json.loads(
        text,
        object_pairs_hook=Members,
        parse_int=Number,
        parse_float=Number,
        parse_constant=_refuse,
    )


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _holds_surrogate(value: Any) -> bool:
    if isinstance(value, str):
        return not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)
    if isinstance(value, list | tuple):
        return any(_holds_surrogate(item) for item in value)
    return False


def _object(random: Random, depth: int, style: Style) -> str:
    members = []
    for _ in range(random.choice((0, 1, 2, 3, 4, 6))):
        key, value = random.choice(style.keys), _value(random, depth + 1, style)
        before, around, after, end = (random.choice(style.spaces) for _ in range(4))
        members.append(f'{before}"{key}"{around}:{after}{value}{end}')
    return "{" + (",".join(members) or random.choice(style.spaces)) + "}"


def _value(random: Random, depth: int, style: Style) -> str:
    kind = random.randrange(7 if depth < 4 else 5)
    if kind == 0:
        return random.choice(_NUMBERS)
    if kind <= 2:
        return '"' + "".join(random.choice(_STRINGS) for _ in range(random.randrange(4))) + '"'
    if kind <= 4:
        return random.choice(("true", "false", "null"))
    if kind == 5:
        return _object(random, depth, style)
    items = [random.choice(style.spaces) + _value(random, depth + 1, style) for _ in range(random.randrange(4))]
    return "[" + ",".join(items) + "]"


_STYLES: Final = (Style(_KEYS, _SPACES), Style(_PLAIN_KEYS, ("",)))

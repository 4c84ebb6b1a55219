"""The envelope: the top level of a JSON request body, read and spliced without touching the rest (law 1).

Law: what was checked is what is forwarded. A body is taken only when every reader must understand it alike: strict JSON
in UTF-8, one object, no key twice at the top level (compared as decoded names). All that is not spliced leaves as the
bytes that came in: key order, white space, `1.00`, 23-digit integers, unknown fields.

msgspec checks the whole text and finds the values, but of two equal keys it keeps the last, silently. So the bytes are
accounted for. When keys, values and the least punctuation add up to the length of the body, there was room for nothing
else; that is what SDKs send. Otherwise one walk over the members, in order, compares each value with the bytes at its
place; a repeated key makes it meet another value, or miss the closing brace. Splicing needs the spans of the same walk.
"""

import re
from codecs import BOM_UTF8, utf_8_decode
from collections.abc import Collection, Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import InvalidRequest

MAX_MEMBERS: Final = 1000  # a body of a million members would hold the event loop

Span = tuple[int, int, int]  # a member's opening quote, its value's first byte, the end of its value
_Edit = tuple[int, int, bytes]  # these bytes take the place of body[start:end]

_members_of: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_string_of: Final = msgspec.json.Decoder(str).decode
_text_of: Final = msgspec.json.Decoder(str | None).decode
_flag_of: Final = msgspec.json.Decoder(bool | None).decode
_rest_of_string: Final = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL).match

_QUOTE: Final = b'"'
_COLON: Final = ord(":")
_BACKSLASH: Final = ord("\\")
_CLOSING_BRACE: Final = ord("}")
_SPACES: Final = frozenset(b" \t\r\n")
_UTF8_BLOCK: Final = 64 * 1024


class Envelope(Struct, eq=False):
    """An immutable view of a JSON object over the bytes that carried it."""

    body: bytes
    members: Mapping[str, Raw]  # by decoded name, in the order of the body
    _spans: Mapping[str, Span] | None  # None until a splice needs them

    def get(self, key: str) -> bytes | None:
        """Return a value as the JSON text that was sent."""
        value = self.members.get(key)
        return None if value is None else bytes(value)

    def text(self, key: str) -> str | None:
        """Return a string; absent and null are None. Raises InvalidRequest when the value is of another type."""
        value = self.members.get(key)
        if value is None:
            return None
        try:
            text: str | None = _text_of(value)
        except msgspec.ValidationError:
            raise InvalidRequest(f"`{key}` must be a string. Send its value in double quotes.", param=key) from None
        return text

    def text_or_none(self, key: str) -> str | None:
        """Return a string; None for whatever else is there."""
        value = self.members.get(key)
        return _string_of(value) if value is not None and bytes(value).startswith(_QUOTE) else None

    def flag(self, key: str) -> bool:
        """Return a boolean; absent and null are False. Raises InvalidRequest when the value is of another type."""
        value = self.members.get(key)
        if value is None:
            return False
        try:
            return bool(_flag_of(value))
        except msgspec.ValidationError:
            raise InvalidRequest(f"`{key}` must be true or false, without quotes.", param=key) from None

    def splice(self, replace: Mapping[str, bytes], remove: Collection[str] = ()) -> bytes:
        """Return the body with some values replaced, some members left out, and every other byte as it was.

        A key to replace that the body lacks is appended; one that is also to be removed is removed. The same `body`
        object comes back when nothing changes.
        """
        if not replace and self.members.keys().isdisjoint(remove):
            return self.body
        if self._spans is None:
            self._spans = _walk(self.body, self.members)
        spans = self._spans
        edits = [] if spans.keys().isdisjoint(remove) else _cuts(spans, remove)
        appended = []
        for key, value in replace.items():
            if key in remove:
                continue
            span = spans.get(key)
            if span is None:
                appended.append(msgspec.json.encode(key) + b":" + value)
            else:
                edits.append((span[1], span[2], value))
        if appended:
            place = max((end for _, _, end in spans.values()), default=self.body.index(b"{") + 1)
            comma = b"" if all(key in remove for key in spans) else b","
            edits.append((place, place, comma + b",".join(appended)))
        return _edited(self.body, edits) if edits else self.body


def peek(body: bytes) -> Envelope:
    """Return the envelope of a request body. Raises InvalidRequest."""
    members = _checked_members(body)
    compact = 1 + 4 * len(members) + sum(map(len, members)) + sum(map(len, members.values()))
    return Envelope(body, members, None if len(body) == compact else _walk(body, members))


def _walk(body: bytes, members: Mapping[str, Raw]) -> Mapping[str, Span]:
    """Return the spans of the members. Raises InvalidRequest when a key is repeated."""
    spans: dict[str, Span] = {}
    find, starts_with = body.find, body.startswith
    position = 0
    for key, value in members.items():
        start = find(_QUOTE, position)
        colon = find(_QUOTE, start + 1) + 1
        if body[colon - 2] == _BACKSLASH:
            colon = _end_of_string(body, start)
        while body[colon] != _COLON:
            colon += 1
        value_start = colon + 1
        while body[value_start] in _SPACES:
            value_start += 1
        if not starts_with(value, value_start):
            raise _repeated(body, spans, start)
        position = value_start + len(value)
        spans[key] = (start, value_start, position)
    if spans:
        while body[position] in _SPACES:
            position += 1
        if body[position] != _CLOSING_BRACE:
            raise _repeated(body, spans, find(_QUOTE, position))
    return spans


def _cuts(spans: Mapping[str, Span], remove: Collection[str]) -> list[_Edit]:
    """Return edits that take members out, each with the comma before it, or after it while none stays before it."""
    cuts: list[_Edit] = []
    members = list(spans.items())
    any_stays = False
    for index, (key, (start, _, end)) in enumerate(members):
        if key not in remove:
            any_stays = True
        elif any_stays:
            cuts.append((members[index - 1][1][2], end, b""))
        else:
            is_last = index + 1 == len(members)
            cuts.append((start, end if is_last else members[index + 1][1][0], b""))
    return cuts


def _edited(body: bytes, edits: list[_Edit]) -> bytes:
    pieces: list[bytes] = []
    taken = 0
    for start, end, new in sorted(edits):
        pieces += (body[taken:start], new)
        taken = end
    pieces.append(body[taken:])
    return b"".join(pieces)


def _checked_members(body: bytes) -> dict[str, Raw]:
    try:
        members = _members_of(body)
        if not body.isascii():
            _check_utf8(body)
    except UnicodeDecodeError:
        raise InvalidRequest("The request body is not valid UTF-8. Encode it as UTF-8.") from None
    except RecursionError:
        raise InvalidRequest("The request body is nested too deeply. Flatten it.") from None
    except msgspec.ValidationError:
        raise InvalidRequest("The request body must be a JSON object: `{…}`.") from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(_explain(body, error)) from None
    if len(members) > MAX_MEMBERS:
        raise InvalidRequest(f"The request body has more than {MAX_MEMBERS} top-level keys. Send fewer.")
    return members


def _check_utf8(body: bytes) -> None:
    """Raise UnicodeDecodeError unless the body is UTF-8: msgspec looks at keys only, and takes any byte inside a value.

    In blocks, because the text of a large body would take up to four times its size.
    """
    view = memoryview(body)
    position = 0
    while position < len(body):
        is_last = position + _UTF8_BLOCK >= len(body)
        position += utf_8_decode(view[position : position + _UTF8_BLOCK], "strict", is_last)[1]


def _end_of_string(body: bytes, start: int) -> int:
    """Return the place after the closing quote of the valid JSON string that starts at `start`."""
    match = _rest_of_string(body, start + 1)
    assert match is not None
    return match.end()


def _repeated(body: bytes, spans: Mapping[str, Span], next_start: int) -> InvalidRequest:
    """Name the repeated key: the first seen twice so far, else the next one, whose value a later twin has replaced."""
    seen: set[str] = set()
    key = ""
    for start in (*(span[0] for span in spans.values()), next_start):
        key = _string_of(body[start : _end_of_string(body, start)])
        if key in seen:
            break
        seen.add(key)
    return InvalidRequest(f"The request body has the key `{key}` more than once. Send it once.", param=key)


def _explain(body: bytes, error: msgspec.DecodeError) -> str:
    if not body.strip():
        return "The request body is empty. Send a JSON object."
    if body.startswith(BOM_UTF8):
        return "The request body starts with a byte order mark. Send the JSON without it."
    reason = str(error).removeprefix("JSON is malformed: ")
    if reason == "Input data was truncated":
        reason = "it ends too early, or a string holds half of a surrogate pair"
    return f"The request body is not valid JSON: {reason}."

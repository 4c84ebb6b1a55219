"""The usage in the tail of an answer whose body nobody keeps: found by its key, cut out as it stands.

Law: only a whole object counts. Usage stands at the end of a stream and of most answers, so the last 16 KB are enough;
text inside a message cannot fake it, because there its quotes are escaped.
"""

from typing import Final

import msgspec
from msgspec import Raw, Struct

_KEYS: Final = (b'"usage"', b'"usage_info"')
_MODEL_KEY: Final = b'"model"'
_SPACES: Final = b" \t\r\n"


class _Named(Struct):
    model: str | None = None


def find_usage(tail: bytes) -> tuple[bytes, str | None] | None:
    """Return the last whole usage object in these bytes as JSON, and the model named nearest to it."""
    for key in _KEYS:
        end = len(tail)
        while (at := tail.rfind(key, 0, end)) >= 0:
            found = _object_after(tail, at + len(key))
            if found is not None:
                return found, _model_near(tail, at)
            end = at
    return None


def _object_after(data: bytes, position: int) -> bytes | None:
    position = _skip_spaces(data, position)
    if data[position : position + 1] != b":":
        return None
    start = _skip_spaces(data, position + 1)
    if data[start : start + 1] != b"{":
        return None
    end = _end_of_object(data, start)
    if end is None:
        return None
    candidate = data[start:end]
    try:
        msgspec.json.decode(candidate, type=dict[str, Raw])
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return candidate


def _end_of_object(data: bytes, start: int) -> int | None:
    """Return the position after the brace that closes the object; None when it does not close in these bytes."""
    depth = 0
    position = start
    while position < len(data):
        byte = data[position]
        if byte == 0x22:
            position = _end_of_string(data, position)
            if position < 0:
                return None
            continue
        if byte == 0x7B:
            depth += 1
        elif byte == 0x7D:
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return None


def _end_of_string(data: bytes, start: int) -> int:
    """Return the position after the quote that closes the string; -1 when it does not close."""
    position = start + 1
    while (quote := data.find(b'"', position)) >= 0:
        backslashes = 0
        while data[quote - 1 - backslashes] == 0x5C:
            backslashes += 1
        if backslashes % 2 == 0:
            return quote + 1
        position = quote + 1
    return -1


def _model_near(data: bytes, at: int) -> str | None:
    """Return the model of the same answer: named before its usage, or after it."""
    for key_at in (data.rfind(_MODEL_KEY, 0, at), data.find(_MODEL_KEY, at)):
        if key_at < 0:
            continue
        start = _skip_spaces(data, key_at + len(_MODEL_KEY))
        if data[start : start + 1] != b":":
            continue
        start = _skip_spaces(data, start + 1)
        if data[start : start + 1] != b'"':
            continue
        end = _end_of_string(data, start)
        if end > 0:
            try:
                return msgspec.json.decode(b'{"model":' + data[start:end] + b"}", type=_Named).model
            except (msgspec.DecodeError, ValueError):
                continue
    return None


def _skip_spaces(data: bytes, position: int) -> int:
    while position < len(data) and data[position] in _SPACES:
        position += 1
    return position

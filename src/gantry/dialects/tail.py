"""The usage in the tail of an answer whose body nobody keeps: found by its key, cut out as it stands.

Law: only a whole object counts. Usage stands at the end of a stream and of most answers, so the last 16 KB are enough;
text inside a message cannot fake it, because there its quotes are escaped.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

_KEYS: Final = (b'"usage"', b'"usage_info"', b'"usageMetadata"', b'"billed_units"')
_MODEL_KEY: Final = b'"model"'
_SPACES: Final = b" \t\r\n"
_MAX_CLOSERS: Final = 200  # more than the braces in any usage object


def find_usage(tail: bytes) -> tuple[bytes, str | None] | None:
    """Return the last whole usage object in these bytes as JSON, and the model named nearest before it, or after."""
    for key in _KEYS:
        end = len(tail)
        while (at := tail.rfind(key, 0, end)) >= 0:
            found = _value_after(tail, at + len(key), b"{", b"}", dict[str, Raw])
            if found is not None:
                return found[0], _model_near(tail, at)
            end = at
    return None


def _model_near(data: bytes, at: int) -> str | None:
    for key_at in (data.rfind(_MODEL_KEY, 0, at), data.find(_MODEL_KEY, at)):
        if key_at >= 0:
            found = _value_after(data, key_at + len(_MODEL_KEY), b'"', b'"', str)
            if found is not None:
                model: str = found[1]
                return model
    return None


def _value_after(data: bytes, position: int, opener: bytes, closer: bytes, expected: Any) -> tuple[bytes, Any] | None:
    """Return the value after a colon, raw and decoded: what lies up to the first closer that makes it whole."""
    position = _skip_spaces(data, position)
    if data[position : position + 1] != b":":
        return None
    start = _skip_spaces(data, position + 1)
    if data[start : start + 1] != opener:
        return None
    end = start
    for _ in range(_MAX_CLOSERS):
        end = data.find(closer, end + 1)
        if end < 0:
            return None
        candidate = data[start : end + 1]
        try:
            return candidate, msgspec.json.decode(candidate, type=expected)
        except (msgspec.DecodeError, ValueError, RecursionError):
            continue
    return None


def _skip_spaces(data: bytes, position: int) -> int:
    while position < len(data) and data[position] in _SPACES:
        position += 1
    return position

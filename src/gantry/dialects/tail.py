"""The usage of an answer whose body nobody keeps: found by its key in the answer's tail, cut out as it stands.

Law: only a whole object counts. Usage stands at the end of a stream and of most answers, so the last 4 KB are enough;
text inside a message cannot fake it, because there its quotes are escaped. Where a stream tells of it twice, once as it
begins (the input, what was cached) and once as it ends, its first bytes are needed too.

Of an answer that ended without its usage, what was said is estimated from the texts that are still in the tail.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.vocabulary import Dialect
from gantry.dialects.estimate import TokenCount
from gantry.dialects.members import decode_members, decode_text

_KEYS: Final = (b'"usage"', b'"usage_info"', b'"usageMetadata"', b'"billed_units"')
_MODEL_KEY: Final = b'"model"'
_SPACES: Final = b" \t\r\n"
# More than any usage object has. Bytes that are made to look like a thousand of them would else be read for hours.
_MAX_CLOSERS: Final = 200
_MAX_BYTES: Final = 16 * 1024
_MAX_BROKEN: Final = 20  # objects under a key that turn out to be none
_PARTS_KEY: Final = b'"usage_breakdown"'  # Groq's: the usage again, by the models that had a part in it
# Where a stream has the pieces of what it says. OpenAI's Responses say it all again when a part is done.
_PIECES: Final = re.compile(
    rb'"(?:text|content|thinking|reasoning_content|reasoning|refusal|tool_plan|name|arguments|partial_json|input)"'
    rb'\s*:\s*("(?:[^"\\]|\\.)*")'
)
_DELTAS: Final = re.compile(rb'"(?:delta|name)"\s*:\s*("(?:[^"\\]|\\.)*")')
_REST_OF_TEXT: Final = re.compile(rb'(?:[^"\\]|\\.)*"')
_NULL: Final = b"null"


def find_usage(tail: bytes) -> tuple[bytes, str | None] | None:
    """Return the last whole usage object in these bytes as JSON, and the model named nearest before it, or after."""
    tail = _without_parts(tail)
    found = _find(tail)
    return None if found is None else (found[0], _model_near(tail, found[1]))


def cut_usage(tail: bytes) -> bytes | None:
    """As `find_usage`, for who knows the model."""
    found = _find(_without_parts(tail))
    return None if found is None else found[0]


def _without_parts(tail: bytes) -> bytes:
    parts = tail.rfind(_PARTS_KEY)
    if parts < 0:
        return tail
    in_parts = _value_after(tail, parts + len(_PARTS_KEY), b"{", b"}", dict[str, Raw])
    return tail[:parts] + (tail[tail.index(in_parts[0], parts) + len(in_parts[0]) :] if in_parts else b"")


def _find(tail: bytes) -> tuple[bytes, int] | None:
    for key in _KEYS:
        end = len(tail)
        broken = 0
        while broken < _MAX_BROKEN and (at := tail.rfind(key, 0, end)) >= 0:
            start = _start_after(tail, at + len(key), b"{")
            if start >= 0:
                found = _whole_value(tail, start, b"}", dict[str, Raw])
                if found is not None:
                    return found[0], at
                broken += 1
            end = at
    return None


def find_usage_around(head: bytes, tail: bytes) -> tuple[bytes, str | None] | None:
    """Return the usage that a stream tells of as it begins and as it ends: one object of both, the later news last."""
    last = find_usage(tail)
    at = head.find(_KEYS[0])
    first = None if at < 0 else _value_after(head, at + len(_KEYS[0]), b"{", b"}", dict[str, Raw])
    if first is None or last is None:
        return last if first is None else (first[0], _model_near(head, at))
    news = {name: value for name, value in decode_members(last[0]).items() if bytes(value) != _NULL}
    return msgspec.json.encode({**first[1], **news}), _model_near(head, at) or last[1]


def estimate_said(dialect: Dialect, tail: bytes, total: int) -> int:
    """Return about how many tokens a stream of `total` bytes has said that ends with this tail.

    What is not in the tail is taken to be as dense as what is.
    """
    if not tail:
        return 0
    count = TokenCount()
    rest = _REST_OF_TEXT.match(tail) if total > len(tail) else None
    if rest is not None:  # the tail may begin inside a text
        _add_text(count, b'"' + rest[0])
    for found in (_DELTAS if dialect is Dialect.OPENAI_RESPONSES else _PIECES).finditer(tail):
        _add_text(count, found[1])
    return count.tokens * total // len(tail)


def _add_text(count: TokenCount, text: bytes) -> None:
    try:
        count.add(decode_text(text))
    except (msgspec.DecodeError, ValueError):
        pass  # a string that the cut made of two


def _model_near(data: bytes, at: int) -> str | None:
    for key_at in (data.rfind(_MODEL_KEY, 0, at), data.find(_MODEL_KEY, at)):
        if key_at >= 0:
            found = _value_after(data, key_at + len(_MODEL_KEY), b'"', b'"', str)
            if found is not None:
                model: str = found[1]
                return model
    return None


def _value_after(data: bytes, position: int, opener: bytes, closer: bytes, expected: Any) -> tuple[bytes, Any] | None:
    """Return the value after a colon, raw and decoded; None where none is whole."""
    start = _start_after(data, position, opener)
    return None if start < 0 else _whole_value(data, start, closer, expected)


def _start_after(data: bytes, position: int, opener: bytes) -> int:
    """Return where the value after a colon begins; -1 where no such value does."""
    position = _skip_spaces(data, position)
    if data[position : position + 1] != b":":
        return -1
    start = _skip_spaces(data, position + 1)
    return start if data[start : start + 1] == opener else -1


def _whole_value(data: bytes, start: int, closer: bytes, expected: Any) -> tuple[bytes, Any] | None:
    """Return what lies up to the first closer that makes it whole, raw and decoded."""
    end = start
    for _ in range(_MAX_CLOSERS):
        end = data.find(closer, end + 1, start + _MAX_BYTES)
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

"""The sentence in a provider's error body, whichever of its envelopes it came in.

Seen in the wild: `{"error": {"message"}}`, `{"error": "…"}`, `{"message": "…"}`, `{"message": {"detail": […]}}`,
`{"detail": "…"}` and `{"detail": [{"loc", "msg", "type"}]}`.
"""

from typing import Final

import msgspec

from gantry.dialects.chat_chunk import has_value
from gantry.dialects.chat_shapes import Chunk
from gantry.dialects.members import UNREADABLE

_MESSAGE_LIMIT: Final = 1000
_MAX_DEPTH: Final = 4


def error_message(chunk: Chunk) -> str | None:
    """Return the message of an error body in any of the envelopes providers use."""
    for raw in (chunk.error, chunk.message, chunk.detail):
        if has_value(raw):
            try:
                found = find_message(msgspec.json.decode(raw))
            except UNREADABLE:
                continue
            return clip_message(found) or None
    return None


def find_message(value: object, depth: int = 0) -> str:
    """Return the sentence in a value of an error body; nothing where there is none."""
    if isinstance(value, str):
        return value
    if depth > _MAX_DEPTH:
        return ""
    if isinstance(value, list):
        return "; ".join(filter(None, (find_message(item, depth + 1) for item in value)))
    if isinstance(value, dict):
        for key in ("message", "msg", "detail", "error"):
            if value.get(key):
                where = value.get("loc")
                prefix = ".".join(map(str, where)) + ": " if isinstance(where, list) else ""
                return prefix + find_message(value[key], depth + 1)
    return ""


def clip_message(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= _MESSAGE_LIMIT else joined[: _MESSAGE_LIMIT - 1] + "…"

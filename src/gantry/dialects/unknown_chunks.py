"""Chunks that an SDK did not know: Mistral's clients wrap them, and the API takes only what is inside.

`{"type": "UNKNOWN", "raw": {…}, "is_unknown": true}` stands for `{…}`. Law: what holds no such wrapper keeps its bytes.
"""

from typing import Final

import msgspec
from msgspec import Raw

from gantry.dialects.members import UNREADABLE

_MARK: Final = b'"is_unknown"'
_DEPTH: Final = 12
_decode: Final = msgspec.json.Decoder(dict[str, Raw] | list[Raw]).decode


def unwrap_unknown(document: bytes, depth: int = _DEPTH) -> bytes:
    """Return a JSON document with every wrapped chunk in it replaced by what it wraps."""
    if _MARK not in document or not depth:
        return document
    try:
        value = _decode(document)
    except UNREADABLE:
        return document
    if isinstance(value, list):
        return msgspec.json.encode([Raw(unwrap_unknown(bytes(item), depth - 1)) for item in value])
    raw = value.get("raw")
    if raw is not None and bytes(value.get("is_unknown", Raw())) == b"true":
        return unwrap_unknown(bytes(raw), depth - 1)
    return msgspec.json.encode({name: Raw(unwrap_unknown(bytes(item), depth - 1)) for name, item in value.items()})

"""Media inside JSON strings: known by their form, and shown by their size.

Law: a text that a person may have written is never taken for media: base64 counts from 256 characters on, without a
space in it.
"""

import re
from typing import Final

from msgspec import Raw

_DATA_URL: Final = re.compile(r"data:([\w.+/-]{0,100})((?:;[\w=.+-]{1,100}){0,4}),")
_NOTE: Final = re.compile(rb'"\[(\d{1,15}) bytes[ \]]')
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{256,}+={0,2}\Z")


def media_note(text: str) -> str | None:
    """Return what stands for the media that a string is; None when it is none."""
    if text.startswith("data:"):
        found = _DATA_URL.match(text)
        if found is not None:
            size = len(text) - found.end()
            return size_note(size * 3 // 4 if ";base64" in found[2] else size, found[1])
    if len(text) >= 256 and _BASE64.match(text) is not None:
        return size_note(len(text.rstrip("=")) * 3 // 4, "")
    return None


def size_note(size: int, content_type: str) -> str:
    """Return a note of something left out."""
    kind = f" of {content_type}" if content_type else ""
    return f"[{size} bytes{kind}]"


def decoded_size(raw: bytes | Raw) -> int | None:
    """Return the bytes in a JSON string of base64, or in the note that stands for it; None when it is no string."""
    quoted = bytes(raw)
    if not quoted.startswith(b'"'):
        return None
    note = _NOTE.match(quoted)
    return int(note[1]) if note is not None else (len(quoted) - 2 - quoted.count(b"=")) * 3 // 4

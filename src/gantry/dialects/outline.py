"""A JSON document in a few words: for the log of operations on files, agents, batches and the like.

Law: bounded, whatever the document: long texts are clipped, long lists and deep objects counted, media given by size.
Nulls are left out, and so is the query of an URL, which in a signed one is a credential.
"""

from typing import Any, Final

import msgspec

from gantry.dialects.media import media_note
from gantry.dialects.members import UNREADABLE

_TEXT_LIMIT: Final = 2000
_ITEMS: Final = 20
_MEMBERS: Final = 60
_DEPTH: Final = 6


def outline(document: bytes) -> bytes | None:
    """Return a JSON document in a few words; None when it is not JSON."""
    try:
        return msgspec.json.encode(outlined(msgspec.json.decode(document)))
    except UNREADABLE:
        return None


def outlined(value: Any, depth: int = 0) -> Any:
    """Return a decoded value in a few words."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        if depth >= _DEPTH:
            return f"[{len(value)} items]"
        if len(value) > _ITEMS and all(isinstance(item, int | float) for item in value):
            return f"[{len(value)} numbers]"
        items = [outlined(item, depth + 1) for item in value[:_ITEMS]]
        return [*items, f"[{len(value) - _ITEMS} more]"] if len(value) > _ITEMS else items
    if isinstance(value, dict):
        if depth >= _DEPTH:
            return f"[{len(value)} members]"
        present = [(name, member) for name, member in value.items() if member is not None]
        shown = {_text(name): outlined(member, depth + 1) for name, member in present[:_MEMBERS]}
        return {**shown, "…": f"[{len(present) - _MEMBERS} more]"} if len(present) > _MEMBERS else shown
    return value


def _text(text: str) -> str:
    note = media_note(text)
    if note is not None:
        return note
    if text.startswith(("https://", "http://")) and "?" in text:
        text = text.partition("?")[0] + "?…"
    if len(text) <= _TEXT_LIMIT:
        return text
    return f"{text[:_TEXT_LIMIT]}… [{len(text)} characters]"

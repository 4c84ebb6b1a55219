"""A member of a JSON object that is stored as text, for SQLite to ask for.

Law: what PostgreSQL's `->>` returns: a string as what it says, anything else as it is written; nothing for null, for a
name that is not there, and for text that is no JSON object. SQLite's own functions parse twice and take twice as long.
"""

from typing import Final

import msgspec
from msgspec import Raw

_decode_members: Final = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)


def member_in_text(text: str | None, name: str) -> str | None:
    """Return the text of one member of an object."""
    if text is None:
        return None
    try:
        found = _decode_members(text).get(name)
        if found is None:
            return None
        written = bytes(found)
        if written.startswith(b'"'):
            return _decode_text(written)
    except _UNREADABLE:
        return None
    return None if written == b"null" else written.decode()

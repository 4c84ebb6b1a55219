"""What a tool said, between Gemini's objects and the text of everybody else.

Law: there and back gives the same. Plain text is `{"result": text}`, an error `{"error": text}`, both as Google
documents them; any other object is its own JSON text, and JSON text that is an object goes as that object.
Spec: https://ai.google.dev/api/caching#FunctionResponse
"""

from typing import Any, Final

from msgspec import Raw

from gantry.dialects.members import UNREADABLE, Members, decode_members, decode_text

_RESULT: Final = "result"
_ERROR: Final = "error"


def text_of_response(response: Raw) -> tuple[str, bool]:
    """Return what a response says, and whether it is an error's. Raises msgspec's errors when it is no object."""
    members = decode_members(response)
    is_error = set(members) == {_ERROR}
    if is_error or set(members) == {_RESULT}:
        text = _plain_text(members)
        if text is not None:
            return text, is_error
    return bytes(response).decode(), is_error


def response_of_text(text: str, *, is_error: bool) -> Any:
    """Return the object that says this to the model."""
    members = _object_in(text)
    if members is not None and (not is_error or set(members) == {_ERROR}):
        return Raw(text.strip().encode())
    return {_ERROR if is_error else _RESULT: text}


def _plain_text(members: Members) -> str | None:
    """Return the one member's text, unless on its way back it would be taken for an object."""
    (value,) = members.values()
    if not bytes(value).startswith(b'"'):
        return None
    text = decode_text(value)
    return text if _object_in(text) is None else None


def _object_in(text: str) -> Members | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        return decode_members(text)
    except UNREADABLE:
        return None

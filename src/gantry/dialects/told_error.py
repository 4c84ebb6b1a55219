"""What an error body says of its error, wherever a provider puts it: codes, types, message, and a status of its own.

Law: it never raises, and its work is bounded. What is no JSON says no more than its text; JSON that is too large or cut
off says nothing, for what is left of it could be the caller's own words.

Seen in the wild: `{"code", "type", "message"}` (Mistral), `{"error": {…}}` (OpenAI, and with a `type` beside it
Anthropic), `{"error": {"code", "status", "details"}}`, also in a list (Google), `{"response": {"error"}}` (Responses),
`{"errors": [{…}]}` (Cloudflare), `{"__type", "message"}` and a header (Amazon), `{"message"}`, `{"detail"}`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import Struct

from gantry.dialects.error_message import find_message
from gantry.dialects.members import UNREADABLE

_MOST_READ: Final = 64 * 1024
_MOST_TEXT: Final = 4096  # characters of a message, and of a body that is no JSON
_LONGEST_NAME: Final = 200  # characters of a code or a type
_MOST_ITEMS: Final = 16  # of a list
_DEEPEST: Final = 3
_WRAPPERS: Final = ("error", "response", "errors")
_TYPES: Final = ("type", "status", "__type")
_REASONS: Final = ("code", "reason", "quotaId", "error_code")
_EXCEPTION: Final = b"x-amzn-errortype"
_JSON: Final = (b"{", b"[")


class ToldError(Struct, frozen=True):
    """What was said. `status` is the HTTP status that the error itself names; `message` is in lower case."""

    codes: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    message: str = ""
    status: int | None = None


def read_told_error(fields: Mapping[bytes, bytes], body: bytes) -> ToldError:
    """Return what an answer's headers and body say of its error."""
    types = set()
    exception = fields.get(_EXCEPTION, b"").decode("latin-1").partition(":")[0]
    if exception:
        types.add(exception)
    start = body[:_MOST_READ].lstrip()
    if not start.startswith(_JSON):
        return ToldError(types=frozenset(types), message=start[:_MOST_TEXT].decode("utf-8", "replace").lower())
    codes: set[str] = set()
    messages = []
    try:
        errors = list(_unwrap(msgspec.json.decode(body))) if len(body) <= _MOST_READ else []
        for error in errors:
            codes.update(_names_in(error, _REASONS))
            codes.update(_reasons_among(error.get("details")))
            types.update(name.rpartition("#")[2] for name in _names_in(error, _TYPES))
            messages.append(find_message(error))
    except UNREADABLE:
        return ToldError(types=frozenset(types))
    message = "; ".join(dict.fromkeys(messages))[:_MOST_TEXT].lower()
    return ToldError(frozenset(codes), frozenset(types), message, _status_among(errors))


def _unwrap(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the objects that may tell of the error: the body itself, and what it wraps."""
    if isinstance(value, list):
        for item in islice(value, _MOST_ITEMS):
            yield from _unwrap(item, depth + 1)
    elif isinstance(value, dict):
        yield value
        if depth < _DEEPEST:
            for name in _WRAPPERS:
                yield from _unwrap(value.get(name), depth + 1)


def _names_in(error: Mapping[str, Any], members: tuple[str, ...]) -> Iterator[str]:
    for member in members:
        value = error.get(member)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_NAME:
            yield value


def _reasons_among(details: Any) -> Iterator[str]:
    """Yield the reasons in an error's details: Google's list with the quotas that are used up, Anthropic's object."""
    for detail in islice(details, _MOST_ITEMS) if isinstance(details, list) else (details,):
        if isinstance(detail, dict):
            yield from _names_in(detail, _REASONS)
            violations = detail.get("violations")
            if isinstance(violations, list):
                for violation in islice(violations, _MOST_ITEMS):
                    if isinstance(violation, dict):
                        yield from _names_in(violation, _REASONS)


def _status_among(errors: list[dict[str, Any]]) -> int | None:
    for error in errors:
        for member in ("code", "status", "raw_status_code"):
            value = error.get(member)
            if isinstance(value, str) and len(value) == 3 and value.isdecimal():
                value = int(value)
            if isinstance(value, int) and 400 <= value <= 599:
                return value
    return None

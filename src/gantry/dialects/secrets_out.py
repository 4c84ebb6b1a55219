"""Taking credentials out of a JSON body before it may reach a journal (law 8).

Law: what holds no suspicious name is returned as the same bytes; elsewhere only the objects on the way to a credential
are rebuilt and every other value keeps its bytes. Names are compared decoded, so an escaped spelling hides nothing.
"""

from typing import Final

import msgspec
from msgspec import Raw

from gantry.core.errors import InvalidRequest

# Gone wherever they stand: no other meaning is known for them.
_CREDENTIALS: Final = frozenset({"customer_credentials", "credential_override", "customer_api_keys"})
# Gone when they hold a string (or, for `credentials`, an object): as a property of a tool's schema they are kept.
_KEYS: Final = frozenset({"api_key", "apikey", "api-key", "authorization", "x-api-key", "x-goog-api-key"})
_NESTED: Final = "credentials"
_SUSPICIOUS: Final = (b"credential", b"api_key", b"apikey", b"api-key", b"authorization", b"customer_api_keys")
_MAX_DEPTH: Final = 64


def strip_secrets(body: bytes) -> bytes:
    """Return a JSON body without credentials. Raises InvalidRequest when a suspicious body is not JSON."""
    if not _is_suspicious(body):
        return body
    try:
        return _strip(body, 0)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidRequest("the body must be a JSON object: it could not be read") from None


def _strip(value: bytes, depth: int) -> bytes:
    if not _is_suspicious(value):
        return value
    if depth > _MAX_DEPTH:
        return b"null"
    value = value.strip()
    if value.startswith(b"{"):
        members = msgspec.json.decode(value, type=dict[str, Raw])
        kept = {
            name: Raw(_strip(bytes(raw), depth + 1))
            for name, raw in members.items()
            if not _is_credential(name, bytes(raw))
        }
        return msgspec.json.encode(kept)
    if value.startswith(b"["):
        items = msgspec.json.decode(value, type=list[Raw])
        return b"[" + b",".join(_strip(bytes(item), depth + 1) for item in items) + b"]"
    return value


def _is_credential(name: str, value: bytes) -> bool:
    lowered = name.lower()
    if lowered in _CREDENTIALS:
        return True
    if lowered in _KEYS:
        return value.lstrip().startswith(b'"')
    return lowered == _NESTED and value.lstrip().startswith((b"{", b'"'))


def _is_suspicious(value: bytes) -> bool:
    lowered = value.lower()
    return any(name in lowered for name in _SUSPICIOUS) or b"\\u" in lowered

"""What is derived around signing in, and therefore stored nowhere: digests of sessions, their guard against forged
requests, the token of the first start, and links that set a password anew. Pure.

Law: each is an HMAC under the home's session key with a word of its own in front, so that none passes for another. They
are compared in constant time.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec
from msgspec import Struct

TOKEN_BYTES: Final = 32
_LONGEST: Final = 512


def text_of(entropy: bytes) -> str:
    """Return bytes as they stand in a cookie or a link."""
    return urlsafe_b64encode(entropy).rstrip(b"=").decode()


def bytes_of(text: str) -> bytes:
    """Return what `text_of` was made of. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def session_digest(key: bytes, token: str) -> bytes:
    """Return that by which a session is stored and found."""
    return _mac(key, "session", token)


def invitation_digest(key: bytes, token: str) -> bytes:
    """Return that by which an invitation is stored and found."""
    return _mac(key, "invitation", token)


def csrf_token(key: bytes, session: bytes) -> str:
    """Return what a page sends along to show that it was given it by us; `session` is the digest."""
    return text_of(_mac(key, "csrf", session.hex()))


def setup_token(key: bytes, organization_id: str) -> str:
    """Return that by which the first person claims an instance, whose first organization this is."""
    return text_of(_mac(key, "setup", organization_id))


class Reset(Struct, frozen=True, array_like=True):
    """Whose password may be set anew, until when (ns since the epoch)."""

    person_id: str
    until: int


def reset_token(key: bytes, reset: Reset, password: str | None) -> str:
    """Return a link's token. It holds for the password that the person has, and so for one use."""
    said = msgspec.json.encode(reset)
    return f"{text_of(said)}.{text_of(_mac(key, 'reset', said.decode(), password or ''))}"


def read_reset(token: str) -> Reset | None:
    """Return what a token says, which only `is_same` with `reset_token` of it proves; None where it says nothing."""
    said = token[:_LONGEST].partition(".")[0]
    try:
        return msgspec.json.decode(bytes_of(said), type=Reset)
    except (ValueError, msgspec.DecodeError, msgspec.ValidationError):
        return None


def is_same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode(), right.encode())


def _mac(key: bytes, purpose: str, *parts: str) -> bytes:
    said = msgspec.json.encode((purpose, *parts))  # JSON, so that no two lists of parts read the same
    return hmac.digest(key, said, hashlib.sha256)

"""The form of our API keys: `gk_` + 8-character public prefix + `_` + 43 characters + 6-character checksum.

Law: a key is shown once and kept only as HMAC-SHA-256 under a pepper derived from the master key. The checksum lets a
typo, or a leaked string in a repository, be told from a key without asking anybody. Base62 and `_` only: a double click
selects all of it. 43 base62 characters hold 256 bits.
"""

import hashlib
import hmac
import re
import zlib

from gantry.core.secret import Secret

KEY_START = "gk_"
PREFIX_LENGTH = 8
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6
KEY_LENGTH = len(KEY_START) + PREFIX_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH
ENTROPY_BYTES = 38  # 6 for the prefix, 32 for the secret

_LIKE_A_KEY = re.compile(rf"{KEY_START}[0-9A-Za-z]{{{PREFIX_LENGTH}}}_[0-9A-Za-z]{{{SECRET_LENGTH}}}")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def format_key(entropy: bytes) -> Secret:
    """Return a new key made of 38 random bytes."""
    if len(entropy) != ENTROPY_BYTES:
        raise ValueError(f"an API key needs {ENTROPY_BYTES} random bytes, not {len(entropy)}")
    prefix = _base62(int.from_bytes(entropy[:6], "big"), PREFIX_LENGTH)
    body = f"{KEY_START}{prefix}_{_base62(int.from_bytes(entropy[6:], 'big'), SECRET_LENGTH)}"
    return Secret(body + _checksum(body))


def has_key_form(token: str) -> bool:
    """Say whether a string is a well-formed key: its length, its separators and its checksum."""
    return (
        len(token) == KEY_LENGTH
        and token.isascii()
        and token.startswith(KEY_START)
        and token[-CHECKSUM_LENGTH:] == _checksum(token[:-CHECKSUM_LENGTH])
    )


def holds_key(text: str) -> bool:
    """Say whether one of our keys, or what looks like one, stands somewhere in a text."""
    return KEY_START in text and _LIKE_A_KEY.search(text) is not None


def public_prefix(token: str) -> str:
    """Return the 8 characters that may be shown to tell keys apart."""
    return token[len(KEY_START) : len(KEY_START) + PREFIX_LENGTH]


def key_digest(token: str, pepper: bytes) -> bytes:
    """Return the 32 bytes under which a key is stored and looked up."""
    return hmac.digest(pepper, token.encode(), hashlib.sha256)


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        characters.append(_ALPHABET[digit])
    return "".join(reversed(characters))

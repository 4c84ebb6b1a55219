"""What a model's maker hands out and knows again: thinking nobody else may read, tokens nobody else may make.

Law: a seal carries its own proof; nothing is remembered for it.
"""

import base64
import hashlib
import hmac

_SECRET = b"simulated"
_HALF = 32


def sealed(*words: str) -> bytes:
    """Return the same 64 bytes each time for the same words."""
    hidden = hashlib.blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=_HALF).digest()
    return hidden + hmac.digest(_SECRET, hidden, "sha256")


def is_sealed(raw: bytes) -> bool:
    return hmac.compare_digest(raw[_HALF:], hmac.digest(_SECRET, raw[:_HALF], "sha256"))


def decoded(text: str) -> bytes:
    """Return the bytes of base64 in either alphabet, padded or not; nothing if it is neither."""
    try:
        return base64.b64decode(text.translate(_STANDARD) + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return b""


_STANDARD = str.maketrans("-_", "+/")

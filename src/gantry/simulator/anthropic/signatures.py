"""The seal on thinking: what is shown of it carries a signature, what is not is only a seal.

Law: a seal says whether it was made here for these words; nothing is remembered for it.
"""

import base64
import hashlib
import hmac

_SECRET = b"simulated"
_SIZE = 96


def sign(thinking: str) -> str:
    return _sealed(b"\x12\xb7\x01", thinking.encode("utf-8", "surrogatepass"))


def is_signature(signature: str, thinking: str) -> bool:
    """`thinking` may be empty, where a client was shown none of it."""
    return hmac.compare_digest(signature.encode(), sign(thinking).encode())


def redact(thinking: str) -> str:
    """Return sealed data that stands for thinking nobody may read."""
    hidden = hashlib.blake2b(thinking.encode("utf-8", "surrogatepass"), digest_size=32).digest()
    return base64.b64encode(hidden + hmac.digest(_SECRET, hidden, "sha256")).decode()


def is_redacted(data: str) -> bool:
    try:
        raw = base64.b64decode(data, validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(raw[32:], hmac.digest(_SECRET, raw[:32], "sha256"))


def _sealed(mark: bytes, words: bytes) -> str:
    seal = hashlib.shake_128(hmac.digest(_SECRET, words, "sha256")).digest(_SIZE)
    return base64.b64encode(mark + seal).decode()

"""Thought signatures: data only the maker can read. Law: one made here is known again, whatever it is attached to."""

import base64
import hashlib
import hmac

_SECRET = b"simulated"
# What Google lets a client send in place of a signature it never had.
_SKIP = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")


def sign(*thoughts: str) -> str:
    body = hashlib.blake2b("\0".join(thoughts).encode("utf-8", "surrogatepass"), digest_size=48).digest()
    return base64.b64encode(body + hmac.digest(_SECRET, body, "sha256")).decode()


def is_signature(given: str) -> bool:
    if given in _SKIP:
        return True
    try:
        raw = base64.b64decode(given.replace("-", "+").replace("_", "/") + "=" * (-len(given) % 4), validate=True)
    except ValueError:
        return False
    if raw.decode("latin-1") in _SKIP:
        return True
    return hmac.compare_digest(raw[48:], hmac.digest(_SECRET, raw[:48], "sha256"))

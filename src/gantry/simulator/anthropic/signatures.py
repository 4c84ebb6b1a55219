"""What seals thinking: what is shown of it carries a signature for these very words, what is not is only a seal."""

import base64
import hmac

from gantry.simulator.seal import decoded, is_sealed, sealed

_MARK = b"\x12\xb7\x01"


def sign(thinking: str) -> str:
    """`thinking` may be empty, where a client is shown none of it."""
    return base64.b64encode(_MARK + sealed(thinking)).decode()


def is_signature(signature: str, thinking: str) -> bool:
    return hmac.compare_digest(signature.encode(), sign(thinking).encode())


def redact(thinking: str) -> str:
    """Return data that stands for thinking nobody may read."""
    return base64.b64encode(sealed(thinking)).decode()


def is_redacted(data: str) -> bool:
    return is_sealed(decoded(data))

"""The RSA key that a service account signs with.

Imported with the first account alone: what cryptography knows of keys is 1.2 MB of each worker that never signs.
"""

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_SMALLEST: Final = 2048  # bits
_LONGEST_PEM: Final = 4096  # characters, of a key of 4096 bits; a larger one takes its time to check and to sign


class KeyRefused(ValueError):
    """It is no key that can sign here; the message says why, as what follows the field's name."""


def load_key(pem: str) -> RSAPrivateKey:
    """Return the key in PEM. Raises KeyRefused."""
    if len(pem) > _LONGEST_PEM:
        raise KeyRefused(f"is longer than {_LONGEST_PEM} characters")
    try:
        # Whether its numbers are primes takes a tenth of a second to find out, in which a worker would serve nobody; a
        # key that is none signs nothing that Google takes.
        key = load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyRefused("is not a PEM key") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SMALLEST:
        raise KeyRefused(f"must be RSA of {_SMALLEST} bits")
    return key


def sign(pem: str, message: bytes) -> bytes:
    """Return the signature of a message (RS256). Raises KeyRefused."""
    return load_key(pem).sign(message, PKCS1v15(), SHA256())

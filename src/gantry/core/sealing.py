"""Sealing: AES-256-GCM with a key id and associated data, for the vault and for the snapshot.

A sealed value is `key id (4 bytes) | nonce (12) | ciphertext and tag`. The associated data binds it to its place (which
organization, which credential, which field), so a value moved elsewhere does not open. Nonces come from the caller.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
_KEY_ID_BYTES = 4


class SealBroken(ValueError):
    """The value was not sealed by a key of this ring, for this place, or was changed since."""


def derive_key(master: bytes, purpose: str) -> bytes:
    """Return the 32-byte key for one purpose (HKDF-Expand with SHA-256, one block; RFC 5869 §2.3)."""
    return hmac.digest(master, b"gantry/" + purpose.encode() + b"\x01", hashlib.sha256)


def key_id_of(key: bytes) -> bytes:
    return hashlib.sha256(b"gantry/key-id" + key).digest()[:_KEY_ID_BYTES]


class Sealer:
    """A ring of keys: seals with the first, opens with any."""

    def __init__(self, *keys: bytes, nonce: Callable[[], bytes]) -> None:
        self._current = key_id_of(keys[0])
        self._ciphers: Mapping[bytes, AESGCM] = {key_id_of(key): AESGCM(key) for key in keys}
        self._nonce = nonce

    def seal(self, plaintext: bytes, place: bytes) -> bytes:
        nonce = self._nonce()
        return self._current + nonce + self._ciphers[self._current].encrypt(nonce, plaintext, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return the plaintext. Raises SealBroken."""
        cipher = self._ciphers.get(sealed[:_KEY_ID_BYTES])
        if cipher is None:
            raise SealBroken("sealed with a master key that this home does not have")
        nonce = sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + NONCE_BYTES]
        try:
            return cipher.decrypt(nonce, sealed[_KEY_ID_BYTES + NONCE_BYTES :], place)
        except (InvalidTag, ValueError):  # the second of what is too short to have been sealed
            raise SealBroken("the sealed value was changed, or belongs to another place") from None

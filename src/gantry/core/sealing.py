"""Sealing: AES-256-GCM with a key id and associated data, for the vault and for the snapshot.

A sealed value is `key id (4 bytes) | nonce (12) | ciphertext and tag`. The associated data binds it to its place (which
organization, which credential, which field), so a value moved elsewhere does not open. Nonces come from the caller.

The cipher is imported by the first ring that is used: the supervisor has rings and uses none, and it is 7 MB.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any

from msgspec import Struct

KEY_BYTES = 32
NONCE_BYTES = 12
_KEY_ID_BYTES = 4
_CIPHERS = "cryptography.hazmat.primitives.ciphers.aead"
_FAULTS = "cryptography.exceptions"


class SealBroken(ValueError):
    """The value was not sealed by a key of this ring, for this place, or was changed since."""


def derive_key(master: bytes, purpose: str) -> bytes:
    """Return the 32-byte key for one purpose (HKDF-Expand with SHA-256, one block; RFC 5869 §2.3)."""
    return hmac.digest(master, b"gantry/" + purpose.encode() + b"\x01", hashlib.sha256)


def key_id_of(key: bytes) -> bytes:
    return hashlib.sha256(b"gantry/key-id" + key).digest()[:_KEY_ID_BYTES]


class _Ring(Struct, frozen=True):
    """Keys with the cipher of each, by their ids."""

    keys: tuple[bytes, ...]
    current: bytes
    by_id: Mapping[bytes, Any]


class Sealer:
    """A ring of keys: seals with the first, opens with any.

    `look` returns the keys as they are now, the same tuple while they are the same: they may change while a process
    runs. It is asked before something is sealed, and where something was sealed by a key that is not known yet.
    """

    def __init__(
        self, *keys: bytes, nonce: Callable[[], bytes], look: Callable[[], tuple[bytes, ...]] | None = None
    ) -> None:
        self._nonce = nonce
        self._look = look
        self._keys = look() if look is not None else keys
        self._ring: _Ring | None = None

    def _renew(self) -> None:
        if self._look is not None:
            self._keys = self._look()

    @property
    def _ciphers(self) -> "_Ring":
        """The ciphers of the keys as they were when these were last looked for."""
        keys, ring = self._keys, self._ring
        if ring is None or ring.keys is not keys:
            cipher = import_module(_CIPHERS).AESGCM
            ring = self._ring = _Ring(keys, key_id_of(keys[0]), {key_id_of(key): cipher(key) for key in keys})
        return ring

    @cached_property
    def _refusals(self) -> tuple[type[Exception], ...]:
        return import_module(_FAULTS).InvalidTag, ValueError  # the second of what is too short to have been sealed

    def seal(self, plaintext: bytes, place: bytes) -> bytes:
        self._renew()
        ring, nonce = self._ciphers, self._nonce()
        sealed: bytes = ring.by_id[ring.current].encrypt(nonce, plaintext, place)
        return ring.current + nonce + sealed

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return the plaintext. Raises SealBroken."""
        cipher = self._ciphers.by_id.get(sealed[:_KEY_ID_BYTES])
        if cipher is None:
            self._renew()
            cipher = self._ciphers.by_id.get(sealed[:_KEY_ID_BYTES])
        if cipher is None:
            raise SealBroken("sealed with a master key that this home does not have")
        nonce = sealed[_KEY_ID_BYTES : _KEY_ID_BYTES + NONCE_BYTES]
        try:
            opened: bytes = cipher.decrypt(nonce, sealed[_KEY_ID_BYTES + NONCE_BYTES :], place)
        except self._refusals:
            raise SealBroken("the sealed value was changed, or belongs to another place") from None
        return opened

    def is_current(self, sealed: bytes) -> bool:
        """Say whether a value was sealed by the key that seals now."""
        return sealed.startswith(self.key_id)

    @property
    def key_id(self) -> bytes:
        """By what the key goes that seals now."""
        self._renew()
        return key_id_of(self._keys[0])

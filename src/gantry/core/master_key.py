"""The master key: what seals, and by what things go on being known when another one takes its place. Pure.

API keys, resources and what is remembered of turns are known by digests under keys that the first master key gave. Of
what was digested nothing is kept, so those digests cannot be made again. A rotation therefore hands on the keys of
digests, and only those: they open nothing. The key that seals is new, and what it seals is sealed anew.

Written, it is 64 hexadecimal digits, and after a rotation a dot and the keys of digests behind them.
"""

import re
from typing import Final

from msgspec import Struct

from gantry.core.sealing import KEY_BYTES, derive_key, key_id_of

# In the order in which they are written.
_NAMES: Final = (
    "api-key-pepper",
    "resources",
    "turn-names",
    "response-names",
)
_WRITTEN: Final = re.compile(rf"([0-9a-fA-F]{{{2 * KEY_BYTES}}})(?:\.([0-9a-fA-F]{{{2 * KEY_BYTES * len(_NAMES)}}}))?")


class MasterKey(Struct, frozen=True):
    """`names` are the keys of digests, one after the other; none where they are derived from the key itself."""

    key: bytes
    names: bytes = b""

    @property
    def id(self) -> str:
        """What the key goes by where it is not to be seen."""
        return key_id_of(self.key).hex()

    def name(self, purpose: str) -> bytes:
        """Return the key of digests for a purpose."""
        start = _NAMES.index(purpose) * KEY_BYTES
        return self.names[start : start + KEY_BYTES] or derive_key(self.key, purpose)

    def successor(self, key: bytes) -> "MasterKey":
        """Return the master key that has this key in place of ours, and knows things by what we know them."""
        return MasterKey(key, b"".join(self.name(purpose) for purpose in _NAMES))

    def text(self) -> str:
        return self.key.hex() + ("." + self.names.hex() if self.names else "")

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"


def read_master_key(text: str) -> MasterKey | None:
    """Return the key that is written in a text; None where it is none."""
    found = _WRITTEN.fullmatch(text.strip())
    return None if found is None else MasterKey(bytes.fromhex(found[1]), bytes.fromhex(found[2] or ""))

"""Identifiers: 32 lower-case hex characters in UUIDv7 order, so that sorting by id is sorting by time.

One word when double-clicked, no dashes. Clock and randomness are arguments (law 2): callers at the rim supply them.
Spec: RFC 9562 §5.7.
"""

import struct
from typing import NewType

OrganizationId = NewType("OrganizationId", str)
KeyId = NewType("KeyId", str)
CredentialId = NewType("CredentialId", str)
ProviderId = NewType("ProviderId", str)
LogId = NewType("LogId", str)

ENTROPY_BITS = 74

_pack = struct.Struct(">QQ").pack


def format_id(unix_ms: int, entropy: int) -> str:
    """Return a UUIDv7 as 32 hex characters from milliseconds since the epoch and 74 random bits."""
    high, low = unix_ms << 16 | 7 << 12 | entropy >> 62, 0b10 << 62 | entropy & 0x3FFF_FFFF_FFFF_FFFF
    return _pack(high, low).hex()  # a third faster than to format the numbers

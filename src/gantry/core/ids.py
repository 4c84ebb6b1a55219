"""Identifiers: 32 lower-case hex characters in UUIDv7 order, so that sorting by id is sorting by time.

One word when double-clicked, no dashes. Clock and randomness are arguments (law 2): callers at the rim supply them.
Spec: RFC 9562 §5.7.
"""

from typing import NewType

OrganizationId = NewType("OrganizationId", str)
KeyId = NewType("KeyId", str)
CredentialId = NewType("CredentialId", str)
ProviderId = NewType("ProviderId", str)
LogId = NewType("LogId", str)

ENTROPY_BITS = 74


def format_id(unix_ms: int, entropy: int) -> str:
    """Return a UUIDv7 as 32 hex characters from milliseconds since the epoch and 74 random bits."""
    low = 0b10 << 62 | entropy & 0x3FFF_FFFF_FFFF_FFFF
    return "%012x7%03x%016x" % (unix_ms, entropy >> 62, low)  # noqa: UP031 - a third faster than an f-string


def unix_ms_of(identifier: str) -> int:
    """Return the milliseconds since the epoch that `format_id` put into an id."""
    return int(identifier[:12], 16)

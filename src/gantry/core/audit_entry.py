"""Who does something, and the entry that says what was done. Pure.

Law: an entry holds no secret, and nothing in it changes: its digest is over itself and the digest before it, so that
nobody takes one out or rewrites it and leaves the others as they are.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

FIRST_DIGEST: Final = bytes(32)  # before an organization's first entry


class Actor(StrEnum):
    """What kind of hand it was."""

    PERSON = "person"
    API_KEY = "api_key"
    COMMAND_LINE = "command_line"
    SYSTEM = "system"  # Gantry itself: what gantry.toml and the environment declare


_WORDS: Final[Mapping[Actor, str]] = {
    Actor.PERSON: "person",
    Actor.API_KEY: "API key",
    Actor.COMMAND_LINE: "command line",
    Actor.SYSTEM: "Gantry",
}


class AuditAction(StrEnum):
    """What was done, and to what."""

    ALERT_CHANNEL_ADDED = "alert_channel.added"
    ALERT_CHANNEL_CHANGED = "alert_channel.changed"
    ALERT_CHANNEL_REMOVED = "alert_channel.removed"
    API_KEY_CHANGED = "api_key.changed"
    API_KEY_CREATED = "api_key.created"
    API_KEY_REVOKED = "api_key.revoked"
    API_KEY_ROTATED = "api_key.rotated"
    CACHE_CLEARED = "cache.cleared"
    CREDENTIAL_ADDED = "credential.added"
    CREDENTIAL_CHANGED = "credential.changed"
    CREDENTIAL_REMOVED = "credential.removed"
    CREDITS_ADDED = "credits.added"
    CUSTOMER_CHANGED = "customer.changed"
    CUSTOMER_REMOVED = "customer.removed"
    ERASURE_MADE = "erasure.made"
    INVITATION_ACCEPTED = "invitation.accepted"
    INVITATION_MADE = "invitation.made"
    INVITATION_REVOKED = "invitation.revoked"
    LIMIT_ADDED = "limit.added"
    LIMIT_CHANGED = "limit.changed"
    LIMIT_REMOVED = "limit.removed"
    LOG_REMOVED = "log.removed"
    MASTER_KEY_ROTATED = "master_key.rotated"
    MEMBER_ADDED = "member.added"
    MEMBER_REMOVED = "member.removed"
    MEMBER_ROLE_CHANGED = "member.role_changed"
    MODEL_PUT = "model.put"
    MODEL_REMOVED = "model.removed"
    ORGANIZATION_ADDED = "organization.added"
    ORGANIZATION_RENAMED = "organization.renamed"
    PERSON_IDENTITY_ADDED = "person.identity_added"
    PERSON_PASSWORD_DROPPED = "person.password_dropped"
    PERSON_PASSWORD_SET = "person.password_set"
    PERSON_RENAMED = "person.renamed"
    PERSON_SIGNED_IN = "person.signed_in"
    PERSON_SIGN_IN_FAILED = "person.sign_in_failed"
    PROVIDER_PUT = "provider.put"
    ROUTING_CHANGED = "routing.changed"
    SETTING_CHANGED = "setting.changed"


class Author(Struct, frozen=True):
    """Whose hand it was, by id and by the name it had then."""

    actor: Actor
    id: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{_WORDS[self.actor]} {self.name}".rstrip()


SYSTEM: Final = Author(Actor.SYSTEM)


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One thing that was done in an organization. `at` is ns since the epoch, `number` counts from 1 on; `detail` is a
    JSON object as it is stored.
    """

    organization_id: str
    number: int
    at: int
    author: Author
    action: str
    subject: str
    detail: str

    @property
    def details(self) -> dict[str, Any]:
        details: dict[str, Any] = msgspec.json.decode(self.detail)
        return details


def entry_digest(entry: AuditEntry, before: bytes) -> bytes:
    """Return an entry's link in the chain."""
    return hashlib.sha256(before + msgspec.json.encode(entry)).digest()

"""Taking in a posted log at the door: checked, stripped and answered before its frame is written.

Law: what leaves here may be kept (journal law): no credential, and nothing that the key's content policy withholds. A
client's `unique_id` decides the row, so posting again is storing once.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.money import usd_from_nano
from gantry.core.vocabulary import ContentPolicy
from gantry.dialects.fields import object_members
from gantry.dialects.posted_log import PARAMS, PostedLog, merge_params, read_posted
from gantry.dialects.redact import redact_json
from gantry.dialects.secrets_out import strip_secrets

_NS_PER_SECOND: Final = 1_000_000_000

# What a log may say when its content is withheld: an allow-list, so that a field we do not know is content.
_MEASURES: Final = frozenset(
    """
    model provider_id log_type unique_id usage prompt_tokens completion_tokens total_tokens total_request_tokens
    reasoning_tokens prompt_cache_hit_tokens prompt_cache_creation_tokens cost prompt_unit_price completion_unit_price
    latency generation_time time_to_first_token ttft tokens_per_second start_time timestamp stream status_code status
    finish_reason response_id disable_log temperature top_p max_tokens max_completion_tokens
    """.split()
)
_LABELS: Final = frozenset(
    """
    customer_identifier customer_params customer_name customer_email metadata properties custom_identifier
    group_identifier thread_identifier trace_group_identifier session_identifier trace_unique_id trace_name
    span_unique_id span_parent_id span_name span_path span_workflow_name evaluation_identifier positive_feedback
    error_message warnings
    """.split()
)


class AcceptedLog(Struct, frozen=True):
    """A posted log as its frame keeps it, and the answer to the post."""

    log_id: str
    body: bytes
    answer: dict[str, Any]


def accept_posted(
    body: bytes,
    *,
    organization_id: str,
    environment: str,
    content_policy: ContentPolicy,
    received_at: int,
    new_id: str,
) -> AcceptedLog:
    """Check a posted log and return what may be kept of it. Raises InvalidRequest."""
    stripped = strip_secrets(body)
    posted = read_posted(stripped)
    log_id = new_id if posted.unique_id is None else log_id_of(organization_id, posted.unique_id)
    policy = content_policy
    if posted.disable_log and policy in (ContentPolicy.FULL, ContentPolicy.REDACTED):
        policy = ContentPolicy.METADATA
    answer = answer_of(posted, log_id, organization_id, received_at, environment)
    return AcceptedLog(log_id, withhold(stripped, posted, policy), answer)


def log_id_of(organization_id: str, unique_id: str) -> str:
    """Return the id of the row that a client's `unique_id` means, the same each time: a UUIDv8 as 32 hex digits."""
    digest = hashlib.sha256(f"{organization_id}\0{unique_id}".encode("utf-8", "surrogatepass")).digest()
    number = int.from_bytes(digest[:16], "big")
    number = number & ~(0xF << 76) | (0x8 << 76)
    number = number & ~(0b11 << 62) | (0b10 << 62)
    return f"{number:032x}"


def answer_of(
    posted: PostedLog, log_id: str, organization_id: str, received_at: int, environment: str
) -> dict[str, Any]:
    """Return the answer to the post. `received_at` is in ns and stands in where the log names no time."""
    ended_at = received_at if posted.ended_at is None else posted.ended_at
    return {
        "id": log_id,
        "unique_id": log_id,
        "organization_id": organization_id,
        "customer_identifier": posted.labels.customer_identifier,
        "status": posted.status,
        "cost": None if posted.cost is None else usd_from_nano(posted.cost),
        "timestamp": datetime.fromtimestamp(ended_at / _NS_PER_SECOND, UTC).isoformat().replace("+00:00", "Z"),
        "environment": str(environment),
        "latency": _seconds(posted.latency),
        "time_to_first_token": _seconds(posted.time_to_first_token),
        "prompt_cache_creation_tokens": posted.usage.cache_write_tokens or 0,
        "prompt_cache_hit_tokens": posted.usage.cached_input_tokens or 0,
        "message": "log successful",
    }


def withhold(body: bytes, posted: PostedLog, policy: ContentPolicy) -> bytes:
    """Return a posted body without what the policy withholds; usage found in a raw answer is kept beside it.

    Redacted are the members that are content; labels are what the user finds the log by.
    """
    if policy is ContentPolicy.FULL:
        return body
    allowed = _MEASURES if policy is ContentPolicy.NOTHING else _MEASURES | _LABELS
    members = merge_params(object_members(body, "a posted log"))
    kept = {name: value for name, value in members.items() if name in allowed}
    if policy is ContentPolicy.REDACTED:
        # Parameters within parameters mean nothing, and at the top, where they are now, they would.
        others = members.keys() - kept.keys() - set(PARAMS)
        kept |= {name: Raw(redact_json(bytes(members[name])) or b"null") for name in members if name in others}
    if "usage" not in kept and posted.usage_raw is not None and posted.usage_raw.startswith("{"):
        kept["usage"] = Raw(posted.usage_raw.encode())
    if "model" not in kept and posted.model is not None:
        kept["model"] = Raw(msgspec.json.encode(posted.model))
    return msgspec.json.encode(kept)


def _seconds(duration: int | None) -> float | None:
    return None if duration is None else duration / _NS_PER_SECOND

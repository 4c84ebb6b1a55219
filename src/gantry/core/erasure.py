"""What is erased for a customer, and what is left of its calls: their sums, and rows that say nothing of it.

Law: who was erased is known by a digest under the installation's own key, so a receipt tells nobody who does not know.
"""

import hashlib
import hmac

from msgspec import Struct, structs

from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment


class Erased(Struct, frozen=True, omit_defaults=True):
    """How far an erasure is. `subject` is there while it is under way, and then it is not."""

    subject: str | None = None
    finished_at: int | None = None
    logs: int = 0
    customers: int = 0
    cached_answers: int = 0
    alerts: int = 0
    rejected: int = 0  # records that could not be stored whole


class Erasure(Struct, frozen=True, kw_only=True):
    """A receipt. It covers what began before `erased_at`; `environment` None: in both."""

    id: str
    organization_id: str
    subject_digest: str
    environment: Environment | None
    erased: Erased
    oldest_at: int | None = None
    newest_at: int | None = None
    author: str
    erased_at: int

    def covers(self, log: RequestLog) -> bool:
        """Say whether it is about the time and the environment of a log."""
        return log.started_at <= self.erased_at and self.environment in (None, log.environment)


def subject_digest(pepper: bytes, organization_id: str, customer_identifier: str) -> str:
    """Return by what an erased customer is known."""
    said = f"erasure\0{organization_id}\0{customer_identifier}".encode("utf-8", "surrogatepass")
    return hmac.new(pepper, said, hashlib.sha256).hexdigest()


def without_subject(log: RequestLog) -> RequestLog:
    """Return what a log may still say: what was called, when, and what it cost."""
    return structs.replace(log, **dict.fromkeys(_SAID))


_SAID = tuple(
    """
    customer_identifier customer_name customer_email thread_identifier custom_identifier group_identifier
    trace_unique_id span_unique_id span_parent_id span_name metadata properties extra note error_message warnings
    input output tools tool_calls full_request full_response user_agent usage_raw attempts limit_info
    """.split()
)

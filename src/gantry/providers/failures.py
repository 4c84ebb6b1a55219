"""What a provider's errors say, as rules: the kinds of failure, and the rules that the formats have in common.

Law: a provider's own rules stand in its row, before those of the formats that it speaks; the first that fits wins. A
rule names a source where it is not the format's own documentation.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from gantry.core.vocabulary import Dialect


class FailureKind(StrEnum):
    """Whose fault an error of the provider's is, and so where the same could still go through."""

    CALLER = "caller"  # the same would happen anywhere: it is in the request
    CREDENTIAL = "credential"  # this credential may not, or has no money
    LIMIT = "limit"  # this credential may not now
    CAPACITY = "capacity"  # this model cannot now, whoever asks
    MODEL = "model"  # this model may not be asked here, or has no room for it
    TRANSIENT = "transient"  # the same could well go through


class FailureRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Errors of one kind: those that have all that is given here. `code` and `type` may be patterns: `*PerDay*`."""

    kind: FailureKind
    status: int | None = None
    code: str | None = None  # the error's `code`, or a reason among its details, as text
    type: str | None = None  # the error's `type` (Google: its `status`; Amazon: its exception)
    message: str | None = None  # a part of the error's message, whatever its case
    header: str | None = None  # `name: value`, in lower case, that the answer has

    def explain_fault(self) -> str:
        """Return why this is no rule, in words; nothing where it is one."""
        given = (self.code, self.type, self.message, self.header)
        if self.status is None and all(part is None for part in given):
            return f"a rule for {self.kind} says nothing of the errors that it is for"
        if self.status is not None and not 400 <= self.status <= 599:
            return f"status {self.status} is no error"
        if any(part is not None and not part.strip() for part in given):
            return f"a rule for {self.kind} has an empty condition, which every error would meet"
        if self.header is not None and (": " not in self.header or self.header != self.header.lower()):
            return f"header {self.header!r} must be `name: value` in lower case"
        return ""


_CALLER, _CREDENTIAL, _LIMIT = FailureKind.CALLER, FailureKind.CREDENTIAL, FailureKind.LIMIT
_CAPACITY, _MODEL, _TRANSIENT = FailureKind.CAPACITY, FailureKind.MODEL, FailureKind.TRANSIENT

# https://developers.openai.com/docs/guides/error-codes, and what others who speak its format kept of it. Billing has
# one type and many codes: credit_balance_exhausted, project_spend_limit_exceeded, … `server_is_overloaded` and
# `slow_down` come inside streams as well: https://github.com/Wei-Shaw/sub2api/pull/3476
_OPENAI: Final = (
    FailureRule(kind=_CREDENTIAL, type="insufficient_quota"),
    FailureRule(kind=_CREDENTIAL, code="insufficient_quota"),
    FailureRule(kind=_CREDENTIAL, code="billing_*"),
    FailureRule(kind=_CREDENTIAL, code="invalid_api_key"),
    FailureRule(kind=_MODEL, code="context_length_exceeded"),
    FailureRule(kind=_MODEL, code="model_not_found"),
    FailureRule(kind=_MODEL, status=400, message="maximum context length"),
    FailureRule(kind=_CALLER, code="content_policy_violation"),
    FailureRule(kind=_CALLER, code="content_filter"),
    FailureRule(kind=_CALLER, code="invalid_prompt"),
    FailureRule(kind=_CAPACITY, code="server_is_overloaded"),
    FailureRule(kind=_CAPACITY, code="slow_down"),
    FailureRule(kind=_CAPACITY, status=503, message="overloaded"),
    FailureRule(kind=_LIMIT, code="rate_limit_exceeded"),
)
# https://docs.claude.com/en/api/errors. Money is told of in a 400, too: https://github.com/anthropics/claude-code/issues/4684;
# a month's limit in a 429 with a code among its details:
# https://learn.microsoft.com/microsoft-cloud/dev/dev-proxy/concepts/anthropic-529-overloaded-error
_ANTHROPIC: Final = (
    FailureRule(kind=_CREDENTIAL, type="billing_error"),
    FailureRule(kind=_CREDENTIAL, status=400, message="credit balance is too low"),
    FailureRule(kind=_CREDENTIAL, code="enforced_spend_limit_reached"),
    FailureRule(kind=_MODEL, status=400, message="prompt is too long"),
    FailureRule(kind=_CAPACITY, type="overloaded_error"),
    FailureRule(kind=_CAPACITY, status=529),
)
# https://ai.google.dev/gemini-api/docs/troubleshooting. A failed precondition is a region without a free tier, or no
# billing. Which quota is used up stands among the details: https://github.com/google-gemini/gemini-cli/issues/8437
_GEMINI: Final = (
    FailureRule(kind=_CREDENTIAL, code="API_KEY_INVALID"),
    FailureRule(kind=_CREDENTIAL, type="FAILED_PRECONDITION"),
    FailureRule(kind=_CREDENTIAL, status=429, code="*PerDay*"),
    FailureRule(kind=_MODEL, status=400, message="exceeds the maximum number of tokens"),
    FailureRule(kind=_CAPACITY, type="UNAVAILABLE"),
)
_SHARED: Final[Mapping[Dialect, tuple[FailureRule, ...]]] = {
    Dialect.OPENAI_CHAT: _OPENAI,
    Dialect.OPENAI_RESPONSES: _OPENAI,
    Dialect.ANTHROPIC: _ANTHROPIC,
    Dialect.GEMINI: _GEMINI,
}

# What an error inside a stream says where an answer has its status.
STATUS_OF_TYPE: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limited": 429,
    "api_error": 500,
    "server_error": 500,
    "service_unavailable_error": 503,
    "overloaded_error": 529,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "validationException": 400,
    "throttlingException": 429,
    "serviceUnavailableException": 503,
}


def shared_failures(dialects: Iterable[Dialect]) -> tuple[FailureRule, ...]:
    """Return the rules that the formats have in common, each once."""
    return tuple(dict.fromkeys(rule for dialect in dialects for rule in _SHARED.get(dialect, ())))

"""Google's errors, `google.rpc.Status` as JSON: `{"error": {"code", "message", "status", "details"}}`.

Law: reading never raises. A list of one stands around it where the answer would have been a list.
Spec: https://google.aip.dev/193
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import ProviderError
from gantry.dialects.error_message import clip_message
from gantry.dialects.errors import google_status
from gantry.dialects.members import NULL, UNREADABLE, decode_text

_STATUSES: Final = frozenset(
    """CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED UNAUTHENTICATED
    RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS""".split()
)
_SILENT: Final = "the provider refused and did not say why"


class _Violation(Struct, gc=False):
    field: str | None = None


class _Detail(Struct, rename="camel"):
    reason: str | None = None
    field_violations: list[_Violation] | None = None


class _Status(Struct):
    code: int | str | None = None
    message: str | None = None
    status: str | None = None
    details: Raw = NULL


class _Body(Struct):
    error: Raw = NULL
    message: str | None = None


_decode_body: Final = msgspec.json.Decoder(_Body).decode
_decode_list: Final = msgspec.json.Decoder(list[_Body]).decode
_decode_status: Final = msgspec.json.Decoder(_Status).decode
_decode_details: Final = msgspec.json.Decoder(list[_Detail]).decode


def decode_error(status: int, body: bytes) -> ProviderError:
    """Return a provider's refusal. Never raises."""
    try:
        found = _read_body(body)
    except UNREADABLE:
        return ProviderError(status, clip_message(body[:2000].decode("utf-8", "replace")) or _SILENT)
    if found.error == NULL:
        return ProviderError(status, clip_message(found.message or "") or _SILENT)
    return error_in(found.error, status, keep_status=status >= 400)


def _read_body(body: bytes) -> _Body:
    if body.lstrip()[:1] == b"[":
        return next(iter(_decode_list(body)), _Body())
    return _decode_body(body)


def error_in(raw: Raw, status: int, *, keep_status: bool = False) -> ProviderError:
    """Return the error in an `error` member; its own code is its status, unless the answer's is to stay."""
    try:
        found = _decode_status(raw)
    except UNREADABLE:
        return ProviderError(status, _text_in(raw) or _SILENT)
    code = found.code if isinstance(found.code, int) else None
    own = code if code is not None and 400 <= code <= 599 and not keep_status else status
    reason, field = _read_details(found.details)
    return ProviderError(own, clip_message(found.message or "") or _SILENT, found.status, reason, field)


def _text_in(raw: Raw) -> str:
    try:
        return clip_message(decode_text(raw))
    except UNREADABLE:
        return ""


def _read_details(raw: Raw) -> tuple[str | None, str | None]:
    try:
        details = [] if raw == NULL else _decode_details(raw)
    except UNREADABLE:
        return None, None
    reason = next((detail.reason for detail in details if detail.reason), None)
    fields = (violation.field for detail in details for violation in detail.field_violations or ())
    return reason, next((field for field in fields if field), None)


def error_object(error: ProviderError) -> dict[str, Any]:
    """Return an error as Google's clients read it."""
    status = error.type if error.type in _STATUSES else google_status(error.status)
    return {"error": {"code": error.status, "message": error.message, "status": status}}


def encode_error(error: ProviderError) -> bytes:
    return msgspec.json.encode(error_object(error))

"""Anthropic's errors: `{"type": "error", "error": {"type", "message"}, "request_id"}`, whole and inside a stream.

Format: https://docs.anthropic.com/en/api/errors
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import ProviderError
from gantry.dialects.chat_chunk import read_chunk
from gantry.dialects.error_message import clip_message, error_message
from gantry.dialects.errors import anthropic_type
from gantry.dialects.members import UNREADABLE

_NO_MESSAGE: Final = "the provider answered with an error that has no message"
_STREAM_STATUS: Final = 500
_STATUSES: Final = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class _Details(Struct, gc=False):
    error_code: str | None = None


class _Error(Struct, gc=False):
    type: str | None = None
    message: str | None = None
    details: _Details | None = None


class _Envelope(Struct, gc=False):
    error: _Error


_decode: Final = msgspec.json.Decoder(_Envelope).decode


def read_error(status: int, body: bytes | Raw) -> ProviderError:
    """Return a refusal out of its envelope, or out of that of whatever proxy stood between. Never raises."""
    try:
        error = _decode(body).error
    except UNREADABLE:
        chunk = read_chunk(bytes(body))
        message = None if chunk is None else error_message(chunk)
        return ProviderError(status, message or clip_message(bytes(body).decode("utf-8", "replace")) or _NO_MESSAGE)
    code = None if error.details is None else error.details.error_code
    return ProviderError(status, clip_message(error.message or "") or _NO_MESSAGE, error.type, code)


def read_stream_error(data: bytes) -> ProviderError:
    """Return an error that a stream broke off with, with the status that its type stands for."""
    error = read_error(_STREAM_STATUS, data)
    return msgspec.structs.replace(error, status=_STATUSES.get(error.type or "", _STREAM_STATUS))


def error_body(error: ProviderError) -> dict[str, Any]:
    known = _STATUSES.get(error.type or "") == error.status
    kind = error.type if known else anthropic_type(error.status)
    return {"type": "error", "error": {"type": kind, "message": error.message}}

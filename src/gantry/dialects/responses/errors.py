"""OpenAI's envelope of errors, and errors inside of an answer.

Seen beside it: xAI's `{"code", "error": "…"}`, and a stream's `{"type": "error", "code", "message"}` with or without an
`error` inside. OpenAI's Python SDK raises on an event that has `error` only; Codex reads `response.failed` only.
Spec: https://platform.openai.com/docs/guides/error-codes
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.chat import ProviderError
from gantry.dialects.chat_chunk import has_value, read_chunk, read_shape
from gantry.dialects.chat_shapes import ABSENT
from gantry.dialects.error_message import clip_message, error_message

UNNAMED: Final = "the provider failed without saying why"
_STATUSES: Final = {
    "server_error": 500,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "context_length_exceeded": 400,
    "model_not_found": 404,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "overloaded_error": 503,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "vector_store_timeout": 504,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
}
_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
}


class _Fields(Struct, gc=False):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _Envelope(Struct, gc=False):
    error: Raw = ABSENT
    code: str | int | None = None
    message: str | None = None
    param: str | None = None


def decode_error(status: int, body: bytes) -> ProviderError:
    """Return a provider's refusal, from any of the envelopes seen. Never raises."""
    envelope = read_shape(_Envelope, body) or _Envelope()
    inner = read_shape(_Fields, envelope.error) if has_value(envelope.error) else None
    fields = inner or _Fields(None, None, envelope.code, envelope.param)
    chunk = read_chunk(body)
    message = clip_message(fields.message or "") or (error_message(chunk) if chunk is not None else None)
    return _error(status, message or _as_said(body), fields)


def inner_error(raw: Raw) -> ProviderError:
    """Return the error of an answer that failed, or of a stream's event; its status is the nearest. Never raises."""
    envelope = read_shape(_Envelope, raw) or _Envelope()
    fields = read_shape(_Fields, envelope.error if has_value(envelope.error) else raw) or _Fields()
    if fields.message is None and has_value(envelope.error):
        chunk = read_chunk(bytes(raw))
        fields.message = error_message(chunk) if chunk is not None else None
    kind = None if fields.type == "error" else fields.type
    known = _STATUSES.get(str(fields.code)) or _STATUSES.get(kind or "")
    invalid = (fields.code is not None and "image" in str(fields.code)) or fields.param is not None
    return _error(known or (400 if invalid else 502), fields.message or UNNAMED, _Fields(None, kind, *_rest(fields)))


def error_body(error: ProviderError) -> dict[str, Any]:
    """Return the inside of OpenAI's envelope."""
    status = error.status
    kind = error.type or _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return {"message": error.message, "type": kind, "param": error.param, "code": error.code}


def encode_error(error: ProviderError) -> bytes:
    return msgspec.json.encode({"error": error_body(error)})


def failure_of(error: ProviderError) -> dict[str, str]:
    """Return the error of a response that failed. Its codes are few: what the caller sent, the rate, or the server."""
    known = {429: "rate_limit_exceeded", 400: "invalid_prompt"}
    return {"code": error.code or known.get(error.status, "server_error"), "message": error.message}


def _rest(fields: _Fields) -> tuple[str | int | None, str | None]:
    return fields.code, fields.param


def _error(status: int, message: str, fields: _Fields) -> ProviderError:
    code = None if fields.code is None else str(fields.code)
    return ProviderError(status, message, fields.type, code, fields.param)


def _as_said(body: bytes) -> str:
    text = body[:500].decode("utf-8", "replace").strip()
    return text or UNNAMED

"""Refusals of providers that speak OpenAI's format or Mistral's, and refusals for their clients.

Law: reading never raises. A status inside a stream is told by the error itself: by its code where that is a number
(OpenRouter), else by its type.
"""

from typing import Any, Final

import msgspec

from gantry.core.chat import ProviderError
from gantry.dialects.chat_chunk import read_shape
from gantry.dialects.chat_shapes import Chunk
from gantry.dialects.error_message import clip_message, error_message
from gantry.dialects.errors import openai_type

UNKNOWN_ERROR: Final = "the provider answered with an error that has no message"
_STATUSES: Final = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 503,
    "server_error": 500,
}
_BROKE: Final = 502


class _Named(msgspec.Struct, gc=False):
    type: str | None = None
    code: str | int | float | None = None
    param: str | None = None
    error: msgspec.Raw = msgspec.Raw()


def decode_error(status: int, body: bytes) -> ProviderError:
    """Return a provider's refusal. A status below 400 is that of a stream, and the error's own counts."""
    said = read_shape(Chunk, body)
    outer = read_shape(_Named, body) or _Named()
    named = (read_shape(_Named, outer.error) if outer.error else None) or outer
    message = error_message(said) if said is not None else None
    if message is None:
        text = body.decode("utf-8", "replace").strip()
        message = clip_message(text) if text and not text.startswith(("{", "[", "<")) else UNKNOWN_ERROR
    code = None if named.code is None else str(named.code)
    if status < 400:
        status = _status_of(named.code, named.type)
    return ProviderError(status, message, named.type, code, named.param)


def read_stream_error(data: bytes) -> ProviderError:
    """Return an error that stands in a stream."""
    return decode_error(200, data)


def error_fields(error: ProviderError) -> dict[str, Any]:
    """Return the members of an error that both formats have."""
    return {
        "message": error.message,
        "type": error.type or openai_type(error.status),
        "param": error.param,
        "code": error.code,
    }


def encode_error(error: ProviderError) -> bytes:
    """Return a refusal for an OpenAI client, with Respan's `detail` beside it."""
    return msgspec.json.encode({"error": error_fields(error), "detail": error.message})


def _status_of(code: str | float | None, kind: str | None) -> int:
    if isinstance(code, int | float) and 400 <= code < 600:
        return int(code)
    for word in (code, kind):
        if isinstance(word, str) and word in _STATUSES:
            return _STATUSES[word]
    return _BROKE

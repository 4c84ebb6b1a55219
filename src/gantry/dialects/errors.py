"""Our own errors in the envelope of the caller's dialect, so that its SDK raises the exception its user expects.

Law: one table of types for all dialects, one function per envelope. Respan's `detail` stands beside it, except where it
breaks an SDK: a Mistral 422 has a list of details or none. SDKs sleep all of `Retry-After`, so it is sent up to 60 s
only; a longer wait is named in the body, and `x-should-retry: false` keeps the SDK from trying.
"""

from math import ceil
from typing import Any, Final, assert_never

import msgspec
from msgspec import Struct

from gantry.core.chat import ProviderError
from gantry.core.errors import GatewayError
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.errors import bedrock_type
from gantry.dialects.bedrock.errors import stream_error as bedrock_stream_error
from gantry.dialects.cohere.errors import stream_error as cohere_stream_error
from gantry.dialects.frames import DONE, data_frame, named_frame

MAX_RETRY_AFTER: Final = 60
_UNPROCESSABLE: Final = 422
_IN_VAIN: Final = (402, 429, 508)  # to try again, where nothing says when it would be worth it
_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES: Final = {
    409: "conflict_error",
    413: "request_too_large",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GOOGLE_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class WireError(Struct, frozen=True):
    """An error as it goes over the wire. Header names are in lower case."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


def encode_error(dialect: Dialect, error: GatewayError, log_id: str | None = None) -> WireError:
    """Return an error as the answer to a request in this dialect."""
    headers = [("content-type", "application/json")]
    if log_id is not None:
        headers += log_id_headers(log_id)
    body = _envelope(dialect, error)
    if error.retry_after is not None:
        seconds = max(ceil(error.retry_after), 1)
        body["retry_after"] = seconds
        if seconds <= MAX_RETRY_AFTER:
            headers.append(("retry-after", str(seconds)))
        else:
            headers.append(("x-should-retry", "false"))
    elif error.status in _IN_VAIN:
        headers.append(("x-should-retry", "false"))
    return WireError(error.status, msgspec.json.encode(body), tuple(headers))


def log_id_headers(log_id: str) -> tuple[tuple[str, str], ...]:
    return ("x-respan-log-id", log_id), ("x-gantry-log-id", log_id)


def encode_stream_error(dialect: Dialect, error: GatewayError) -> bytes:
    """Return what tells a client in the middle of a stream that it failed. Send it at an event boundary only."""
    match dialect:
        case Dialect.MISTRAL:
            # Anything but a chunk breaks every Mistral SDK, and "error" is a finish reason that they know.
            chunk = {
                "id": "error",
                "object": "chat.completion.chunk",
                "created": 0,
                "model": "",
                "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
                "error": _fields(error),
            }
            return data_frame(chunk) + DONE
        case Dialect.OPENAI_CHAT:
            return data_frame({"error": _fields(error)})
        case Dialect.COHERE | Dialect.VOYAGE:
            return cohere_stream_error(error.message) + DONE
        case Dialect.BEDROCK:
            return bedrock_stream_error(ProviderError(error.status, error.message))
        case Dialect.OPENAI_RESPONSES:
            # OpenAI's SDK raises on what has an `error`, and Codex reads `response.failed` alone.
            # Typed clients want a number too; which would be next, a relay does not count.
            told = {"code": error.kind, "message": error.message, "param": error.param, "sequence_number": 0}
            event = {"type": "error", **told}
            failure = {"code": error.kind, "message": error.message}
            response = {"id": "", "object": "response", "status": "failed", "error": failure, "output": []}
            failed = {"type": "response.failed", "response": response, "sequence_number": 0}
            return named_frame("error", {**event, "error": _fields(error)}) + named_frame("response.failed", failed)
        case Dialect.ANTHROPIC:
            return named_frame("error", _envelope(dialect, error))
        case Dialect.GEMINI:
            return data_frame(_envelope(dialect, error))
        case _:
            assert_never(dialect)


def _envelope(dialect: Dialect, error: GatewayError) -> dict[str, Any]:
    match dialect:
        case Dialect.MISTRAL:
            body = {"object": "error", **_fields(error)}
            if error.status != _UNPROCESSABLE:
                body["detail"] = error.message
            return body
        case Dialect.OPENAI_CHAT | Dialect.OPENAI_RESPONSES:
            return {"error": _fields(error), "detail": error.message}
        case Dialect.ANTHROPIC:
            return {"type": "error", "error": {"type": anthropic_type(error.status), "message": error.message}}
        case Dialect.GEMINI:
            status = google_status(error.status)
            return {"error": {"code": error.status, "message": error.message, "status": status}}
        case Dialect.BEDROCK:
            return {"__type": bedrock_type(error.status), "message": error.message}
        case Dialect.COHERE | Dialect.VOYAGE:
            return {"message": error.message}
        case _:
            assert_never(dialect)


def _fields(error: GatewayError) -> dict[str, Any]:
    return {
        "message": error.message,
        "type": openai_type(error.status),
        "param": error.param,
        "code": error.kind,
    }


def anthropic_type(status: int) -> str:
    """Return Anthropic's word for an error of this status."""
    return (
        _ANTHROPIC_TYPES.get(status)
        or _TYPES.get(status)
        or ("api_error" if status >= 500 else "invalid_request_error")
    )


def google_status(status: int) -> str:
    """Return Google's word for an error of this status (google.rpc.Code)."""
    return _GOOGLE_STATUSES.get(status, "INTERNAL" if status >= 500 else "FAILED_PRECONDITION")


def openai_type(status: int) -> str:
    """Return OpenAI's word for an error of this status; Mistral's clients read the same."""
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")

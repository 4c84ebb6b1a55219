"""Refusals: `{"message": …}`, whose kind AWS's SDKs read from `x-amzn-errortype` or from `__type` in the body.

Law: in a stream a refusal is a message of its own kind (`:message-type: exception`), on which the SDKs raise.
Spec: https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
"""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct, field

from gantry.core.chat import ProviderError
from gantry.dialects.error_message import clip_message
from gantry.dialects.members import UNREADABLE
from gantry.wire.aws_event_stream import EventMessage, encode_message, text_headers

_TYPES: Final[Mapping[int, str]] = {
    400: "ValidationException",
    401: "AccessDeniedException",
    402: "ServiceQuotaExceededException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_STREAM_TYPES: Final[Mapping[str, int]] = {
    "validationException": 400,
    "modelStreamErrorException": 424,
    "throttlingException": 429,
    "internalServerException": 500,
    "serviceUnavailableException": 503,
}
_STREAM_TYPE_OF: Final = {status: name for name, status in _STREAM_TYPES.items()}
_UNKNOWN_STATUS: Final = 502


class _Error(Struct):
    message: str | None = None
    capital: str | None = field(name="Message", default=None)  # of AWS's gateways, in front of the service
    type: str | None = field(name="__type", default=None)


_decode: Final = msgspec.json.Decoder(_Error).decode


def decode_error(status: int, body: bytes) -> ProviderError:
    """Return a refusal. Never raises; a body that is none is shown as far as it is text."""
    try:
        found = _decode(body)
    except UNREADABLE:
        found = _Error()
    told = clip_message(found.message or found.capital or "")
    message = told or clip_message(body.decode("utf-8", "replace")) or "the provider gave no reason"
    return ProviderError(status, message, None if found.type is None else found.type.rpartition("#")[2])


def encode_error(error: ProviderError) -> bytes:
    """Return the body of a refusal."""
    return msgspec.json.encode({"__type": bedrock_type(error.status), "message": error.message})


def read_stream_error(message: EventMessage) -> ProviderError:
    """Return what a message that is no event tells: an exception of the service, or an error of the stream itself."""
    kind = message.text(":exception-type") or message.text(":error-code")
    error = decode_error(_STREAM_TYPES.get(kind, _UNKNOWN_STATUS), message.payload)
    told = message.text(":error-message")
    return ProviderError(error.status, told or error.message, kind or error.type)


def stream_error(error: ProviderError) -> bytes:
    """Return the message that tells a client in the middle of a stream that it failed."""
    kind = _STREAM_TYPE_OF.get(error.status)
    if kind is None:
        kind = "validationException" if 400 <= error.status < 500 else "modelStreamErrorException"
    headers = ((":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception"))
    return encode_message(text_headers(headers), msgspec.json.encode({"message": error.message}))


def bedrock_type(status: int) -> str:
    """Return Bedrock's word for an error of this status, by which its SDKs choose what to raise."""
    return _TYPES.get(status, "InternalServerException" if status >= 500 else "ValidationException")

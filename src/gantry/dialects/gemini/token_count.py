"""`countTokens`: what a client asks to be counted, and what it is told.

Spec: https://ai.google.dev/api/tokens
"""

import msgspec
from msgspec import Raw

from gantry.core.chat import ChatRequest
from gantry.core.errors import InvalidRequest
from gantry.dialects.gemini.request_decoding import request_of
from gantry.dialects.gemini.spelling import read_fields
from gantry.dialects.members import UNREADABLE, check_encoding

_WHOLE = "generateContentRequest"


def decode_count_request(body: bytes) -> ChatRequest:
    """Return the request whose tokens are to be counted: `contents` alone, or a whole one. Raises InvalidRequest."""
    check_encoding(body)
    try:
        fields = read_fields(Raw(body), "body")
    except (*UNREADABLE, InvalidRequest):
        raise InvalidRequest(f"the body must be a JSON object with `contents` or `{_WHOLE}`") from None
    if _WHOLE in fields:
        fields = read_fields(fields[_WHOLE], _WHOLE)
    return request_of(fields)


def encode_count(tokens: int) -> bytes:
    return msgspec.json.encode({"totalTokens": tokens})

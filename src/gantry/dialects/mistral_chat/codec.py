"""Mistral's chat completions: https://docs.mistral.ai/api/#tag/chat."""

from functools import partial
from typing import Final

import msgspec

from gantry.core.chat import ProviderError
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Codec
from gantry.dialects.mistral_chat.answer_out import encode_answer
from gantry.dialects.mistral_chat.request_in import decode_request
from gantry.dialects.mistral_chat.request_out import encode_request
from gantry.dialects.mistral_chat.stream_out import MistralStreamEncoder
from gantry.dialects.openai_chat.answer_in import FamilyStreamDecoder, decode_answer
from gantry.dialects.openai_chat.errors import decode_error, error_fields

_UNPROCESSABLE: Final = 422


def encode_error(error: ProviderError) -> bytes:
    """Return Mistral's envelope; a 422 has a list of details or none, or its SDKs break."""
    body = {"object": "error", **error_fields(error)}
    if error.status != _UNPROCESSABLE:
        body["detail"] = error.message
    return msgspec.json.encode(body)


MISTRAL: Final = Codec(
    Dialect.MISTRAL,
    decode_request,
    encode_request,
    partial(decode_answer, Dialect.MISTRAL),
    encode_answer,
    partial(FamilyStreamDecoder, Dialect.MISTRAL),
    MistralStreamEncoder,
    decode_error,
    encode_error,
)

"""Converse and ConverseStream. The model and the delivery stand in the path, which is the gateway's."""

from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.answer import decode_answer, encode_answer
from gantry.dialects.bedrock.errors import decode_error, encode_error
from gantry.dialects.bedrock.request_decoding import decode_request
from gantry.dialects.bedrock.request_encoding import encode_request
from gantry.dialects.bedrock.stream_decoding import BedrockStreamDecoder
from gantry.dialects.bedrock.stream_encoding import BedrockStreamEncoder
from gantry.dialects.codec import Codec

BEDROCK: Final = Codec(
    Dialect.BEDROCK,
    decode_request,
    encode_request,
    decode_answer,
    encode_answer,
    BedrockStreamDecoder,
    lambda asking: BedrockStreamEncoder(),
    decode_error,
    encode_error,
)

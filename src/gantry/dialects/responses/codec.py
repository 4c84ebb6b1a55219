"""`POST /responses`, as OpenAI and those who follow it speak it."""

from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Codec
from gantry.dialects.responses.decode_answer import decode_answer
from gantry.dialects.responses.decode_request import decode_request
from gantry.dialects.responses.encode_answer import encode_answer
from gantry.dialects.responses.encode_request import encode_request
from gantry.dialects.responses.errors import decode_error, encode_error
from gantry.dialects.responses.stream_decoder import ResponsesStreamDecoder
from gantry.dialects.responses.stream_encoder import ResponsesStreamEncoder

RESPONSES: Final = Codec(
    Dialect.OPENAI_RESPONSES,
    decode_request,
    encode_request,
    decode_answer,
    encode_answer,
    ResponsesStreamDecoder,
    ResponsesStreamEncoder,
    decode_error,
    encode_error,
)

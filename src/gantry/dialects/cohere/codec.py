"""The chat of Cohere's API, version 2."""

from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Codec
from gantry.dialects.cohere.answer import decode_answer, encode_answer
from gantry.dialects.cohere.errors import decode_error, encode_error
from gantry.dialects.cohere.request_decoding import decode_request
from gantry.dialects.cohere.request_encoding import encode_request
from gantry.dialects.cohere.stream_decoding import CohereStreamDecoder
from gantry.dialects.cohere.stream_encoding import CohereStreamEncoder

COHERE: Final = Codec(
    Dialect.COHERE,
    decode_request,
    encode_request,
    decode_answer,
    encode_answer,
    CohereStreamDecoder,
    CohereStreamEncoder,
    decode_error,
    encode_error,
)

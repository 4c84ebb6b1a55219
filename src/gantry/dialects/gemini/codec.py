"""`generateContent` and `streamGenerateContent`. See the package for what stands in the path instead of the body."""

from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking, Codec, StreamEncoder
from gantry.dialects.gemini.answer_decoding import decode_answer
from gantry.dialects.gemini.answer_encoding import encode_answer
from gantry.dialects.gemini.errors import decode_error, encode_error
from gantry.dialects.gemini.framing import Framing, framing_of
from gantry.dialects.gemini.request_decoding import decode_request
from gantry.dialects.gemini.request_encoding import encode_request
from gantry.dialects.gemini.stream_decoding import GeminiStreamDecoder
from gantry.dialects.gemini.stream_encoding import GeminiStreamEncoder


def stream_encoder(asking: Asking) -> StreamEncoder:
    """Return an encoder of server-sent events, or of an array where the client's query does not ask for them."""
    return GeminiStreamEncoder(asking, Framing.SSE if asking.query is None else framing_of(asking.query))


GEMINI: Final = Codec(
    Dialect.GEMINI,
    decode_request,
    encode_request,
    decode_answer,
    encode_answer,
    GeminiStreamDecoder,
    stream_encoder,
    decode_error,
    encode_error,
)

"""The codec of `generateContent` and `streamGenerateContent`."""

from typing import Final

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking, EncodedRequest, StreamDecoder, StreamEncoder, Target
from gantry.dialects.gemini.answer_decoding import decode_answer
from gantry.dialects.gemini.answer_encoding import encode_answer
from gantry.dialects.gemini.errors import decode_error, encode_error
from gantry.dialects.gemini.framing import Framing, framing_of
from gantry.dialects.gemini.request_decoding import decode_request
from gantry.dialects.gemini.request_encoding import encode_request
from gantry.dialects.gemini.stream_decoding import GeminiStreamDecoder
from gantry.dialects.gemini.stream_encoding import GeminiStreamEncoder


class GeminiCodec:
    """See the package's docstring for what stands in the path instead of the body."""

    @property
    def dialect(self) -> Dialect:
        return Dialect.GEMINI

    def decode_request(self, body: bytes) -> ChatRequest:
        return decode_request(body)

    def encode_request(self, request: ChatRequest, target: Target) -> EncodedRequest:
        return encode_request(request, target)

    def decode_answer(self, body: bytes) -> ChatAnswer:
        return decode_answer(body)

    def encode_answer(self, answer: ChatAnswer, asking: Asking) -> bytes:
        return encode_answer(answer, asking)

    def stream_decoder(self) -> StreamDecoder:
        return GeminiStreamDecoder()

    def stream_encoder(self, asking: Asking) -> StreamEncoder:
        """Return an encoder of server-sent events, or of an array where the client's query does not ask for them."""
        return GeminiStreamEncoder(asking, Framing.SSE if asking.query is None else framing_of(asking.query))

    def decode_error(self, status: int, body: bytes) -> ProviderError:
        return decode_error(status, body)

    def encode_error(self, error: ProviderError) -> bytes:
        return encode_error(error)


GEMINI: Final = GeminiCodec()

"""The codec of OpenAI's Responses."""

from typing import Final

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking, Codec, EncodedRequest, StreamDecoder, StreamEncoder, Target
from gantry.dialects.responses.decode_answer import decode_answer
from gantry.dialects.responses.decode_request import decode_request
from gantry.dialects.responses.encode_answer import encode_answer
from gantry.dialects.responses.encode_request import encode_request
from gantry.dialects.responses.errors import decode_error, encode_error
from gantry.dialects.responses.stream_decoder import ResponsesStreamDecoder
from gantry.dialects.responses.stream_encoder import ResponsesStreamEncoder


class ResponsesCodec:
    """`POST /responses`, as OpenAI and those who follow it speak it."""

    @property
    def dialect(self) -> Dialect:
        return Dialect.OPENAI_RESPONSES

    def decode_request(self, body: bytes) -> ChatRequest:
        return decode_request(body)

    def encode_request(self, request: ChatRequest, target: Target) -> EncodedRequest:
        return encode_request(request, target)

    def decode_answer(self, body: bytes) -> ChatAnswer:
        return decode_answer(body)

    def encode_answer(self, answer: ChatAnswer, asking: Asking) -> bytes:
        return encode_answer(answer, asking)

    def stream_decoder(self) -> StreamDecoder:
        return ResponsesStreamDecoder()

    def stream_encoder(self, asking: Asking) -> StreamEncoder:
        return ResponsesStreamEncoder(asking)

    def decode_error(self, status: int, body: bytes) -> ProviderError:
        return decode_error(status, body)

    def encode_error(self, error: ProviderError) -> bytes:
        return encode_error(error)


RESPONSES: Final[Codec] = ResponsesCodec()

"""Cohere's codec: its requests, answers, streams and refusals, put together."""

from typing import Final

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking, EncodedRequest, StreamDecoder, StreamEncoder, Target
from gantry.dialects.cohere.answer import decode_answer, encode_answer
from gantry.dialects.cohere.errors import decode_error, encode_error
from gantry.dialects.cohere.request_decoding import decode_request
from gantry.dialects.cohere.request_encoding import encode_request
from gantry.dialects.cohere.stream_decoding import CohereStreamDecoder
from gantry.dialects.cohere.stream_encoding import CohereStreamEncoder


class CohereCodec:
    """The chat of Cohere's API, version 2."""

    __slots__ = ()

    dialect: Final = Dialect.COHERE

    def decode_request(self, body: bytes) -> ChatRequest:
        return decode_request(body)

    def encode_request(self, request: ChatRequest, target: Target) -> EncodedRequest:
        return encode_request(request, target)

    def decode_answer(self, body: bytes) -> ChatAnswer:
        return decode_answer(body)

    def encode_answer(self, answer: ChatAnswer, asking: Asking) -> bytes:
        return encode_answer(answer, asking)

    def stream_decoder(self) -> StreamDecoder:
        return CohereStreamDecoder()

    def stream_encoder(self, asking: Asking) -> StreamEncoder:
        return CohereStreamEncoder(asking)

    def decode_error(self, status: int, body: bytes) -> ProviderError:
        return decode_error(status, body)

    def encode_error(self, error: ProviderError) -> bytes:
        return encode_error(error)


COHERE: Final = CohereCodec()

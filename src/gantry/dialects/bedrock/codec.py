"""Bedrock's codec: its requests, answers, streams and refusals, put together."""

from typing import Final

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.answer import decode_answer, encode_answer
from gantry.dialects.bedrock.errors import decode_error, encode_error
from gantry.dialects.bedrock.request_decoding import decode_request
from gantry.dialects.bedrock.request_encoding import encode_request
from gantry.dialects.bedrock.stream_decoding import BedrockStreamDecoder
from gantry.dialects.bedrock.stream_encoding import BedrockStreamEncoder
from gantry.dialects.codec import Asking, EncodedRequest, StreamDecoder, StreamEncoder, Target


class BedrockCodec:
    """Converse and ConverseStream. The model and the delivery stand in the path, which is the gateway's."""

    __slots__ = ()

    dialect: Final = Dialect.BEDROCK

    def decode_request(self, body: bytes) -> ChatRequest:
        return decode_request(body)

    def encode_request(self, request: ChatRequest, target: Target) -> EncodedRequest:
        return encode_request(request, target)

    def decode_answer(self, body: bytes) -> ChatAnswer:
        return decode_answer(body)

    def encode_answer(self, answer: ChatAnswer, asking: Asking) -> bytes:
        return encode_answer(answer)

    def stream_decoder(self) -> StreamDecoder:
        return BedrockStreamDecoder()

    def stream_encoder(self, asking: Asking) -> StreamEncoder:
        return BedrockStreamEncoder()

    def decode_error(self, status: int, body: bytes) -> ProviderError:
        return decode_error(status, body)

    def encode_error(self, error: ProviderError) -> bytes:
        return encode_error(error)


BEDROCK: Final = BedrockCodec()

"""The codec of OpenAI's chat completions, and of every provider that speaks them."""

from typing import Final

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking, EncodedRequest, StreamDecoder, StreamEncoder, Target
from gantry.dialects.openai_chat import answer_in, answer_out, errors, request_in, request_out
from gantry.dialects.openai_chat.stream_out import OpenAIStreamEncoder


class OpenAIChatCodec:
    """https://platform.openai.com/docs/api-reference/chat"""

    __slots__ = ()

    @property
    def dialect(self) -> Dialect:
        return Dialect.OPENAI_CHAT

    def decode_request(self, body: bytes) -> ChatRequest:
        return request_in.decode_request(body)

    def encode_request(self, request: ChatRequest, target: Target) -> EncodedRequest:
        return request_out.encode_request(request, target)

    def decode_answer(self, body: bytes) -> ChatAnswer:
        return answer_in.decode_answer(Dialect.OPENAI_CHAT, body)

    def encode_answer(self, answer: ChatAnswer, asking: Asking) -> bytes:
        return answer_out.encode_answer(answer, asking)

    def stream_decoder(self) -> StreamDecoder:
        return answer_in.FamilyStreamDecoder(Dialect.OPENAI_CHAT)

    def stream_encoder(self, asking: Asking) -> StreamEncoder:
        return OpenAIStreamEncoder(asking)

    def decode_error(self, status: int, body: bytes) -> ProviderError:
        return errors.decode_error(status, body)

    def encode_error(self, error: ProviderError) -> bytes:
        return errors.encode_error(error)


OPENAI_CHAT: Final = OpenAIChatCodec()

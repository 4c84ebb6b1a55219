"""The codec of Mistral's chat completions."""

from typing import Final

import msgspec

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Asking, EncodedRequest, StreamDecoder, StreamEncoder, Target
from gantry.dialects.mistral_chat import answer_out, request_in, request_out
from gantry.dialects.mistral_chat.stream_out import MistralStreamEncoder
from gantry.dialects.openai_chat import answer_in, errors

_UNPROCESSABLE: Final = 422


class MistralChatCodec:
    """https://docs.mistral.ai/api/#tag/chat"""

    __slots__ = ()

    @property
    def dialect(self) -> Dialect:
        return Dialect.MISTRAL

    def decode_request(self, body: bytes) -> ChatRequest:
        return request_in.decode_request(body)

    def encode_request(self, request: ChatRequest, target: Target) -> EncodedRequest:
        return request_out.encode_request(request, target)

    def decode_answer(self, body: bytes) -> ChatAnswer:
        return answer_in.decode_answer(Dialect.MISTRAL, body)

    def encode_answer(self, answer: ChatAnswer, asking: Asking) -> bytes:
        return answer_out.encode_answer(answer, asking)

    def stream_decoder(self) -> StreamDecoder:
        return answer_in.FamilyStreamDecoder(Dialect.MISTRAL)

    def stream_encoder(self, asking: Asking) -> StreamEncoder:
        return MistralStreamEncoder(asking)

    def decode_error(self, status: int, body: bytes) -> ProviderError:
        return errors.decode_error(status, body)

    def encode_error(self, error: ProviderError) -> bytes:
        """Return Mistral's envelope; a 422 has a list of details or none, or its SDKs break."""
        body = {"object": "error", **errors.error_fields(error)}
        if error.status != _UNPROCESSABLE:
            body["detail"] = error.message
        return msgspec.json.encode(body)


MISTRAL: Final = MistralChatCodec()

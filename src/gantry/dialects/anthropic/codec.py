"""The codec of Anthropic's Messages API: the one place where its readers and writers are put together."""

from typing import Final

import msgspec

from gantry.core.chat import ChatAnswer, ChatRequest, ProviderError
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.answer import read_answer, write_answer
from gantry.dialects.anthropic.errors import error_body, read_error
from gantry.dialects.anthropic.read_request import read_request
from gantry.dialects.anthropic.stream_decoder import AnthropicStreamDecoder
from gantry.dialects.anthropic.stream_encoder import AnthropicStreamEncoder
from gantry.dialects.anthropic.write_request import request_members
from gantry.dialects.changes import Change, each_once
from gantry.dialects.codec import Asking, EncodedRequest, StreamDecoder, StreamEncoder, Target

_encode: Final = msgspec.json.Encoder().encode


class AnthropicCodec:
    __slots__ = ()

    @property
    def dialect(self) -> Dialect:
        return Dialect.ANTHROPIC

    def decode_request(self, body: bytes) -> ChatRequest:
        return read_request(body)

    def encode_request(self, request: ChatRequest, target: Target) -> EncodedRequest:
        changes: list[Change] = []
        members = {"model": target.model, **request_members(request, target, changes)}
        if request.stream:
            members["stream"] = True
        return EncodedRequest(_encode(members), each_once(changes))

    def decode_answer(self, body: bytes) -> ChatAnswer:
        return read_answer(body)

    def encode_answer(self, answer: ChatAnswer, asking: Asking) -> bytes:
        return _encode(write_answer(answer, asking))

    def stream_decoder(self) -> StreamDecoder:
        return AnthropicStreamDecoder()

    def stream_encoder(self, asking: Asking) -> StreamEncoder:
        return AnthropicStreamEncoder(asking)

    def decode_error(self, status: int, body: bytes) -> ProviderError:
        return read_error(status, body)

    def encode_error(self, error: ProviderError) -> bytes:
        return _encode(error_body(error))


ANTHROPIC: Final = AnthropicCodec()

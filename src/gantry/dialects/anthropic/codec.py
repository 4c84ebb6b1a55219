"""Anthropic's Messages API: the one place where its readers and writers are put together."""

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
from gantry.dialects.codec import Asking, Codec, EncodedRequest, Target

_encode: Final = msgspec.json.Encoder().encode


def encode_request(request: ChatRequest, target: Target) -> EncodedRequest:
    changes: list[Change] = []
    members = {"model": target.model, **request_members(request, target, changes)}
    if request.stream:
        members["stream"] = True
    return EncodedRequest(_encode(members), each_once(changes))


def encode_answer(answer: ChatAnswer, asking: Asking) -> bytes:
    return _encode(write_answer(answer, asking))


def encode_error(error: ProviderError) -> bytes:
    return _encode(error_body(error))


ANTHROPIC: Final = Codec(
    Dialect.ANTHROPIC,
    read_request,
    encode_request,
    read_answer,
    encode_answer,
    AnthropicStreamDecoder,
    AnthropicStreamEncoder,
    read_error,
    encode_error,
)

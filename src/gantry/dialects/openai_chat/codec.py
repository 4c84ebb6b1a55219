"""OpenAI's chat completions, for every provider that speaks them: https://platform.openai.com/docs/api-reference/chat."""

from functools import partial
from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.codec import Codec
from gantry.dialects.openai_chat.answer_in import FamilyStreamDecoder, decode_answer
from gantry.dialects.openai_chat.answer_out import encode_answer
from gantry.dialects.openai_chat.errors import decode_error, encode_error
from gantry.dialects.openai_chat.request_in import decode_request
from gantry.dialects.openai_chat.request_out import encode_request
from gantry.dialects.openai_chat.stream_out import OpenAIStreamEncoder

OPENAI_CHAT: Final = Codec(
    Dialect.OPENAI_CHAT,
    decode_request,
    encode_request,
    partial(decode_answer, Dialect.OPENAI_CHAT),
    encode_answer,
    partial(FamilyStreamDecoder, Dialect.OPENAI_CHAT),
    OpenAIStreamEncoder,
    decode_error,
    encode_error,
)

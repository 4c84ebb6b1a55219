"""Whose streams can be ended in their place: every dialect that chats are streamed in."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.early_end import AnthropicEarlyEnd
from gantry.dialects.bedrock.early_end import BedrockEarlyEnd
from gantry.dialects.cohere.early_end import CohereEarlyEnd
from gantry.dialects.early_end import EarlyEnd
from gantry.dialects.gemini.early_end import GeminiEarlyEnd
from gantry.dialects.openai_chat.early_end import ChunksEarlyEnd
from gantry.dialects.responses.early_end import ResponsesEarlyEnd

EARLY_ENDS: Final[Mapping[Dialect, Callable[[bytes], EarlyEnd]]] = {
    Dialect.MISTRAL: partial(ChunksEarlyEnd, Dialect.MISTRAL),
    Dialect.OPENAI_CHAT: partial(ChunksEarlyEnd, Dialect.OPENAI_CHAT),
    Dialect.OPENAI_RESPONSES: lambda request: ResponsesEarlyEnd(),
    Dialect.ANTHROPIC: lambda request: AnthropicEarlyEnd(),
    Dialect.GEMINI: lambda request: GeminiEarlyEnd(),
    Dialect.BEDROCK: lambda request: BedrockEarlyEnd(),
    Dialect.COHERE: lambda request: CohereEarlyEnd(),
}

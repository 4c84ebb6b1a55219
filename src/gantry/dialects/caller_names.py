"""What a caller calls a field of the canonical request, for refusals and changes.

Law: a message names what the caller wrote, not what we made of it. Fields that are not here have one name everywhere.
"""

from collections.abc import Mapping
from typing import Final

from gantry.core.chat import ChatRequest, Role
from gantry.core.vocabulary import Dialect

_OPENAI_LIKE: Final = {
    "choices": "n",
    "format": "response_format",
    "reasoning": "reasoning_effort",
    "cache_key": "prompt_cache_key",
}
_TURNS: Final = {Dialect.OPENAI_RESPONSES: "input", Dialect.GEMINI: "contents"}
_SYSTEM_AMONG_TURNS: Final = frozenset((Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.MISTRAL, Dialect.COHERE))
_NAMES: Final[Mapping[Dialect, Mapping[str, str]]] = {
    Dialect.OPENAI_CHAT: _OPENAI_LIKE,
    Dialect.MISTRAL: {**_OPENAI_LIKE, "seed": "random_seed"},
    Dialect.OPENAI_RESPONSES: {
        "max_tokens": "max_output_tokens",
        "format": "text.format",
        "verbosity": "text.verbosity",
        "cache_key": "prompt_cache_key",
    },
    Dialect.ANTHROPIC: {
        "stop": "stop_sequences",
        "format": "output_config.format",
        "reasoning": "thinking",
        "user": "metadata.user_id",
        "cache": "cache_control",
    },
    Dialect.GEMINI: {
        "max_tokens": "generationConfig.maxOutputTokens",
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "top_k": "generationConfig.topK",
        "stop": "generationConfig.stopSequences",
        "seed": "generationConfig.seed",
        "choices": "generationConfig.candidateCount",
        "presence_penalty": "generationConfig.presencePenalty",
        "frequency_penalty": "generationConfig.frequencyPenalty",
        "logprobs": "generationConfig.responseLogprobs",
        "top_logprobs": "generationConfig.logprobs",
        "format": "generationConfig.responseMimeType",
        "reasoning": "generationConfig.thinkingConfig",
        "tool_choice": "toolConfig",
        "metadata": "labels",
    },
    Dialect.BEDROCK: {
        "max_tokens": "inferenceConfig.maxTokens",
        "temperature": "inferenceConfig.temperature",
        "top_p": "inferenceConfig.topP",
        "stop": "inferenceConfig.stopSequences",
        "tool_choice": "toolConfig.toolChoice",
        "metadata": "requestMetadata",
    },
    Dialect.COHERE: {
        "top_p": "p",
        "top_k": "k",
        "stop": "stop_sequences",
        "format": "response_format",
        "reasoning": "thinking",
    },
}


def caller_name(dialect: Dialect, field: str) -> str:
    """Return the name that callers of a dialect know a field of `ChatRequest` by."""
    return _NAMES[dialect].get(field, field)


def parts_name(dialect: Dialect) -> str:
    """Return what callers call the list of a message's parts."""
    return "parts" if dialect is Dialect.GEMINI else "content"


class TurnNames:
    """What the caller calls each message, worked out when the first name is asked for: most requests need none."""

    __slots__ = ("_names", "_request")

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._names: list[str] | None = None

    def __getitem__(self, index: int) -> str:
        if self._names is None:
            self._names = turn_names(self._request)
        return self._names[index]


def turn_names(request: ChatRequest) -> list[str]:
    """Return what the caller calls each message: `messages[2]`, `contents[1]`, and `system` where that stands apart."""
    word = _TURNS.get(request.dialect, "messages")
    if request.dialect in _SYSTEM_AMONG_TURNS:
        return [f"{word}[{number}]" for number in range(len(request.messages))]
    names: list[str] = []
    turns = -1
    for before, message in zip((None, *request.messages), request.messages, strict=False):
        if turns < 0 and message.role is Role.SYSTEM:
            names.append("system")
            continue
        if message.role is not Role.USER or before is None or before.role is not Role.TOOL:
            turns += 1  # what a user says beside tool results was one turn with them
        names.append(f"{word}[{turns}]")
    return names

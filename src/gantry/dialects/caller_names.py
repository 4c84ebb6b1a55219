"""Parameters by the names that callers know them by, for errors and changes that speak of them.

Law: a caller reads of a field that stands in the request it sent. A name that is not listed is the same in its dialect.
"""

from collections.abc import Mapping
from typing import Final

from gantry.core.chat import ChatRequest, Role
from gantry.core.vocabulary import Dialect

_ANTHROPIC: Final = {
    "stop": "stop_sequences",
    "reasoning": "thinking",
    "format": "output_config.format",
    "user": "metadata.user_id",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
}
_GEMINI: Final = {
    "max_tokens": "generationConfig.maxOutputTokens",
    "temperature": "generationConfig.temperature",
    "top_p": "generationConfig.topP",
    "top_k": "generationConfig.topK",
    "stop": "generationConfig.stopSequences",
    "seed": "generationConfig.seed",
    "presence_penalty": "generationConfig.presencePenalty",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "choices": "generationConfig.candidateCount",
    "logprobs": "generationConfig.responseLogprobs",
    "top_logprobs": "generationConfig.logprobs",
    "format": "generationConfig.responseMimeType",
    "reasoning": "generationConfig.thinkingConfig",
    "tool_choice": "toolConfig.functionCallingConfig",
    "messages": "contents",
    "metadata": "labels",
    "service_tier": "serviceTier",
}
_NAMES: Final[Mapping[Dialect, Mapping[str, str]]] = {
    Dialect.OPENAI_CHAT: {
        "choices": "n",
        "format": "response_format",
        "reasoning": "reasoning_effort",
        "cache_key": "prompt_cache_key",
    },
    Dialect.MISTRAL: {
        "choices": "n",
        "format": "response_format",
        "reasoning": "reasoning_effort",
        "seed": "random_seed",
        "cache_key": "prompt_cache_key",
    },
    Dialect.OPENAI_RESPONSES: {
        "messages": "input",
        "format": "text.format",
        "verbosity": "text.verbosity",
        "max_tokens": "max_output_tokens",
        "cache_key": "prompt_cache_key",
    },
    Dialect.ANTHROPIC: _ANTHROPIC,
    Dialect.GEMINI: _GEMINI,
    Dialect.BEDROCK: {
        "max_tokens": "inferenceConfig.maxTokens",
        "temperature": "inferenceConfig.temperature",
        "top_p": "inferenceConfig.topP",
        "stop": "inferenceConfig.stopSequences",
        "tool_choice": "toolConfig.toolChoice",
        "tools": "toolConfig.tools",
        "metadata": "requestMetadata",
        "service_tier": "serviceTier",
    },
    Dialect.COHERE: {
        "top_p": "p",
        "top_k": "k",
        "stop": "stop_sequences",
        "format": "response_format",
        "reasoning": "thinking",
    },
}
_SYSTEM_APART: Final = (Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK, Dialect.OPENAI_RESPONSES)


def caller_name(dialect: Dialect, parameter: str) -> str:
    """Return a field of the canonical request by the name that its dialect has for it."""
    return _NAMES[dialect].get(parameter, parameter)


def message_place(request: ChatRequest, index: int) -> str:
    """Return where a message stands in the caller's request, as nearly as its dialect lets one tell."""
    if request.dialect in _SYSTEM_APART:
        if request.messages[index].role is Role.SYSTEM:
            return "systemInstruction" if request.dialect is Dialect.GEMINI else "system"
        index -= sum(message.role is Role.SYSTEM for message in request.messages[:index])
    return f"{caller_name(request.dialect, 'messages')}[{index}]"


def part_place(request: ChatRequest, index: int, part: int) -> str:
    """Return where a part of a message stands in the caller's request."""
    parts = "parts" if request.dialect is Dialect.GEMINI else "content"
    return f"{message_place(request, index)}.{parts}[{part}]"

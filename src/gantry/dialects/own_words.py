"""What callers of each dialect call a parameter: a change or a refusal is told in the words of whoever reads it.

Law: a parameter that is not listed is called as the canonical request calls it.
"""

from collections.abc import Mapping
from typing import Final

from gantry.core.vocabulary import Dialect

_NAMES: Final[Mapping[Dialect, Mapping[str, str]]] = {
    Dialect.MISTRAL: {
        "format": "response_format",
        "choices": "n",
        "seed": "random_seed",
        "reasoning": "reasoning_effort",
    },
    Dialect.OPENAI_CHAT: {
        "format": "response_format",
        "choices": "n",
        "reasoning": "reasoning_effort",
        "cache_key": "prompt_cache_key",
    },
    Dialect.OPENAI_RESPONSES: {
        "format": "text.format",
        "verbosity": "text.verbosity",
        "messages": "input",
        "max_tokens": "max_output_tokens",
        "cache_key": "prompt_cache_key",
    },
    Dialect.ANTHROPIC: {
        "format": "output_config.format",
        "reasoning": "thinking",
        "stop": "stop_sequences",
        "user": "metadata.user_id",
        "cache": "cache_control",
    },
    Dialect.GEMINI: {
        "messages": "contents",
        "format": "generationConfig.responseSchema",
        "reasoning": "generationConfig.thinkingConfig",
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "top_k": "generationConfig.topK",
        "max_tokens": "generationConfig.maxOutputTokens",
        "stop": "generationConfig.stopSequences",
        "seed": "generationConfig.seed",
        "choices": "generationConfig.candidateCount",
        "presence_penalty": "generationConfig.presencePenalty",
        "frequency_penalty": "generationConfig.frequencyPenalty",
        "logprobs": "generationConfig.responseLogprobs",
        "tool_choice": "toolConfig.functionCallingConfig",
    },
    Dialect.BEDROCK: {
        "format": "outputConfig.textFormat",
        "reasoning": "additionalModelRequestFields",
        "temperature": "inferenceConfig.temperature",
        "top_p": "inferenceConfig.topP",
        "top_k": "additionalModelRequestFields.top_k",
        "max_tokens": "inferenceConfig.maxTokens",
        "stop": "inferenceConfig.stopSequences",
        "tools": "toolConfig.tools",
        "tool_choice": "toolConfig.toolChoice",
        "metadata": "requestMetadata",
        "service_tier": "serviceTier",
    },
    Dialect.COHERE: {
        "format": "response_format",
        "reasoning": "thinking",
        "top_p": "p",
        "top_k": "k",
        "stop": "stop_sequences",
    },
}


def name_of(dialect: Dialect, parameter: str) -> str:
    """Return what a caller of this dialect calls a parameter of the canonical request."""
    return _NAMES[dialect].get(parameter, parameter)

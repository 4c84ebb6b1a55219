"""Where each unit stands in a provider's usage object: one table for each family that counts by names of its own.

Law: a spelling is a row here, and no `if` anywhere. Of several that are there the first in its row counts. Paths have
dots between members; `*` is the sum over all members. What the counts include of each other is not told by names: that
arithmetic stands with each family's reader.
"""

from collections.abc import Mapping
from typing import Final

Paths = Mapping[str, tuple[str, ...]]

_INPUT_DETAILS: Final = ("prompt_tokens_details", "prompt_token_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")


def _within(parents: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(f"{parent}.{name}" for name in names for parent in parents)


# OpenAI, and all who write its words: Mistral, Groq, DeepSeek, xAI, Perplexity, OpenRouter, Voyage, … In a posted log
# another family's object may come alone, so Anthropic's words stand here too.
SHARED: Final[Paths] = {
    "input_tokens": ("prompt_tokens", "input_tokens", "promptTokenCount"),
    "output_tokens": ("completion_tokens", "output_tokens"),
    "total_tokens": ("total_tokens",),
    "cached_input_tokens": (
        *_within(_INPUT_DETAILS, "cached_tokens"),
        "num_cached_tokens",  # Mistral's
        "cached_tokens",  # Moonshot's
        "prompt_cache_hit_tokens",  # DeepSeek's
        "cache_read_input_tokens",
    ),
    "cache_write_tokens": (
        *_within(_INPUT_DETAILS, "cache_write_tokens", "cache_creation_tokens"),
        "prompt_cache_creation_tokens",
        "cache_creation_input_tokens",
        "cache_creation_prompt_tokens",
    ),
    "cache_write_1h_tokens": ("cache_creation.ephemeral_1h_input_tokens",),
    "reasoning_tokens": (
        *_within(_OUTPUT_DETAILS, "reasoning_tokens", "thinking_tokens"),
        "reasoning_tokens",  # Perplexity's
    ),
    "input_audio_tokens": _within(_INPUT_DETAILS, "audio_tokens"),
    "cached_audio_tokens": _within(_INPUT_DETAILS, "cached_tokens_details.audio_tokens", "cached_audio_tokens"),
    "output_audio_tokens": _within(_OUTPUT_DETAILS, "audio_tokens"),
    "input_image_tokens": _within(_INPUT_DETAILS, "image_tokens"),
    "output_image_tokens": _within(_OUTPUT_DETAILS, "image_tokens"),
    "input_video_tokens": _within(_INPUT_DETAILS, "video_tokens"),
    "input_audio_seconds": ("prompt_audio_seconds", "seconds"),  # Mistral's, OpenAI's
    "pages": ("pages_processed",),
    "connector_tokens": ("connector_tokens",),
    "connector_calls": ("connectors.*",),
    "searches": ("search_units",),  # Cohere's, in what it bills
    "web_searches": (
        "server_tool_use.web_search_requests",  # Anthropic's
        "server_tool_use_details.web_search_requests",  # OpenRouter's
        "num_search_queries",  # Perplexity's
        "num_sources_used",  # xAI's, which bills them
        "server_side_tool_usage_details.web_search_calls",  # xAI's
    ),
    "billed_tool_calls": ("num_server_side_tools_used",),  # xAI's: of all tools, from which searches are taken
}

GEMINI: Final[Paths] = {
    "input_tokens": ("promptTokenCount",),
    "cached_input_tokens": ("cachedContentTokenCount",),
    "output_tokens": ("candidatesTokenCount", "responseTokenCount"),  # the second is a live connection's
    "reasoning_tokens": ("thoughtsTokenCount",),
    "total_tokens": ("totalTokenCount",),
    "input_audio_tokens": ("promptTokensDetails.AUDIO",),
    "cached_audio_tokens": ("cacheTokensDetails.AUDIO",),
    "output_audio_tokens": ("candidatesTokensDetails.AUDIO", "responseTokensDetails.AUDIO"),
    "input_image_tokens": ("promptTokensDetails.IMAGE",),
    "output_image_tokens": ("candidatesTokensDetails.IMAGE", "responseTokensDetails.IMAGE"),
    "input_video_tokens": ("promptTokensDetails.VIDEO",),
    "connector_tokens": ("toolUsePromptTokenCount",),  # which its reader counts as input
}

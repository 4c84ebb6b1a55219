"""The shapes that a provider's usage object is decoded into.

Apart from `dialects.usage`, which is compiled: structs there would lose the types of their fields.
"""

from typing import Any, Literal

from msgspec import Struct


class InputDetails(Struct, forbid_unknown_fields=True, gc=False):
    cached_tokens: int | None = None
    audio_tokens: Literal[0] | None = None


class OutputDetails(Struct, forbid_unknown_fields=True, gc=False):
    reasoning_tokens: Literal[0] | None = None
    audio_tokens: Literal[0] | None = None
    accepted_prediction_tokens: int | None = None
    rejected_prediction_tokens: int | None = None


class PlainUsage(Struct, forbid_unknown_fields=True, gc=False):
    """What most usages have, and nothing besides: to walk over their members takes six times as long."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class Terms(Struct):
    """What a usage says of the price that holds."""

    service_tier: str | None = None
    speed: str | None = None  # Anthropic's
    search_context_size: str | None = None  # Perplexity's


class ToldCost(Struct):
    """What a provider says that the call cost: OpenRouter, Perplexity, xAI."""

    cost: Any = None
    is_byok: bool = False  # of OpenRouter's: then its cost is a fee
    cost_in_usd_ticks: Any = None

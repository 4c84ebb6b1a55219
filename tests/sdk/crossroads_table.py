"""The clients at the crossroads: by which surfaces they come, how their calls travel, and what they raise.

Law: what a client cannot do is skipped with the reason, what the gateway gives it wrong is a strict xfail; nothing is
left out silently.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.sdk.crossroads import PROVIDERS
from tests.sdk.environments import Client
from tests.sdk.scenes import CASES

Tiers = Mapping[str, str]


def _tiers(**others: str) -> Tiers:
    return {provider: others.get(provider, "translate") for provider in PROVIDERS}


OPENAI = _tiers(mistral="adapt", openai="relay")
RESPONSES = _tiers(mistral="relay", openai="relay")  # Mistral has an endpoint of that form
MISTRAL = _tiers(mistral="relay")
ANTHROPIC = _tiers(anthropic="relay")
GEMINI = _tiers(gemini="relay")
EITHER = _tiers(mistral="relay", openai="relay")  # a client of /v1 that does not say whose it is

STAINLESS = {
    "401": "AuthenticationError",
    "404": "NotFoundError",
    "422": "UnprocessableEntityError",
    "429": "RateLimitError",
    "500": "InternalServerError",
}
SPEAKEASY = {**dict.fromkeys(("400", "401", "404", "429", "500"), "SDKError"), "422": "HTTPValidationError"}
GOOGLE = {**dict.fromkeys(("401", "404", "422", "429"), "ClientError"), "500": "ServerError"}
LITELLM = {**STAINLESS, "422": "BadRequestError"}
HTTPX = dict.fromkeys(("401", "404", "422", "429", "500"), "HTTPStatusError")
PYDANTIC = {
    "401": "ModelAuthenticationError",
    "404": "ModelNotFoundError",
    "422": "ModelRequestRejectedError",
    "429": "ModelRateLimitError",
    "500": "ModelServerError",
}


class Way(NamedTuple):
    """A client at one of its surfaces. `raises` names the class of an error by its status."""

    client: Client
    surface: str
    tiers: Tiers
    raises: Mapping[str, str]


CHAT_WAYS = (
    Way(Client.ANTHROPIC, "messages", ANTHROPIC, STAINLESS),
    Way(Client.ANTHROPIC, "rooted", ANTHROPIC, STAINLESS),
    Way(Client.GOOGLE_GENAI, "gemini", GEMINI, GOOGLE),
    Way(Client.OPENAI_2, "chat", OPENAI, STAINLESS),
    Way(Client.OPENAI_2, "responses", RESPONSES, STAINLESS),
    Way(Client.OPENAI_3, "chat", OPENAI, STAINLESS),
    Way(Client.OPENAI_3, "responses", RESPONSES, STAINLESS),
    Way(Client.MISTRAL_1, "chat", MISTRAL, SPEAKEASY),
    Way(Client.MISTRAL_2, "chat", MISTRAL, SPEAKEASY),
    Way(Client.MISTRAL_3, "chat", MISTRAL, SPEAKEASY),
    Way(Client.LANGCHAIN, "mistral", EITHER, HTTPX),
    Way(Client.LANGCHAIN, "chat", OPENAI, STAINLESS),
    Way(Client.LANGCHAIN, "responses", RESPONSES, STAINLESS),
    Way(Client.LANGCHAIN, "anthropic", ANTHROPIC, STAINLESS),
    Way(Client.LITELLM, "openai", OPENAI, LITELLM),
    Way(Client.LITELLM, "mistral", EITHER, LITELLM),
    Way(Client.LITELLM, "anthropic", ANTHROPIC, LITELLM),
    Way(Client.LLAMA_INDEX, "openai", OPENAI, STAINLESS),
    Way(Client.LLAMA_INDEX, "mistral", MISTRAL, SPEAKEASY),
    Way(Client.PYDANTIC_AI, "chat", OPENAI, PYDANTIC),
    Way(Client.PYDANTIC_AI, "responses", RESPONSES, PYDANTIC),
    Way(Client.PYDANTIC_AI, "anthropic", ANTHROPIC, PYDANTIC),
    Way(Client.PYDANTIC_AI, "mistral", MISTRAL, PYDANTIC),
    Way(Client.PYDANTIC_AI, "google", GEMINI, PYDANTIC),
)
VECTOR_WAYS = (
    Way(Client.OPENAI_2, "vectors", OPENAI, STAINLESS),
    Way(Client.OPENAI_3, "vectors", OPENAI, STAINLESS),
    Way(Client.MISTRAL_1, "vectors", MISTRAL, SPEAKEASY),
    Way(Client.MISTRAL_2, "vectors", MISTRAL, SPEAKEASY),
    Way(Client.MISTRAL_3, "vectors", MISTRAL, SPEAKEASY),
    Way(Client.GOOGLE_GENAI, "vectors", GEMINI, GOOGLE),
)
EMBEDDING_PROVIDERS = ("mistral", "openai", "gemini")

INVENTS_IDS = "ChatMistralAI gives each piece of a streamed call an id of its own where it has none, at Mistral too"
OWN_WORD = "ChatMistralAI asks for `any` tool, which is no word of OpenAI's; a client that says not whose is relayed"
SAYS_NOTHING = "ChatMistralAI does not say whose client it is, and so gets OpenAI's stream, which has no usage unasked"
LACKS: Mapping[str, str] = {
    "langchain mistral tools_stream": INVENTS_IDS,
    "langchain mistral stream openai": SAYS_NOTHING,
    "langchain mistral stream anthropic": SAYS_NOTHING,
    "langchain mistral stream gemini": SAYS_NOTHING,
    "langchain mistral structured openai": OWN_WORD,
    "llama-index mistral tools_stream mistral": "MistralAI reads a call that comes in pieces as several",
    "llama-index mistral structured": "MistralAI asks models that are not in its own list for JSON in words",
}
DEFECTS: Mapping[str, str] = {}


def scene_tests() -> Iterator[Any]:
    """Yield a parameter set for each way, case and provider."""
    for way in CHAT_WAYS:
        for provider in PROVIDERS:
            yield from (_scene(way, case, provider) for case in CASES)
    for way in VECTOR_WAYS:
        yield from (_scene(way, "embeddings", provider) for provider in EMBEDDING_PROVIDERS)


def _scene(way: Way, case: str, provider: str) -> Any:
    everywhere = f"{way.client} {way.surface} {case}"
    here = f"{everywhere} {provider}"
    marks = [pytest.mark.skip(reason=LACKS[name]) for name in (everywhere, here) if name in LACKS]
    marks += [pytest.mark.xfail(strict=True, reason=DEFECTS[here])] if here in DEFECTS else []
    return pytest.param(way, case, provider, id=here.replace(" ", "-"), marks=marks)

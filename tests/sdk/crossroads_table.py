"""The clients at the crossroads: by which surfaces they come, how their calls travel, and what they raise.

Law: what a client cannot do is skipped with the reason, what the gateway gives it wrong is a strict xfail; nothing is
left out silently.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest

from tests.sdk.crossroads import EMBEDDERS, PROVIDERS
from tests.sdk.environments import Client
from tests.sdk.scenes import CASES, DEEP, TOLD

Tiers = Mapping[str, str | None]  # None: it depends on more than the surface


def _tiers(**others: str) -> Tiers:
    return {provider: others.get(provider, "translate") for provider in PROVIDERS}


OPENAI = _tiers(mistral="adapt", openai="relay")
RESPONSES = _tiers(openai="relay")  # Mistral's endpoint of that form knows less of it, and is for its own clients
MISTRAL = _tiers(mistral="relay")
ANTHROPIC = _tiers(anthropic="relay")
GEMINI = _tiers(gemini="relay")
EITHER = _tiers(mistral="relay", openai="relay")  # a client of /v1 that does not say whose it is
# Only a stream of Vercel's says which factory it is from.
HALF_SAID = {**MISTRAL, "openai": None}
HALF_SAID_AT_ROOT = {**HALF_SAID, "mistral": None}

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


VERCEL = dict.fromkeys(("400", "401", "404", "422", "429", "500"), "APICallError")
VERCEL_SURFACES = {
    "vercel_responses": RESPONSES,
    "vercel_chat": OPENAI,
    "vercel_messages": ANTHROPIC,
    "vercel_gemini": GEMINI,
    "vercel_mistral": HALF_SAID_AT_ROOT,
    "vercel_mistral_v1": HALF_SAID,
}


REMEMBERED = ("thought_tools",)  # what was thought comes back as their authors saw fit, or not at all


class Way(NamedTuple):
    """A client at one of its surfaces. `raises` names an error by its status, `more` is what else it is asked."""

    client: Client
    surface: str
    tiers: Tiers
    raises: Mapping[str, str]
    more: tuple[str, ...] = ()


CHAT_WAYS = (
    Way(Client.ANTHROPIC, "messages", ANTHROPIC, STAINLESS, (*DEEP, "counted")),
    Way(Client.ANTHROPIC, "rooted", ANTHROPIC, STAINLESS, (*DEEP, "counted")),
    Way(Client.GOOGLE_GENAI, "gemini", GEMINI, GOOGLE, (*DEEP, "counted")),
    Way(Client.OPENAI_2, "chat", OPENAI, STAINLESS, DEEP),
    Way(Client.OPENAI_2, "responses", RESPONSES, STAINLESS, DEEP),
    Way(Client.OPENAI_3, "chat", OPENAI, STAINLESS, DEEP),
    Way(Client.OPENAI_3, "responses", RESPONSES, STAINLESS, DEEP),
    Way(Client.MISTRAL_1, "chat", MISTRAL, SPEAKEASY, DEEP),
    Way(Client.MISTRAL_2, "chat", MISTRAL, SPEAKEASY, DEEP),
    Way(Client.MISTRAL_3, "chat", MISTRAL, SPEAKEASY, DEEP),
    Way(Client.LANGCHAIN, "mistral", EITHER, HTTPX, REMEMBERED),
    Way(Client.LANGCHAIN, "chat", OPENAI, STAINLESS, REMEMBERED),
    Way(Client.LANGCHAIN, "responses", RESPONSES, STAINLESS, REMEMBERED),
    Way(Client.LANGCHAIN, "anthropic", ANTHROPIC, STAINLESS, REMEMBERED),
    Way(Client.LITELLM, "openai", OPENAI, LITELLM, REMEMBERED),
    Way(Client.LITELLM, "mistral", EITHER, LITELLM, REMEMBERED),
    Way(Client.LITELLM, "anthropic", ANTHROPIC, LITELLM, REMEMBERED),
    Way(Client.LLAMA_INDEX, "openai", OPENAI, STAINLESS, REMEMBERED),
    Way(Client.LLAMA_INDEX, "mistral", MISTRAL, SPEAKEASY, REMEMBERED),
    Way(Client.PYDANTIC_AI, "chat", OPENAI, PYDANTIC, REMEMBERED),
    Way(Client.PYDANTIC_AI, "responses", RESPONSES, PYDANTIC, REMEMBERED),
    Way(Client.PYDANTIC_AI, "anthropic", ANTHROPIC, PYDANTIC, REMEMBERED),
    Way(Client.PYDANTIC_AI, "mistral", MISTRAL, PYDANTIC, REMEMBERED),
    Way(Client.PYDANTIC_AI, "google", GEMINI, PYDANTIC, REMEMBERED),
    Way(Client.ANTHROPIC_TS, "messages", ANTHROPIC, STAINLESS),
    Way(Client.ANTHROPIC_TS, "rooted", ANTHROPIC, STAINLESS),
    Way(Client.GOOGLE_GENAI_TS, "gemini", GEMINI, dict.fromkeys(STAINLESS, "ApiError")),
    Way(Client.OPENAI_TS, "chat", OPENAI, STAINLESS),
    Way(Client.OPENAI_TS, "responses", RESPONSES, STAINLESS),
    Way(Client.MISTRAL_TS_1, "chat", MISTRAL, SPEAKEASY),
    Way(Client.MISTRAL_TS_2, "chat", MISTRAL, SPEAKEASY),
    *(
        Way(client, surface, tiers, VERCEL)
        for client in (Client.VERCEL_TS, Client.VERCEL_TS_5)
        for surface, tiers in VERCEL_SURFACES.items()
    ),
)
VECTOR_WAYS = (
    Way(Client.OPENAI_2, "vectors", OPENAI, STAINLESS),
    Way(Client.OPENAI_3, "vectors", OPENAI, STAINLESS),
    Way(Client.OPENAI_TS, "vectors", OPENAI, STAINLESS),
    Way(Client.GOOGLE_GENAI, "gemini", GEMINI, GOOGLE),
    Way(Client.MISTRAL_1, "chat", MISTRAL, SPEAKEASY),
    Way(Client.MISTRAL_2, "chat", MISTRAL, SPEAKEASY),
    Way(Client.MISTRAL_3, "chat", MISTRAL, SPEAKEASY),
)

INVENTS_IDS = "ChatMistralAI gives each piece of a streamed call an id of its own where it has none, at Mistral too"
RELAYED = "a client that does not say whose it is is relayed at OpenAI as it is at Mistral"
OWN_WORD = "ChatMistralAI asks for `any` tool, which is no word of OpenAI's: " + RELAYED
SAYS_NOTHING = "ChatMistralAI does not say whose client it is, and so gets OpenAI's stream, which has no usage unasked"
UNASKED = "OpenAI's chat cannot ask to see what is thought, and Gemini does not show it unasked"
REFERS = "version 5 refers to items that the provider keeps, and Mistral's Responses keep none"
NO_BOUNDS = "version 5 leaves the bounds out of a tool's schema"
MUMBLES = "version 5 knows no error among Mistral's reasons to finish, and says `unknown`"
LACKS: Mapping[str, str] = {
    "vercel-ts-5 vercel_gemini tools": NO_BOUNDS,
    "vercel-ts-5 vercel_gemini tools_stream": NO_BOUNDS,
    "vercel-ts-5 vercel_mistral stream_broken": MUMBLES,
    "vercel-ts-5 vercel_mistral_v1 stream_broken": MUMBLES,
    "vercel-ts-5 vercel_responses tools mistral": REFERS,
    "vercel-ts-5 vercel_responses tools_stream mistral": REFERS,
    "openai-2 chat thought gemini": UNASKED,
    "openai-3 chat thought gemini": UNASKED,
    "langchain mistral tools_stream": INVENTS_IDS,
    "langchain mistral stream openai": SAYS_NOTHING,
    "langchain mistral stream anthropic": SAYS_NOTHING,
    "langchain mistral stream gemini": SAYS_NOTHING,
    "langchain mistral structured openai": OWN_WORD,
    "llama-index mistral tools_stream mistral": "MistralAI reads a call that comes in pieces as several",
    "llama-index mistral thought_tools mistral": "MistralAI reads no content that is a list, as one with thinking is",
    "litellm mistral thought_tools openai": "LiteLLM's Mistral sends `max_tokens`, which gpt-5 does not take: "
    + RELAYED,
    "llama-index mistral structured": "MistralAI asks models that are not in its own list for JSON in words",
}
# Where a client tells its user other tokens than it was told: not those thought, not those cached, or its own count
# where it was told none.
COUNTS_OTHERWISE = {
    "litellm mistral stream",
    "vercel-ts-5 vercel_messages image",
    *(f"vercel-ts-5 vercel_gemini {case}" for case in TOLD),
}
DEFECTS: Mapping[str, str] = {}


def scene_tests() -> Iterator[Any]:
    """Yield a parameter set for each way, case and provider."""
    for way in CHAT_WAYS:
        for provider in PROVIDERS:
            yield from (_scene(way, case, provider) for case in (*CASES, *way.more))
    for way in VECTOR_WAYS:
        yield from (_scene(way, "embeddings", provider) for provider in EMBEDDERS)


def _scene(way: Way, case: str, provider: str) -> Any:
    everywhere = f"{way.client} {way.surface} {case}"
    here = f"{everywhere} {provider}"
    marks = [pytest.mark.skip(reason=LACKS[name]) for name in (everywhere, here) if name in LACKS]
    marks += [pytest.mark.xfail(strict=True, reason=DEFECTS[here])] if here in DEFECTS else []
    return pytest.param(way, case, provider, id=here.replace(" ", "-"), marks=marks)

"""From a request to what the simulator does about it: the provider by path prefix, faults, the operation, distortion.

`/openai/…` is OpenAI, `/anthropic/…` Anthropic, and so on; `/mistral/…` and the root are Mistral.
"""

import logging
from typing import Protocol

from msgspec import Struct

from gantry.simulator.anthropic.api import AnthropicApi
from gantry.simulator.azure.api import AzureApi
from gantry.simulator.bedrock.api import BedrockApi
from gantry.simulator.cohere.api import CohereApi
from gantry.simulator.distortion import distort
from gantry.simulator.exchange import Answer, Request, json_answer
from gantry.simulator.faults import NO_FAULTS, FaultError, Faults, requested
from gantry.simulator.gemini.api import GeminiApi
from gantry.simulator.mistral.api import MistralApi
from gantry.simulator.openai.api import OpenAIApi
from gantry.simulator.routes import Call, Refusal, Routes
from gantry.simulator.vertex.api import VertexApi

log = logging.getLogger(__name__)

_REPEATABLE = (
    "/chat/completions",
    "/fim/completions",
    "/embeddings",
    "/moderations",
    "/classifications",
    "/messages",
    ":generateContent",
    ":embedContent",
    "/converse",
    "/v2/chat",
)
_REMEMBERING = b'"cache_control"'  # what is cached counts otherwise the next time


class Provider(Protocol):
    """What the world asks of a simulated provider."""

    @property
    def error_event(self) -> bytes: ...

    def routes(self, request: Request) -> Routes:
        """Return the operations as the account of the request's key sees them."""

    def refuse(self, request: Request) -> Answer | None: ...

    def error(self, status: int, code: str) -> Answer: ...

    def missing(self, known: bool) -> Answer: ...

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        """Return the answer with the headers every answer of this provider has."""


class Performance(Struct, frozen=True):
    """An answer and the faults left to its delivery. A repeatable one may be kept for the next same request."""

    answer: Answer
    faults: Faults = NO_FAULTS
    repeatable: bool = False


class World:
    """All simulated providers with what they remember."""

    def __init__(self) -> None:
        self._mistral: Provider = MistralApi()
        self._providers: dict[str, Provider] = {
            "mistral": self._mistral,
            "openai": OpenAIApi(),
            "azure": AzureApi(),
            "anthropic": AnthropicApi(),
            "bedrock": BedrockApi(),
            "cohere": CohereApi(),
            "gemini": GeminiApi(),
            "vertex": VertexApi(),
        }

    def perform(self, request: Request) -> Performance:
        provider, path = self._provider(request.path)
        try:
            faults = requested(request)
        except FaultError as error:
            return Performance(json_answer({"error": f"x-simulate: {error}"}, 400))
        answer, repeatable = self._considered(provider, path, request, faults)
        answer = provider.complete(answer, request, path)
        return Performance(distort(answer, faults, provider.error_event), faults, repeatable)

    def _considered(self, provider: Provider, path: str, request: Request, faults: Faults) -> tuple[Answer, bool]:
        """Return an answer, and whether the next same request gets the same."""
        try:
            refusal = provider.refuse(request)
            if refusal is not None:
                return refusal, False
            answer = self._answer(provider, path, request, faults)
        except Exception:  # the boundary of a request: as a provider, it has words for what its own code did not expect
            log.exception("a simulated provider failed at %s", request.path)
            return provider.error(500, ""), False
        return answer, path.endswith(_REPEATABLE) and _REMEMBERING not in request.body

    def _answer(self, provider: Provider, path: str, request: Request, faults: Faults) -> Answer:
        if faults.status and faults.status != 200:
            return provider.error(faults.status, faults.code)
        handler, parameters, known = provider.routes(request).find(request.method.decode("latin-1"), path)
        if handler is None:
            return provider.missing(known)
        try:
            return handler(Call(request, faults, parameters))
        except Refusal as refusal:
            return refusal.answer

    def _provider(self, path: str) -> tuple[Provider, str]:
        name, separator, rest = path[1:].partition("/")
        provider = self._providers.get(name) if separator else None
        return (self._mistral, path) if provider is None else (provider, "/" + rest)

"""Drives Pydantic AI's models for OpenAI (chat and responses), Anthropic, Mistral and Google."""

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable, Coroutine
from threading import Thread
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.mistral import MistralModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.mistral import MistralProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.sdk.drivers.crossroads.scenes import PICTURE, SUNNY, SYSTEM, play, told


class Wagon(BaseModel):
    name: str
    axles: int
    loads: list[str]


def spoken(result: Any, text: str, pieces: int | None = None) -> dict[str, Any]:
    usage, answer = result.usage, result.all_messages()[-1]
    return told(text, answer.finish_reason, usage.input_tokens, usage.output_tokens, pieces=pieces)


class Agents:
    """`make` gives the model of a name. All run on one event loop, for clients are bound to theirs."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, daemon=True).start()

    def _wait_for(self, told: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(told, self._loop).result()

    def _run(self, model: str, words: Any, **settings: Any) -> Any:
        return self._wait_for(Agent(self._make(model), retries=0, **settings).run(words))

    def text(self, model: str, words: str) -> Any:
        result = self._run(model, words)
        return spoken(result, result.output)

    def system(self, model: str, words: str) -> Any:
        result = self._run(model, words, system_prompt=SYSTEM)
        return spoken(result, result.output)

    def image(self, model: str, words: str) -> Any:
        result = self._run(model, [BinaryContent(b64decode(PICTURE), media_type="image/png"), words])
        return spoken(result, result.output)

    def stream(self, model: str, words: str) -> Any:
        async def listen(result: Any) -> Any:
            pieces = [piece async for piece in result.stream_text(delta=True, debounce_by=None)]
            return spoken(result, "".join(pieces), len(pieces))

        return self._listened(model, words, listen)

    def _listened(self, model: str, words: str, listen: Callable[[Any], Awaitable[Any]], **settings: Any) -> Any:
        async def run() -> Any:
            async with Agent(self._make(model), retries=0, **settings).run_stream(words) as result:
                return await listen(result)

        return self._wait_for(run())

    def tools(self, model: str, words: str) -> Any:
        called: list[Any] = []
        result = self._run(model, words, tools=[self._tool(called)])
        return {"name": called[0], "arguments": called[1], "after": result.output}

    def thought_tools(self, model: str, words: str) -> Any:
        return self.tools(model, words)

    def tools_stream(self, model: str, words: str) -> Any:
        called: list[Any] = []

        async def listen(result: Any) -> Any:
            return await result.get_output()

        output = self._listened(model, words, listen, tools=[self._tool(called)])
        return {"name": called[0], "arguments": called[1], "after": output}

    @staticmethod
    def _tool(called: list[Any]) -> Callable[..., str]:
        def get_weather(city: str, days: int) -> str:
            """The weather of a city."""
            called.extend(("get_weather", {"city": city, "days": days + 1}))  # a schema made of this has no minimum
            return SUNNY

        return get_weather

    def structured(self, model: str, words: str) -> Any:
        return self._run(model, words, output_type=Wagon).output.model_dump()

    def left(self, model: str, words: str) -> Any:
        async def listen(result: Any) -> Any:
            return {"first": await anext(result.stream_text(delta=True, debounce_by=None))}

        return self._listened(model, words, listen)


def chat(url: str, key: str) -> Agents:
    provider = OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{url}/api", api_key=key, max_retries=0))
    return Agents(lambda model: OpenAIChatModel(model, provider=provider))


def responses(url: str, key: str) -> Agents:
    provider = OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{url}/api", api_key=key, max_retries=0))
    return Agents(lambda model: OpenAIResponsesModel(model, provider=provider))


def anthropic(url: str, key: str) -> Agents:
    client = AsyncAnthropic(base_url=f"{url}/api/anthropic", api_key=key, max_retries=0)
    provider = AnthropicProvider(anthropic_client=client)
    return Agents(lambda model: AnthropicModel(model, provider=provider))


def mistral(url: str, key: str) -> Agents:
    provider = MistralProvider(base_url=f"{url}/api", api_key=key)
    return Agents(lambda model: MistralModel(model, provider=provider))


def google(url: str, key: str) -> Agents:
    provider = GoogleProvider(base_url=f"{url}/api/google/gemini", api_key=key)
    return Agents(lambda model: GoogleModel(model, provider=provider))


if __name__ == "__main__":
    play({"chat": chat, "responses": responses, "anthropic": anthropic, "mistral": mistral, "google": google})

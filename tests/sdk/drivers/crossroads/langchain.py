"""Drives LangChain's chat models for Mistral, OpenAI (chat and responses) and Anthropic."""

from collections.abc import Callable
from functools import cache, partial, reduce
from operator import add
from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_mistralai import ChatMistralAI
from langchain_openai import ChatOpenAI

from tests.sdk.drivers.crossroads.scenes import PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

TOOL = {"title": "get_weather", "description": "The weather of a city", **WEATHER}
SCHEMA = {"title": "wagon", "description": "A wagon", **WAGON}
SHOWN = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}


def spoken(message: Any, pieces: int | None = None) -> dict[str, Any]:
    about, usage = message.response_metadata, message.usage_metadata
    finish = about.get("finish_reason") or about.get("stop_reason") or about.get("status")
    return told(message.text, finish, usage["input_tokens"], usage["output_tokens"], pieces=pieces)


class ChatModel:
    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = cache(make)  # a client is dear: it reads certificates

    def text(self, model: str, words: str) -> Any:
        return spoken(self._make(model).invoke(words))

    def system(self, model: str, words: str) -> Any:
        return spoken(self._make(model).invoke([SystemMessage(SYSTEM), HumanMessage(words)]))

    def stream(self, model: str, words: str) -> Any:
        chunks = list(self._make(model).stream(words))
        return spoken(reduce(add, chunks), len(chunks))

    def image(self, model: str, words: str) -> Any:
        return spoken(self._make(model).invoke([HumanMessage([SHOWN, {"type": "text", "text": words}])]))

    def tools(self, model: str, words: str) -> Any:
        chat = self._make(model).bind_tools([TOOL])
        return self._answered(chat, words, chat.invoke(words))

    def thought_tools(self, model: str, words: str) -> Any:
        return self.tools(model, words)

    def tools_stream(self, model: str, words: str) -> Any:
        chat = self._make(model).bind_tools([TOOL])
        return self._answered(chat, words, reduce(add, chat.stream(words)))

    @staticmethod
    def _answered(chat: Any, words: str, message: Any) -> Any:
        (call,) = message.tool_calls
        history = [HumanMessage(words), message, ToolMessage(SUNNY, tool_call_id=call["id"], name=call["name"])]
        return {"name": call["name"], "arguments": call["args"], "after": chat.invoke(history).text}

    def structured(self, model: str, words: str) -> Any:
        return self._make(model).with_structured_output(SCHEMA).invoke(words)

    def left(self, model: str, words: str) -> Any:
        chunks = self._make(model).stream(words)
        first = next(chunk.text for chunk in chunks if chunk.text)
        chunks.close()
        return {"first": first}


def mistral(url: str, key: str) -> ChatModel:
    return ChatModel(lambda model: ChatMistralAI(model=model, base_url=f"{url}/api/v1", api_key=key, max_retries=1))


def openai(url: str, key: str, responses: bool) -> ChatModel:
    settings = {"base_url": f"{url}/api", "api_key": key, "max_retries": 0, "stream_usage": True}
    return ChatModel(lambda model: ChatOpenAI(model=model, use_responses_api=responses, **settings))


def anthropic(url: str, key: str) -> ChatModel:
    settings = {"base_url": f"{url}/api/anthropic", "api_key": key, "max_retries": 0, "max_tokens": 200}
    return ChatModel(lambda model: ChatAnthropic(model=model, **settings))


if __name__ == "__main__":
    play(
        {
            "mistral": mistral,
            "chat": partial(openai, responses=False),
            "responses": partial(openai, responses=True),
            "anthropic": anthropic,
        }
    )

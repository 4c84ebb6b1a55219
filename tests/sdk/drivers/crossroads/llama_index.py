"""Drives LlamaIndex: its Mistral, which stands on Mistral's SDK, and OpenAILike, made for gateways."""

from base64 import b64decode
from collections.abc import Callable
from functools import cache
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock, ToolCallBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.mistralai import MistralAI
from llama_index.llms.mistralai.utils import MISTRALAI_MODELS
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel, Field

from tests.sdk.drivers.crossroads.scenes import PICTURE, SUNNY, SYSTEM, play, told


class Wagon(BaseModel):
    """A wagon."""

    name: str
    axles: int
    loads: list[str]


class Place(BaseModel):
    city: str
    days: int = Field(ge=2)


def get_weather(city: str, days: int) -> str:
    """The weather of a city."""
    return SUNNY


TOOL = FunctionTool.from_defaults(get_weather, fn_schema=Place)


def spoken(response: Any, text: str, pieces: int | None = None) -> dict[str, Any]:
    raw = response.raw
    raw = raw if isinstance(raw, dict) else vars(raw)
    finish, usage = raw["choices"][0].finish_reason, raw["usage"]
    return told(text, finish, usage.prompt_tokens, usage.completion_tokens, pieces=pieces)


class Llm:
    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = cache(make)  # a client is dear: it reads certificates

    def _chat(self, model: str, *messages: ChatMessage) -> Any:
        response = self._make(model).chat(list(messages))
        return spoken(response, response.message.content)

    def text(self, model: str, words: str) -> Any:
        return self._chat(model, ChatMessage(words))

    def system(self, model: str, words: str) -> Any:
        return self._chat(model, ChatMessage(SYSTEM, role=MessageRole.SYSTEM), ChatMessage(words))

    def image(self, model: str, words: str) -> Any:
        picture = ImageBlock(image=b64decode(PICTURE), image_mimetype="image/png")
        return self._chat(model, ChatMessage(role=MessageRole.USER, blocks=[picture, TextBlock(text=words)]))

    def stream(self, model: str, words: str) -> Any:
        parts = list(self._make(model).stream_chat([ChatMessage(words)]))
        raw = parts[-1].raw
        finish = getattr(raw, "data", raw).choices[0].finish_reason
        return {"text": "".join(part.delta or "" for part in parts), "finish": finish, "pieces": len(parts)}

    def tools(self, model: str, words: str) -> Any:
        llm = self._make(model)
        return self._answered(llm, words, llm.chat_with_tools([TOOL], user_msg=words))

    def thought_tools(self, model: str, words: str) -> Any:
        return self.tools(model, words)

    def tools_stream(self, model: str, words: str) -> Any:
        llm = self._make(model)
        return self._answered(llm, words, list(llm.stream_chat_with_tools([TOOL], user_msg=words))[-1])

    @staticmethod
    def _answered(llm: Any, words: str, response: Any) -> Any:
        (call,) = llm.get_tool_calls_from_response(response)
        assert any(isinstance(block, ToolCallBlock) for block in response.message.blocks)
        about = {"tool_call_id": call.tool_id, "name": call.tool_name}
        result = ChatMessage(SUNNY, role=MessageRole.TOOL, additional_kwargs=about)
        after = llm.chat_with_tools([TOOL], chat_history=[ChatMessage(words), response.message, result])
        return {"name": call.tool_name, "arguments": call.tool_kwargs, "after": after.message.content}

    def structured(self, model: str, words: str) -> Any:
        return self._make(model).as_structured_llm(Wagon).chat([ChatMessage(words)]).raw.model_dump()

    def left(self, model: str, words: str) -> Any:
        parts = self._make(model).stream_chat([ChatMessage(words)])
        first = next(part.delta for part in parts if part.delta)
        parts.close()
        return {"first": first}


def like_openai(url: str, key: str) -> Llm:
    settings = {"api_base": f"{url}/api", "api_key": key, "max_retries": 0}
    can = {"is_chat_model": True, "is_function_calling_model": True}
    return Llm(lambda model: OpenAILike(model=model, **settings, **can))


def mistral(url: str, key: str) -> Llm:
    def make(model: str) -> Any:
        MISTRALAI_MODELS[model] = 128_000  # it refuses what is not in its own list
        return MistralAI(model=model, endpoint=f"{url}/api", api_key=key, max_retries=0)

    return Llm(make)


if __name__ == "__main__":
    play({"openai": like_openai, "mistral": mistral})

"""Drives LiteLLM as a client: with its names for OpenAI, Mistral and Anthropic, each pointed at the gateway."""

import json
from functools import partial
from typing import Any

import litellm

from tests.sdk.drivers.crossroads.scenes import PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

FUNCTION = {"name": "get_weather", "description": "The weather of a city", "parameters": WEATHER}
TOOL = {"type": "function", "function": FUNCTION}


def spoken(answer: Any, pieces: int | None = None) -> dict[str, Any]:
    (choice,) = answer.choices
    usage = answer.usage
    tokens = (usage.prompt_tokens, usage.completion_tokens)
    return told(choice.message.content, choice.finish_reason, *tokens, pieces=pieces)


class Completion:
    """`prefix` is what LiteLLM calls the provider, `path` where the gateway has what that provider speaks."""

    def __init__(self, url: str, key: str, prefix: str, path: str) -> None:
        self._prefix = prefix
        self._settings = {"api_base": url + path, "api_key": key, "num_retries": 0, "max_retries": 0, "max_tokens": 200}

    def _complete(self, model: str, content: Any, **more: Any) -> Any:
        messages = more.pop("messages", [{"role": "user", "content": content}])
        return litellm.completion(model=f"{self._prefix}/{model}", messages=messages, **self._settings, **more)

    def text(self, model: str, words: str) -> Any:
        return spoken(self._complete(model, words))

    def system(self, model: str, words: str) -> Any:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": words}]
        return spoken(self._complete(model, None, messages=messages))

    def stream(self, model: str, words: str) -> Any:
        chunks = list(self._complete(model, words, stream=True, stream_options={"include_usage": True}))
        return spoken(litellm.stream_chunk_builder(chunks), len(chunks))

    def image(self, model: str, words: str) -> Any:
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
        return spoken(self._complete(model, [picture, {"type": "text", "text": words}]))

    def tools(self, model: str, words: str) -> Any:
        return self._answered(model, words, self._complete(model, words, tools=[TOOL]).choices[0])

    def thought_tools(self, model: str, words: str) -> Any:
        return self.tools(model, words)

    def tools_stream(self, model: str, words: str) -> Any:
        chunks = list(self._complete(model, words, tools=[TOOL], stream=True))
        return self._answered(model, words, litellm.stream_chunk_builder(chunks).choices[0])

    def _answered(self, model: str, words: str, choice: Any) -> Any:
        assert choice.finish_reason == "tool_calls", choice.finish_reason
        (call,) = choice.message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": SUNNY}
        history = [{"role": "user", "content": words}, choice.message, result]
        after = self._complete(model, None, messages=history, tools=[TOOL])
        arguments = json.loads(call.function.arguments)
        return {"name": call.function.name, "arguments": arguments, "after": after.choices[0].message.content}

    def structured(self, model: str, words: str) -> Any:
        schema = {"name": "wagon", "schema": WAGON, "strict": True}
        answer = self._complete(model, words, response_format={"type": "json_schema", "json_schema": schema})
        return json.loads(answer.choices[0].message.content)

    def left(self, model: str, words: str) -> Any:
        chunks = self._complete(model, words, stream=True)
        first = next(text for text in (chunk.choices[0].delta.content for chunk in chunks) if text)
        chunks.completion_stream.close()
        return {"first": first}


if __name__ == "__main__":
    litellm.suppress_debug_info = True
    play(
        {
            "openai": partial(Completion, prefix="openai", path="/api"),
            "mistral": partial(Completion, prefix="mistral", path="/api/v1"),
            "anthropic": partial(Completion, prefix="anthropic", path="/api/anthropic"),
        }
    )

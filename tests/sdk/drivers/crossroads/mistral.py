"""Drives mistralai 1, 2 or 3 at the models of others."""

import json
from typing import Any

from tests.sdk.drivers.crossroads.scenes import EMBEDDERS, PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral

FUNCTION = {"name": "get_weather", "description": "The weather of a city", "parameters": WEATHER}
TOOL = {"type": "function", "function": FUNCTION}


def words_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(getattr(part, "text", "") for part in content or ())


def spoken(answer: Any) -> Any:
    (choice,) = answer.choices
    usage = answer.usage
    text = words_of(choice.message.content)
    return told(text, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens)


class Chat:
    def __init__(self, url: str, key: str) -> None:
        self._chat = Mistral(api_key=key, server_url=f"{url}/api", timeout_ms=60_000).chat

    def _complete(self, model: str, content: Any, **more: Any) -> Any:
        messages = more.pop("messages", [{"role": "user", "content": content}])
        return self._chat.complete(model=model, messages=messages, **more)

    def text(self, model: str, words: str) -> Any:
        return spoken(self._complete(model, words))

    def system(self, model: str, words: str) -> Any:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": words}]
        return spoken(self._complete(model, None, messages=messages))

    def stream(self, model: str, words: str) -> Any:
        with self._chat.stream(model=model, messages=[{"role": "user", "content": words}]) as events:
            chunks = [event.data for event in events]
        choices = [choice for chunk in chunks for choice in chunk.choices]
        usage, finish = chunks[-1].usage, choices[-1].finish_reason
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else ()
        return told("".join(words_of(choice.delta.content) for choice in choices), finish, *tokens, pieces=len(chunks))

    def image(self, model: str, words: str) -> Any:
        picture = {"type": "image_url", "image_url": f"data:image/png;base64,{PICTURE}"}
        return spoken(self._complete(model, [picture, {"type": "text", "text": words}]))

    def tools(self, model: str, words: str) -> Any:
        answer = self._complete(model, words, tools=[TOOL], tool_choice="auto")
        (choice,) = answer.choices
        assert choice.finish_reason == "tool_calls", choice.finish_reason
        return self._answered(model, words, choice.message.tool_calls)

    def tools_stream(self, model: str, words: str) -> Any:
        question = [{"role": "user", "content": words}]
        with self._chat.stream(model=model, messages=question, tools=[TOOL]) as events:
            deltas = [choice.delta for event in events for choice in event.data.choices]
        first, *more = [call for delta in deltas for call in delta.tool_calls or ()]
        for call in more:
            assert call.index == first.index, call
            first.function.arguments += call.function.arguments
        return self._answered(model, words, [first])

    def _answered(self, model: str, words: str, calls: Any) -> Any:
        (call,) = calls
        history = [
            {"role": "user", "content": words},
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": SUNNY},
        ]
        after = self._complete(model, None, messages=history, tools=[TOOL])
        arguments = call.function.arguments
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        return {
            "name": call.function.name,
            "arguments": arguments,
            "after": words_of(after.choices[0].message.content),
        }

    def structured(self, model: str, words: str) -> Any:
        schema = {"name": "wagon", "schema": WAGON, "strict": True}
        wanted = {"type": "json_schema", "json_schema": schema}
        return json.loads(words_of(self._complete(model, words, response_format=wanted).choices[0].message.content))

    def left(self, model: str, words: str) -> Any:
        with self._chat.stream(model=model, messages=[{"role": "user", "content": words}]) as events:
            pieces = (words_of(event.data.choices[0].delta.content) for event in events)
            return {"first": next(piece for piece in pieces if piece)}


class Embeddings:
    def __init__(self, url: str, key: str) -> None:
        self._embeddings = Mistral(api_key=key, server_url=f"{url}/api", timeout_ms=60_000).embeddings

    def embeddings(self, model: str, words: str) -> Any:
        answer = self._embeddings.create(model=EMBEDDERS.get(model.partition("/")[0], model), inputs=[words])
        (item,) = answer.data
        return {"numbers": len(item.embedding), "tokens": [answer.usage.prompt_tokens]}


if __name__ == "__main__":
    play({"chat": Chat, "vectors": Embeddings})

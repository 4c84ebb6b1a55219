"""Drives mistralai 1, 2 or 3 at the models of others."""

import json
from typing import Any

from pydantic import BaseModel

from tests.sdk.drivers.crossroads.scenes import BOTH, CLOCK, PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral

FUNCTION = {"name": "get_weather", "description": "The weather of a city", "parameters": WEATHER}
TOOL = {"type": "function", "function": FUNCTION}
TIME = {"type": "function", "function": {"name": "get_time", "description": "The time", "parameters": CLOCK}}


class Wagon(BaseModel):
    name: str
    axles: int
    loads: list[str]


def words_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(getattr(part, "text", "") for part in content or ())


def calls_of(message: Any) -> Any:
    return message["tool_calls"] if isinstance(message, dict) else message.tool_calls


def spoken(answer: Any) -> Any:
    (choice,) = answer.choices
    usage = answer.usage
    text = words_of(choice.message.content)
    return told(text, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens)


class Chat:
    def __init__(self, url: str, key: str) -> None:
        self._client = Mistral(api_key=key, server_url=f"{url}/api", timeout_ms=60_000)
        self._chat = self._client.chat

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
        return self._answered(model, words, choice.message)

    def tools_stream(self, model: str, words: str) -> Any:
        question = [{"role": "user", "content": words}]
        with self._chat.stream(model=model, messages=question, tools=[TOOL]) as events:
            deltas = [choice.delta for event in events for choice in event.data.choices]
        first, *more = [call for delta in deltas for call in delta.tool_calls or ()]
        for call in more:
            assert call.index == first.index, call
            first.function.arguments += call.function.arguments
        return self._answered(model, words, {"role": "assistant", "content": "", "tool_calls": [first]})

    def _answered(self, model: str, words: str, message: Any, **more: Any) -> Any:
        (call,) = calls_of(message)
        arguments = call.function.arguments
        if isinstance(arguments, str):
            arguments = json.loads(arguments)
        after = self._after(model, words, message, **more)
        return {"name": call.function.name, "arguments": arguments, "after": after}

    def _after(self, model: str, words: str, message: Any, **more: Any) -> Any:
        results = [
            {"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": SUNNY}
            for call in calls_of(message)
        ]
        history = [{"role": "user", "content": words}, message, *results]
        after = self._complete(model, None, messages=history, **{"tools": [TOOL], **more})
        return words_of(after.choices[0].message.content)

    def tools_both(self, model: str, words: str) -> Any:
        asked = f"{words} {BOTH}"
        message = self._complete(model, asked, tools=[TOOL, TIME]).choices[0].message
        names = [call.function.name for call in message.tool_calls]
        return {"names": names, "after": self._after(model, asked, message, tools=[TOOL, TIME])}

    def thought(self, model: str, words: str) -> Any:
        answer = self._complete(model, words, prompt_mode="reasoning")
        content = answer.choices[0].message.content
        thinking = [part for chunk in content for part in getattr(chunk, "thinking", ())]
        return {**spoken(answer), "thought": "".join(part.text for part in thinking)}

    def thought_tools(self, model: str, words: str) -> Any:
        message = self._complete(model, words, tools=[TOOL], prompt_mode="reasoning").choices[0].message
        return self._answered(model, words, message, prompt_mode="reasoning")

    def parsed(self, model: str, words: str) -> Any:
        messages = [{"role": "user", "content": words}]
        answer = self._chat.parse(model=model, messages=messages, response_format=Wagon)
        return answer.choices[0].message.parsed.model_dump()

    def embeddings(self, model: str, words: str) -> Any:
        answer = self._client.embeddings.create(model=model, inputs=[words])
        return {"numbers": len(answer.data[0].embedding), "tokens": [answer.usage.prompt_tokens]}

    def structured(self, model: str, words: str) -> Any:
        schema = {"name": "wagon", "schema": WAGON, "strict": True}
        wanted = {"type": "json_schema", "json_schema": schema}
        return json.loads(words_of(self._complete(model, words, response_format=wanted).choices[0].message.content))

    def left(self, model: str, words: str) -> Any:
        with self._chat.stream(model=model, messages=[{"role": "user", "content": words}]) as events:
            pieces = (words_of(event.data.choices[0].delta.content) for event in events)
            return {"first": next(piece for piece in pieces if piece)}


if __name__ == "__main__":
    play({"chat": Chat})

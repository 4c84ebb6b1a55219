"""Drives Anthropic's client through the surfaces it can reach: its own path, and the root of the API."""

from typing import Any

from anthropic import Anthropic
from pydantic import BaseModel

from tests.sdk.drivers.crossroads.scenes import BOTH, CLOCK, PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

TOOL = {"name": "get_weather", "description": "The weather of a city", "input_schema": WEATHER}
TIME = {"name": "get_time", "description": "The time in a city", "input_schema": CLOCK}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}


class Wagon(BaseModel):
    name: str
    axles: int
    loads: list[str]


def spoken(message: Any, pieces: int | None = None) -> dict[str, Any]:
    text = "".join(block.text for block in message.content if block.type == "text")
    usage = message.usage
    read = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
    return told(text, message.stop_reason, read, usage.output_tokens, pieces=pieces)


class Messages:
    def __init__(self, url: str, key: str) -> None:
        self._messages = Anthropic(base_url=f"{url}/api/anthropic", api_key=key, max_retries=0).messages

    def _create(self, model: str, content: Any, **more: Any) -> Any:
        messages = more.pop("messages", [{"role": "user", "content": content}])
        return self._messages.create(**{"model": model, "max_tokens": 200, "messages": messages, **more})

    def text(self, model: str, words: str) -> Any:
        return spoken(self._create(model, words))

    def system(self, model: str, words: str) -> Any:
        return spoken(self._create(model, words, system=SYSTEM))

    def stream(self, model: str, words: str) -> Any:
        question = [{"role": "user", "content": words}]
        with self._messages.stream(model=model, max_tokens=200, messages=question) as events:
            pieces = list(events.text_stream)
            message = events.get_final_message()
        assert "".join(pieces) == message.content[0].text
        return spoken(message, len(pieces))

    def image(self, model: str, words: str) -> Any:
        source = {"type": "base64", "media_type": "image/png", "data": PICTURE}
        return spoken(self._create(model, [{"type": "image", "source": source}, {"type": "text", "text": words}]))

    def tools(self, model: str, words: str) -> Any:
        return self._answered(model, words, self._create(model, words, tools=[TOOL]))

    def tools_stream(self, model: str, words: str) -> Any:
        question = [{"role": "user", "content": words}]
        with self._messages.stream(model=model, max_tokens=200, messages=question, tools=[TOOL]) as events:
            message = events.get_final_message()
        return self._answered(model, words, message)

    def _answered(self, model: str, words: str, message: Any, **more: Any) -> Any:
        (call,) = self._calls(message)
        return {"name": call.name, "arguments": call.input, "after": self._after(model, words, message, **more)}

    @staticmethod
    def _calls(message: Any) -> list[Any]:
        assert message.stop_reason == "tool_use", message.stop_reason
        return [block for block in message.content if block.type == "tool_use"]

    def _after(self, model: str, words: str, message: Any, **more: Any) -> Any:
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": SUNNY} for call in self._calls(message)]
        history = [
            {"role": "user", "content": words},
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results},
        ]
        return spoken(self._create(model, None, messages=history, **{"tools": [TOOL], **more}))["text"]

    def tools_both(self, model: str, words: str) -> Any:
        message = self._create(model, f"{words} {BOTH}", tools=[TOOL, TIME])
        names = [call.name for call in self._calls(message)]
        return {"names": names, "after": self._after(model, f"{words} {BOTH}", message, tools=[TOOL, TIME])}

    def thought(self, model: str, words: str) -> Any:
        message = self._create(model, words, **THINKING)
        thoughts = [block.thinking for block in message.content if block.type == "thinking"]
        return {**spoken(message), "thought": "".join(thoughts)}

    def thought_tools(self, model: str, words: str) -> Any:
        question = [{"role": "user", "content": words}]
        with self._messages.stream(model=model, messages=question, tools=[TOOL], **THINKING) as events:
            message = events.get_final_message()
        return self._answered(model, words, message, **THINKING)

    def counted(self, model: str, words: str) -> Any:
        question = [{"role": "user", "content": words}]
        return {"tokens": [self._messages.count_tokens(model=model, messages=question).input_tokens]}

    def parsed(self, model: str, words: str) -> Any:
        question = [{"role": "user", "content": words}]
        message = self._messages.parse(model=model, max_tokens=200, messages=question, output_format=Wagon)
        return message.parsed_output.model_dump()

    def structured(self, model: str, words: str) -> Any:
        tool = {"name": "note_wagon", "description": "Note a wagon", "input_schema": WAGON}
        message = self._create(model, words, tools=[tool], tool_choice={"type": "tool", "name": "note_wagon"})
        (call,) = [block for block in message.content if block.type == "tool_use"]
        return call.input

    def left(self, model: str, words: str) -> Any:
        question = [{"role": "user", "content": words}]
        with self._messages.stream(model=model, max_tokens=200, messages=question) as events:
            return {"first": next(iter(events.text_stream))}


class Rooted(Messages):
    """The same with the base URL that is the gateway's for every other client."""

    def __init__(self, url: str, key: str) -> None:
        self._messages = Anthropic(base_url=f"{url}/api", auth_token=key, max_retries=0).messages


if __name__ == "__main__":
    play({"messages": Messages, "rooted": Rooted})

"""Drives openai 2 or 3: chat completions, responses, embeddings."""

import json
from typing import Any

from openai import OpenAI
from pydantic import BaseModel

from tests.sdk.drivers.crossroads.scenes import BOTH, CLOCK, PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

WEATHER_TOOL: dict[str, Any] = {
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": WEATHER,
}
TIME_TOOL: dict[str, Any] = {"name": "get_time", "description": "The time in a city", "parameters": CLOCK}
TOOLS = [{"type": "function", "function": WEATHER_TOOL}]
BOTH_TOOLS = [*TOOLS, {"type": "function", "function": TIME_TOOL}]
CALLABLE = [{"type": "function", "strict": False, **WEATHER_TOOL}]
BOTH_CALLABLE = [*CALLABLE, {"type": "function", "strict": False, **TIME_TOOL}]
REASONING: dict[str, Any] = {
    "reasoning": {"effort": "high", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
}
SHOWN = f"data:image/png;base64,{PICTURE}"


class Wagon(BaseModel):
    name: str
    axles: int
    loads: list[str]


def client(url: str, key: str) -> Any:
    return OpenAI(base_url=f"{url}/api", api_key=key, max_retries=0, timeout=60)


class Chat:
    def __init__(self, url: str, key: str) -> None:
        self._chat = client(url, key).chat.completions

    def _create(self, model: str, content: Any, **more: Any) -> Any:
        messages = more.pop("messages", [{"role": "user", "content": content}])
        return self._chat.create(model=model, messages=messages, **more)

    @staticmethod
    def _spoken(answer: Any) -> Any:
        (choice,) = answer.choices
        usage = answer.usage
        return told(choice.message.content, choice.finish_reason, usage.prompt_tokens, usage.completion_tokens)

    def text(self, model: str, words: str) -> Any:
        return self._spoken(self._create(model, words))

    def system(self, model: str, words: str) -> Any:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": words}]
        return self._spoken(self._create(model, None, messages=messages))

    def stream(self, model: str, words: str) -> Any:
        chunks = list(self._create(model, words, stream=True, stream_options={"include_usage": True}))
        choices = [choice for chunk in chunks for choice in chunk.choices]
        (usage,) = [chunk.usage for chunk in chunks if chunk.usage]
        (finish,) = [choice.finish_reason for choice in choices if choice.finish_reason]
        text = "".join(choice.delta.content or "" for choice in choices)
        return told(text, finish, usage.prompt_tokens, usage.completion_tokens, pieces=len(chunks))

    def image(self, model: str, words: str) -> Any:
        picture = {"type": "image_url", "image_url": {"url": SHOWN}}
        return self._spoken(self._create(model, [picture, {"type": "text", "text": words}]))

    def tools(self, model: str, words: str) -> Any:
        answer = self._create(model, words, tools=TOOLS, tool_choice="auto")
        return self._answered(model, words, answer.choices[0])

    def tools_stream(self, model: str, words: str) -> Any:
        return self._streamed(model, words)

    def thought_tools(self, model: str, words: str) -> Any:
        return self._streamed(model, words, reasoning_effort="high")

    def _streamed(self, model: str, words: str, **more: Any) -> Any:
        messages = [{"role": "user", "content": words}]
        with self._chat.stream(model=model, messages=messages, tools=TOOLS, **more) as events:
            return self._answered(model, words, events.get_final_completion().choices[0], **more)

    def _answered(self, model: str, words: str, choice: Any, **more: Any) -> Any:
        (call,) = choice.message.tool_calls
        return {
            "name": call.function.name,
            "arguments": json.loads(call.function.arguments),
            "after": self._after(model, words, choice, **more),
        }

    def _after(self, model: str, words: str, choice: Any, **more: Any) -> Any:
        assert choice.finish_reason == "tool_calls", choice.finish_reason
        calls = choice.message.tool_calls
        results = [{"role": "tool", "tool_call_id": call.id, "content": SUNNY} for call in calls]
        history = [{"role": "user", "content": words}, choice.message, *results]
        after = self._create(model, None, messages=history, **{"tools": TOOLS, **more})
        return after.choices[0].message.content

    def tools_both(self, model: str, words: str) -> Any:
        asked = f"{words} {BOTH}"
        (choice,) = self._create(model, asked, tools=BOTH_TOOLS).choices
        names = [call.function.name for call in choice.message.tool_calls]
        return {"names": names, "after": self._after(model, asked, choice, tools=BOTH_TOOLS)}

    def thought(self, model: str, words: str) -> Any:
        answer = self._create(model, words, reasoning_effort="high")
        thought = getattr(answer.choices[0].message, "reasoning_content", None)
        return {**self._spoken(answer), "thought": thought}

    def parsed(self, model: str, words: str) -> Any:
        messages = [{"role": "user", "content": words}]
        answer = self._chat.parse(model=model, messages=messages, response_format=Wagon)
        return answer.choices[0].message.parsed.model_dump()

    def structured(self, model: str, words: str) -> Any:
        schema = {"name": "wagon", "schema": WAGON, "strict": True}
        answer = self._create(model, words, response_format={"type": "json_schema", "json_schema": schema})
        return json.loads(answer.choices[0].message.content)

    def left(self, model: str, words: str) -> Any:
        with self._create(model, words, stream=True) as chunks:
            return {"first": next(chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content)}


class Responses:
    def __init__(self, url: str, key: str) -> None:
        self._responses = client(url, key).responses

    @staticmethod
    def _spoken(answer: Any, pieces: int | None = None) -> Any:
        usage = answer.usage
        return told(answer.output_text, answer.status, usage.input_tokens, usage.output_tokens, pieces=pieces)

    def text(self, model: str, words: str) -> Any:
        return self._spoken(self._responses.create(model=model, input=words))

    def system(self, model: str, words: str) -> Any:
        return self._spoken(self._responses.create(model=model, input=words, instructions=SYSTEM))

    def stream(self, model: str, words: str) -> Any:
        with self._responses.stream(model=model, input=words) as events:
            pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
            answer = events.get_final_response()
        assert "".join(pieces) == answer.output_text
        return self._spoken(answer, len(pieces))

    def image(self, model: str, words: str) -> Any:
        content = [{"type": "input_image", "image_url": SHOWN}, {"type": "input_text", "text": words}]
        return self._spoken(self._responses.create(model=model, input=[{"role": "user", "content": content}]))

    def tools(self, model: str, words: str) -> Any:
        return self._answered(model, words, self._responses.create(model=model, input=words, tools=CALLABLE))

    def tools_stream(self, model: str, words: str) -> Any:
        return self._streamed(model, words)

    def thought_tools(self, model: str, words: str) -> Any:
        return self._streamed(model, words, **REASONING)

    def _streamed(self, model: str, words: str, **more: Any) -> Any:
        with self._responses.stream(model=model, input=words, tools=CALLABLE, **more) as events:
            return self._answered(model, words, events.get_final_response(), **more)

    @staticmethod
    def _calls(answer: Any) -> list[Any]:
        return [item for item in answer.output if item.type == "function_call"]

    def _answered(self, model: str, words: str, answer: Any, **more: Any) -> Any:
        (call,) = self._calls(answer)
        after = self._after(model, words, answer, **more)
        return {"name": call.name, "arguments": json.loads(call.arguments), "after": after}

    def _after(self, model: str, words: str, answer: Any, **more: Any) -> Any:
        calls = self._calls(answer)
        results = [{"type": "function_call_output", "call_id": call.call_id, "output": SUNNY} for call in calls]
        history = [{"role": "user", "content": words}, *answer.output, *results]
        return self._responses.create(model=model, input=history, **{"tools": CALLABLE, **more}).output_text

    def tools_both(self, model: str, words: str) -> Any:
        asked = f"{words} {BOTH}"
        answer = self._responses.create(model=model, input=asked, tools=BOTH_CALLABLE)
        names = [call.name for call in self._calls(answer)]
        return {"names": names, "after": self._after(model, asked, answer, tools=BOTH_CALLABLE)}

    def thought(self, model: str, words: str) -> Any:
        answer = self._responses.create(model=model, input=words, **REASONING)
        reasoned = [item for item in answer.output if item.type == "reasoning"]
        return {**self._spoken(answer), "thought": "".join(part.text for item in reasoned for part in item.summary)}

    def parsed(self, model: str, words: str) -> Any:
        return self._responses.parse(model=model, input=words, text_format=Wagon).output_parsed.model_dump()

    def structured(self, model: str, words: str) -> Any:
        wanted = {"format": {"type": "json_schema", "name": "wagon", "schema": WAGON, "strict": True}}
        return json.loads(self._responses.create(model=model, input=words, text=wanted).output_text)

    def left(self, model: str, words: str) -> Any:
        with self._responses.create(model=model, input=words, stream=True) as events:
            return {"first": next(event.delta for event in events if event.type == "response.output_text.delta")}


class Embeddings:
    def __init__(self, url: str, key: str) -> None:
        self._embeddings = client(url, key).embeddings

    def embeddings(self, model: str, words: str) -> Any:
        answer = self._embeddings.create(model=model, input=words)
        (item,) = answer.data
        return {"numbers": len(item.embedding), "tokens": [answer.usage.prompt_tokens]}


if __name__ == "__main__":
    play({"chat": Chat, "responses": Responses, "vectors": Embeddings})

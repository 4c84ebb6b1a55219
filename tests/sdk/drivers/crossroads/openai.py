"""Drives openai 2 or 3: chat completions, responses, embeddings."""

import json
from typing import Any

from openai import OpenAI

from tests.sdk.drivers.crossroads.scenes import EMBEDDERS, PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

SHOWN = f"data:image/png;base64,{PICTURE}"


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
        answer = self._create(model, words, tools=[self._tool()], tool_choice="auto")
        return self._answered(model, words, answer.choices[0])

    def tools_stream(self, model: str, words: str) -> Any:
        messages = [{"role": "user", "content": words}]
        with self._chat.stream(model=model, messages=messages, tools=[self._tool()]) as events:
            return self._answered(model, words, events.get_final_completion().choices[0])

    @staticmethod
    def _tool() -> Any:
        function = {"name": "get_weather", "description": "The weather of a city", "parameters": WEATHER}
        return {"type": "function", "function": function}

    def _answered(self, model: str, words: str, choice: Any) -> Any:
        assert choice.finish_reason == "tool_calls", choice.finish_reason
        (call,) = choice.message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "content": SUNNY}
        history = [{"role": "user", "content": words}, choice.message, result]
        after = self._create(model, None, messages=history, tools=[self._tool()])
        arguments = json.loads(call.function.arguments)
        return {"name": call.function.name, "arguments": arguments, "after": after.choices[0].message.content}

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
        answer = self._responses.create(model=model, input=words, tools=[self._tool()])
        return self._answered(model, words, answer)

    def tools_stream(self, model: str, words: str) -> Any:
        with self._responses.stream(model=model, input=words, tools=[self._tool()]) as events:
            for _ in events:
                pass
            return self._answered(model, words, events.get_final_response())

    @staticmethod
    def _tool() -> Any:
        return {
            "type": "function",
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": WEATHER,
            "strict": False,
        }

    def _answered(self, model: str, words: str, answer: Any) -> Any:
        (call,) = [item for item in answer.output if item.type == "function_call"]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": SUNNY}
        history = [{"role": "user", "content": words}, *answer.output, result]
        after = self._responses.create(model=model, input=history, tools=[self._tool()])
        return {"name": call.name, "arguments": json.loads(call.arguments), "after": after.output_text}

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
        answer = self._embeddings.create(model=EMBEDDERS.get(model.partition("/")[0], model), input=words)
        (item,) = answer.data
        return {"numbers": len(item.embedding), "tokens": [answer.usage.prompt_tokens]}


if __name__ == "__main__":
    play({"chat": Chat, "responses": Responses, "vectors": Embeddings})

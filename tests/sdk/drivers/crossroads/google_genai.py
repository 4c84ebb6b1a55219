"""Drives Google's client, whose requests name the model in the path."""

import os
from base64 import b64decode
from typing import Any

from google import genai
from google.genai import types
from pydantic import BaseModel

from tests.sdk.drivers.crossroads.scenes import BOTH, CLOCK, PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

WEATHER_TOOL = types.FunctionDeclaration(
    name="get_weather", description="The weather of a city", parameters_json_schema=WEATHER
)
TIME_TOOL = types.FunctionDeclaration(name="get_time", description="The time in a city", parameters_json_schema=CLOCK)
TOOL = types.Tool(function_declarations=[WEATHER_TOOL])
BOTH_TOOLS = types.Tool(function_declarations=[WEATHER_TOOL, TIME_TOOL])
THINKING = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)


class Wagon(BaseModel):
    name: str
    axles: int
    loads: list[str]


def spoken(answer: Any, text: str, pieces: int | None = None) -> dict[str, Any]:
    usage = answer.usage_metadata
    written = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return told(text, answer.candidates[0].finish_reason.name, usage.prompt_token_count, written, pieces=pieces)


class GenerateContent:
    def __init__(self, url: str, key: str) -> None:
        options = types.HttpOptions(base_url=f"{url}/api/google/gemini", retry_options=None)
        self._client = genai.Client(api_key=key, http_options=options)
        self._models = self._client.models

    def _generate(self, model: str, contents: Any, **config: Any) -> Any:
        return self._models.generate_content(
            model=model, contents=contents, config=types.GenerateContentConfig(**config)
        )

    def text(self, model: str, words: str) -> Any:
        answer = self._generate(model, words)
        return spoken(answer, answer.text)

    def system(self, model: str, words: str) -> Any:
        answer = self._generate(model, words, system_instruction=SYSTEM)
        return spoken(answer, answer.text)

    def stream(self, model: str, words: str) -> Any:
        chunks = list(self._models.generate_content_stream(model=model, contents=words))
        return spoken(chunks[-1], "".join(chunk.text or "" for chunk in chunks), len(chunks))

    def image(self, model: str, words: str) -> Any:
        picture = types.Part.from_bytes(data=b64decode(PICTURE), mime_type="image/png")
        answer = self._generate(model, [picture, words])
        return spoken(answer, answer.text)

    def tools(self, model: str, words: str) -> Any:
        answer = self._generate(model, words, tools=[TOOL])
        return self._answered(model, words, answer.candidates[0].content)

    def tools_stream(self, model: str, words: str) -> Any:
        return self._streamed(model, words, tools=[TOOL])

    def thought_tools(self, model: str, words: str) -> Any:
        return self._streamed(model, words, tools=[TOOL], thinking_config=THINKING)

    def _streamed(self, model: str, words: str, **config: Any) -> Any:
        settings = types.GenerateContentConfig(**config)
        chunks = self._models.generate_content_stream(model=model, contents=words, config=settings)
        contents = [candidate.content for chunk in chunks for candidate in chunk.candidates or ()]
        parts = [part for content in contents if content for part in content.parts or ()]
        return self._answered(model, words, types.Content(role="model", parts=parts), **config)

    @staticmethod
    def _calls(content: Any) -> list[Any]:
        return [part.function_call for part in content.parts if part.function_call]

    def _answered(self, model: str, words: str, content: Any, **config: Any) -> Any:
        (call,) = self._calls(content)
        return {"name": call.name, "arguments": call.args, "after": self._after(model, words, content, **config)}

    def _after(self, model: str, words: str, content: Any, **config: Any) -> Any:
        results = [
            types.FunctionResponse(id=call.id, name=call.name, response={"result": SUNNY})
            for call in self._calls(content)
        ]
        history = [
            types.Content(role="user", parts=[types.Part(text=words)]),
            content,
            types.Content(role="user", parts=[types.Part(function_response=result) for result in results]),
        ]
        return self._generate(model, history, **{"tools": [TOOL], **config}).text

    def tools_both(self, model: str, words: str) -> Any:
        asked = f"{words} {BOTH}"
        content = self._generate(model, asked, tools=[BOTH_TOOLS]).candidates[0].content
        names = [call.name for call in self._calls(content)]
        return {"names": names, "after": self._after(model, asked, content, tools=[BOTH_TOOLS])}

    def thought(self, model: str, words: str) -> Any:
        answer = self._generate(model, words, thinking_config=THINKING)
        thoughts = [part.text for part in answer.candidates[0].content.parts if part.thought]
        return {**spoken(answer, answer.text), "thought": "".join(thoughts)}

    def counted(self, model: str, words: str) -> Any:
        return {"tokens": [self._models.count_tokens(model=model, contents=words).total_tokens]}

    def parsed(self, model: str, words: str) -> Any:
        answer = self._generate(model, words, response_mime_type="application/json", response_schema=Wagon)
        return answer.parsed.model_dump()

    def embeddings(self, model: str, words: str) -> Any:
        (item,) = self._models.embed_content(model=model, contents=words).embeddings
        return {"numbers": len(item.values)}

    def structured(self, model: str, words: str) -> Any:
        answer = self._generate(model, words, response_mime_type="application/json", response_json_schema=WAGON)
        return answer.parsed

    def left(self, model: str, words: str) -> Any:
        chunks = self._models.generate_content_stream(model=model, contents=words)
        first = next(chunks)
        chunks.close()
        return {"first": first.text}


if __name__ == "__main__":
    os.environ.pop("GOOGLE_API_KEY", None)
    play({"gemini": GenerateContent})

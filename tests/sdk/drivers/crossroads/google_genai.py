"""Drives Google's client, whose requests name the model in the path."""

import os
from base64 import b64decode
from typing import Any

from google import genai
from google.genai import types

from tests.sdk.drivers.crossroads.scenes import EMBEDDERS, PICTURE, SUNNY, SYSTEM, WAGON, WEATHER, play, told

TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather", description="The weather of a city", parameters_json_schema=WEATHER
        )
    ]
)


def spoken(answer: Any, text: str, pieces: int | None = None) -> dict[str, Any]:
    usage = answer.usage_metadata
    written = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
    return told(text, answer.candidates[0].finish_reason.name, usage.prompt_token_count, written, pieces=pieces)


def client(url: str, key: str) -> genai.Client:
    options = types.HttpOptions(base_url=f"{url}/api/google/gemini", retry_options=None)
    return genai.Client(api_key=key, http_options=options)


class GenerateContent:
    def __init__(self, url: str, key: str) -> None:
        self._client = client(url, key)
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
        config = types.GenerateContentConfig(tools=[TOOL])
        chunks = self._models.generate_content_stream(model=model, contents=words, config=config)
        contents = [candidate.content for chunk in chunks for candidate in chunk.candidates or ()]
        parts = [part for content in contents if content for part in content.parts or ()]
        return self._answered(model, words, types.Content(role="model", parts=parts))

    def _answered(self, model: str, words: str, content: Any) -> Any:
        (call,) = [part.function_call for part in content.parts if part.function_call]
        result = types.FunctionResponse(id=call.id, name=call.name, response={"result": SUNNY})
        history = [
            types.Content(role="user", parts=[types.Part(text=words)]),
            content,
            types.Content(role="user", parts=[types.Part(function_response=result)]),
        ]
        after = self._generate(model, history, tools=[TOOL])
        return {"name": call.name, "arguments": call.args, "after": after.text}

    def structured(self, model: str, words: str) -> Any:
        answer = self._generate(model, words, response_mime_type="application/json", response_json_schema=WAGON)
        return answer.parsed

    def left(self, model: str, words: str) -> Any:
        chunks = self._models.generate_content_stream(model=model, contents=words)
        first = next(chunks)
        chunks.close()
        return {"first": first.text}


class Embeddings:
    def __init__(self, url: str, key: str) -> None:
        self._client = client(url, key)

    def embeddings(self, model: str, words: str) -> Any:
        name = EMBEDDERS.get(model.partition("/")[0], model)
        (item,) = self._client.models.embed_content(model=name, contents=words).embeddings or []
        return {"numbers": len(item.values or ()), "tokens": []}


if __name__ == "__main__":
    os.environ.pop("GOOGLE_API_KEY", None)
    play({"gemini": GenerateContent, "vectors": Embeddings})

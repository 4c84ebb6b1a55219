"""Drives openai 3: one JSON line per scenario on stdout. It runs in that client's own environment.

Reads BASE_URL, KEY, BAD_KEY, MODEL, UNKNOWN_MODEL and EMBEDDING_MODEL from the environment; arguments name the
scenarios to run, none means all.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from openai import AsyncOpenAI, OpenAI

MODEL = os.environ["MODEL"]
QUESTION = [{"role": "user", "content": "Hello, Mistral!"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city", "days"],
        },
    },
}


def settings(**changes: Any) -> dict[str, Any]:
    return {"api_key": os.environ["KEY"], "base_url": os.environ["BASE_URL"], "max_retries": 0, **changes}


def client(**changes: Any) -> Any:
    return OpenAI(**settings(**changes))


def usage(answer: Any) -> dict[str, int]:
    return {name: getattr(answer.usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def folded(chunks: list[Any]) -> dict[str, Any]:
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    counted = [chunk for chunk in chunks if chunk.usage is not None]
    return {
        "text": "".join(choice.delta.content or "" for choice in choices),
        "finish": [choice.finish_reason for choice in choices if choice.finish_reason],
        "usage": usage(counted[-1]) if counted else None,
        "types": sorted({type(choice.delta.content).__name__ for choice in choices}),
    }


def complete() -> Any:
    answer = client().chat.completions.create(model=MODEL, messages=QUESTION)
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "usage": usage(answer),
    }


def stream() -> Any:
    return folded(list(client().chat.completions.create(model=MODEL, messages=QUESTION, stream=True)))


def stream_usage() -> Any:
    wanted = {"include_usage": True}
    chunks = client().chat.completions.create(model=MODEL, messages=QUESTION, stream=True, stream_options=wanted)
    return folded(list(chunks))


def complete_async() -> Any:
    async def run() -> Any:
        async with AsyncOpenAI(**settings()) as openai:
            return await openai.chat.completions.create(model=MODEL, messages=QUESTION)

    answer = asyncio.run(run())
    return {"text": answer.choices[0].message.content, "usage": usage(answer)}


def stream_async() -> Any:
    async def run() -> list[Any]:
        async with AsyncOpenAI(**settings()) as openai:
            chunks = await openai.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
            return [chunk async for chunk in chunks]

    return folded(asyncio.run(run()))


def common_fields() -> Any:
    """The fields that a Mistral body has under other names, or not at all."""
    answer = client().chat.completions.create(
        model=MODEL, messages=QUESTION, max_completion_tokens=5, seed=7, user="user_123", temperature=0.2, top_p=0.9
    )
    return {"finish": answer.choices[0].finish_reason, "usage": usage(answer)}


def tools() -> Any:
    openai = client()
    answer = openai.chat.completions.create(
        model=MODEL, messages=QUESTION, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False
    )
    message = answer.choices[0].message
    call = message.tool_calls[0]
    history = [*QUESTION, message, {"role": "tool", "tool_call_id": call.id, "content": "22 °C and sunny"}]
    second = openai.chat.completions.create(model=MODEL, messages=history, tools=[WEATHER])
    return {
        "type": call.type,
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "content": message.content,
        "after": second.choices[0].message.content,
    }


def tools_stream() -> Any:
    with client().chat.completions.stream(
        model=MODEL, messages=QUESTION, tools=[WEATHER], tool_choice="required"
    ) as events:
        message = events.get_final_completion().choices[0].message
    call = message.tool_calls[0]
    return {"id": call.id, "name": call.function.name, "arguments": json.loads(call.function.arguments)}


def parse() -> Any:
    from pydantic import BaseModel  # noqa: PLC0415 - it comes with the client

    class Wagon(BaseModel):
        name: str
        axles: int
        loads: list[str]

    answer = client().chat.completions.parse(model=MODEL, messages=QUESTION, response_format=Wagon)
    return answer.choices[0].message.parsed.model_dump()


def embeddings() -> Any:
    answer = client().embeddings.create(model=os.environ["EMBEDDING_MODEL"], input=["one", "two"])
    return {"count": len(answer.data), "number": type(answer.data[0].embedding[0]).__name__}


def models_list() -> Any:
    return sorted(card.id for card in client().models.list())


def error_401() -> Any:
    return client(api_key=os.environ["BAD_KEY"]).chat.completions.create(model=MODEL, messages=QUESTION)


def error_model() -> Any:
    return client().chat.completions.create(model=os.environ["UNKNOWN_MODEL"], messages=QUESTION)


def error_429() -> Any:
    return client().chat.completions.create(model=MODEL + "--sim-status-429", messages=QUESTION)


def stream_cut() -> Any:
    chunks = client().chat.completions.create(model=MODEL + "--sim-cut-mid-event", messages=QUESTION, stream=True)
    return folded(list(chunks))


def stream_left_early() -> Any:
    openai = client()
    with openai.chat.completions.create(model=MODEL + "--sim-stall-20", messages=QUESTION, stream=True) as chunks:
        first = next(iter(chunks))
    second = openai.chat.completions.create(model=MODEL, messages=QUESTION)
    return {"first": first.choices[0].delta.role, "next": second.object}


SCENARIOS: tuple[Callable[[], Any], ...] = (
    complete,
    stream,
    stream_usage,
    complete_async,
    stream_async,
    common_fields,
    tools,
    tools_stream,
    parse,
    embeddings,
    models_list,
    error_401,
    error_model,
    error_429,
    stream_cut,
    stream_left_early,
)


def outcome(scenario: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"scenario": scenario.__name__, "result": scenario()}
    except Exception as error:  # noqa: BLE001 - what the client raises is the result
        return {
            "scenario": scenario.__name__,
            "error": [kind.__name__ for kind in type(error).__mro__],
            "status": getattr(error, "status_code", None),
            "message": str(error)[:500],
        }


if __name__ == "__main__":
    for each in SCENARIOS:
        if len(sys.argv) == 1 or each.__name__ in sys.argv[1:]:
            sys.stdout.write(json.dumps(outcome(each), default=str) + "\n")
            sys.stdout.flush()

"""What every case of openai 2 and 3 needs. Which models are asked is in the environment: they differ by road."""

import os
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

httpx: Any = import_module("httpx2" if find_spec("httpx2") else "httpx")  # openai 3 stands on the former

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
SOUND = b"\0" * 48_000  # three seconds, as the simulator hears it
__all__ = [
    "MODEL",
    "QUESTION",
    "SOUND",
    "WEATHER",
    "AsyncOpenAI",
    "Wagon",
    "client",
    "folded",
    "httpx",
    "joined",
    "settings",
    "usage",
]


class Wagon(BaseModel):
    name: str
    axles: int
    loads: list[str]


def settings(**changes: Any) -> dict[str, Any]:
    return {"api_key": os.environ["KEY"], "base_url": os.environ["BASE_URL"], "max_retries": 0, **changes}


def client(**changes: Any) -> Any:
    return OpenAI(**settings(**changes))


def usage(answer: Any) -> dict[str, int] | None:
    if answer.usage is None:
        return None
    return {name: getattr(answer.usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def joined(answer: Any) -> dict[str, Any]:
    """Say what a whole answer said."""
    choice = answer.choices[0]
    return {"text": choice.message.content, "finish": choice.finish_reason, "usage": usage(answer)}


def folded(chunks: Iterable[Any]) -> dict[str, Any]:
    """Put the chunks of a stream together."""
    seen = list(chunks)
    choices = [chunk.choices[0] for chunk in seen if chunk.choices]
    counted = [chunk for chunk in seen if chunk.usage is not None]
    return {
        "chunks": len(seen),
        "text": "".join(choice.delta.content or "" for choice in choices),
        "finish": [choice.finish_reason for choice in choices if choice.finish_reason],
        "usage": usage(counted[-1]) if counted else None,
        "types": sorted({type(choice.delta.content).__name__ for choice in choices}),
    }

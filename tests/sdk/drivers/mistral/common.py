"""What every case of mistralai 1, 2 and 3 needs: the client, the questions, and what is read of an answer."""

import os
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pydantic import BaseModel

try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral
httpx: Any = import_module("httpx2" if find_spec("httpx2") else "httpx")  # mistralai 3 stands on the former

CHAT = "mistral-small-latest"
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
__all__ = ["CHAT", "QUESTION", "SOUND", "WEATHER", "Wagon", "client", "folded", "httpx", "joined", "text", "usage"]


class Wagon(BaseModel):
    name: str
    axles: int
    loads: list[str]


def client(**changes: Any) -> Any:
    return Mistral(**{"api_key": os.environ["KEY"], "server_url": os.environ["BASE_URL"], **changes})


def usage(answer: Any) -> dict[str, int] | None:
    if not answer.usage:
        return None
    return {name: getattr(answer.usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(getattr(chunk, "text", "") for chunk in content or ())


def joined(answer: Any) -> dict[str, Any]:
    """Say what a whole answer said."""
    choice = answer.choices[0]
    return {"text": text(choice.message.content), "finish": choice.finish_reason, "usage": usage(answer)}


def folded(events: Iterable[Any]) -> dict[str, Any]:
    """Put the events of a chat stream together."""
    seen = list(events)
    choices = [event.data.choices[0] for event in seen if event.data.choices]
    return {
        "events": len(seen),
        "text": "".join(text(choice.delta.content) for choice in choices),
        "finish": choices[-1].finish_reason,
        "usage": usage(seen[-1].data),
    }

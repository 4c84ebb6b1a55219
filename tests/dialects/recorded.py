"""Recordings of chat exchanges, by the dialect they were made in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gantry.core.vocabulary import Dialect

FOLDERS = {
    Dialect.MISTRAL: "mistral_chat",
    Dialect.OPENAI_CHAT: "openai_chat",
    Dialect.OPENAI_RESPONSES: "openai_responses",
    Dialect.ANTHROPIC: "anthropic_messages",
    Dialect.GEMINI: "gemini_generate",
    Dialect.BEDROCK: "bedrock_converse",
    Dialect.COHERE: "cohere_chat",
}


class Exchange(NamedTuple):
    file: str
    request: bytes | None
    status: int
    answer: bytes | None
    streamed: bool


def exchanges(shared: Path, dialect: Dialect) -> Iterator[Exchange]:
    """Yield the recordings of a dialect."""
    for path in sorted((shared / "recordings").glob(f"*/{FOLDERS[dialect]}/*.json")):
        recording = json.loads(path.read_bytes())
        asked, response = recording["request"].get("body"), recording["response"]
        answer = None
        if response.get("sse"):
            answer = response["sse"].encode()
        elif isinstance(response.get("body"), dict):
            answer = as_json(response["body"])
        yield Exchange(
            f"{path.parent.parent.name}/{path.name}",
            as_json(asked) if isinstance(asked, dict) else None,
            response["status"],
            answer,
            bool(response.get("sse")),
        )


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()

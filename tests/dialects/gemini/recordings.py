"""The recordings of Gemini's traffic, as bytes that went over the wire."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Exchange(NamedTuple):
    file: str
    model: str
    request: dict[str, Any] | None
    status: int
    streamed: bool
    raw: bytes
    answers: list[dict[str, Any]]  # the whole one, or each of the stream's


def exchanges(shared: Path, folder: str = "gemini_generate") -> Iterator[Exchange]:
    for path in sorted((shared / "recordings").glob(f"*/{folder}/*.json")):
        recording = json.loads(path.read_bytes())
        response = recording["response"]
        name = f"{path.parent.parent.name}/{path.name}"
        request, model = recording["request"]["body"], recording["model"]
        if response.get("sse"):
            lines = response["sse"].replace("\r", "").split("\n")
            answers = [json.loads(line[5:]) for line in lines if line.startswith("data:")]
            yield Exchange(name, model, request, response["status"], True, response["sse"].encode(), answers)
        elif response.get("body") is not None:
            body = response["body"]
            raw = json.dumps(body, ensure_ascii=False).encode()
            yield Exchange(
                name, model, request, response["status"], False, raw, body if isinstance(body, list) else [body]
            )

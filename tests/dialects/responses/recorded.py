"""Recorded Responses traffic, and a reader of it written apart from ours and with as little cleverness as it allows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

SEPARATOR = "\n\n"


class Exchange(NamedTuple):
    file: str
    asked: dict[str, Any] | None
    status: int
    raw: bytes
    streamed: bool

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = [line[5:].strip() for line in self.raw.decode().split("\n") if line.startswith("data:")]
        return [json.loads(line) for line in lines if line != "[DONE]"]

    @property
    def document(self) -> dict[str, Any]:
        """The response that was answered, or that the stream ended with."""
        if not self.streamed:
            document: dict[str, Any] = json.loads(self.raw)
            return document
        last: dict[str, Any] = [event for event in self.events if "response" in event][-1]["response"]
        if not last.get("output"):
            done = [event for event in self.events if event["type"] == "response.output_item.done"]
            last["output"] = [event["item"] for event in sorted(done, key=lambda event: event["output_index"])]
        return last


class Told(NamedTuple):
    text: str
    refusal: str
    thought: str
    calls: list[tuple[str, str, str]]
    natives: list[str]
    usage: tuple[int | None, ...]


def exchanges(shared: Path) -> Iterator[Exchange]:
    for path in sorted((shared / "recordings").glob("*/openai_responses/*.json")):
        recording = json.loads(path.read_bytes())
        if recording["request"]["path"].endswith("/compact"):
            continue  # another operation
        response = recording["response"]
        streamed = bool(response.get("sse"))
        raw = response["sse"].encode() if streamed else json.dumps(response["body"], ensure_ascii=False).encode()
        name = f"{path.parent.parent.name}/{path.name}"
        yield Exchange(name, recording["request"]["body"], response["status"], raw, streamed)


def tell(document: dict[str, Any]) -> Told:
    text = refusal = ""
    thoughts, natives = [], []
    calls: list[tuple[str, str, str]] = []
    for item in document["output"]:
        if item["type"] == "message":
            text += "".join(part["text"] for part in item["content"] if part["type"] == "output_text")
            refusal += "".join(part["refusal"] for part in item["content"] if part["type"] == "refusal")
        elif item["type"] == "reasoning":
            thoughts.append(SEPARATOR.join(part["text"] for part in item.get("content") or item["summary"]))
        elif item["type"] == "function_call" and not item.get("namespace") and not is_called_by_program(item):
            calls.append((item["call_id"], item["name"], item["arguments"]))
        else:
            natives.append(item["type"])
    return Told(text, refusal, "|".join(thoughts), calls, natives, units(document.get("usage")))


def is_called_by_program(item: dict[str, Any]) -> bool:
    return (item.get("caller") or {}).get("type") == "program"


def units(usage: dict[str, Any] | None) -> tuple[int | None, ...]:
    if usage is None:
        return (None,) * 6
    given, made, total = usage["input_tokens"], usage["output_tokens"], usage.get("total_tokens")
    details = usage.get("input_tokens_details") or {}
    reasoning = (usage.get("output_tokens_details") or {}).get("reasoning_tokens")
    if reasoning and total == given + made + reasoning:
        made += reasoning  # one that counts reasoning beside the output
    return given, details.get("cached_tokens"), details.get("cache_write_tokens"), made, reasoning, total

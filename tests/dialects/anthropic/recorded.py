"""Anthropic's recorded traffic, and a naive reader of it that shares nothing with the codec."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Exchange(NamedTuple):
    name: str
    request: dict[str, Any] | None
    status: int
    body: bytes
    streamed: bool


class Naive(NamedTuple):
    text: str
    thinking: str
    calls: list[tuple[str, str, Any]]
    signatures: list[str]
    natives: list[str]
    stop: tuple[str | None, str | None]
    usage: dict[str, Any]


def exchanges(shared: Path) -> Iterator[Exchange]:
    for path in sorted((shared / "recordings").glob("*/anthropic_messages/*.json")):
        recording = json.loads(path.read_bytes())
        response = recording["response"]
        body = response.get("sse") or json.dumps(response.get("body"), ensure_ascii=False)
        streamed = bool(response.get("sse"))
        yield Exchange(path.name, recording["request"]["body"], response["status"], body.encode(), streamed)


def read_naively(exchange: Exchange) -> Naive:
    if not exchange.streamed:
        message = json.loads(exchange.body)
        return _naive(message["content"], (message["stop_reason"], message.get("stop_sequence")), message["usage"])
    blocks: dict[int, dict[str, Any]] = {}
    stop: tuple[str | None, str | None] = (None, None)
    usage: dict[str, Any] = {}
    for event in events_of(exchange.body):
        match event["type"]:
            case "message_start":
                usage |= event["message"]["usage"]
            case "content_block_start":
                blocks[event["index"]] = {**event["content_block"], "json": ""}
            case "content_block_delta":
                _grow(blocks[event["index"]], event["delta"])
            case "message_delta":
                stop = (event["delta"]["stop_reason"], event["delta"].get("stop_sequence"))
                usage |= {name: value for name, value in event["usage"].items() if value is not None}
            case "message_stop":
                break  # one recording holds several answers, one after another
    for block in blocks.values():
        if block.pop("json_text", ""):
            block["input"] = json.loads(block["json"])
    return _naive(list(blocks.values()), stop, usage)


def events_of(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line[5:]) for line in body.decode().split("\n") if line.startswith("data:")]


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    block["text"] = block.get("text", "") + delta.get("text", "")
    block["thinking"] = block.get("thinking", "") + delta.get("thinking", "")
    if "signature" in delta:
        block["signature"] = delta["signature"]
    if "partial_json" in delta:
        block["json"] += delta["partial_json"]
        block["json_text"] = block["json"]


def _naive(blocks: list[dict[str, Any]], stop: tuple[str | None, str | None], usage: dict[str, Any]) -> Naive:
    known = ("text", "thinking", "redacted_thinking", "tool_use")
    return Naive(
        "".join(block["text"] for block in blocks if block["type"] == "text"),
        "".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"],
        [block["signature"] for block in blocks if block.get("signature")],
        [block["type"] for block in blocks if block["type"] not in known],
        stop,
        usage,
    )

"""A message told as named events, padded with blanks inside the JSON as the real streams are."""

from collections.abc import Iterator
from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, stream_answer
from gantry.simulator.oracle import Composition

_STEP = 6
_TOTALS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
_LATE = "output_tokens_details"  # told at the end only
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def told(message: dict[str, Any], composition: Composition) -> Answer:
    """Return the stream that folds to a whole message."""
    usage = message.get("usage")
    opened = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    if usage is not None:
        opened["usage"] = {name: value for name, value in usage.items() if name != _LATE} | {"output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": opened}]
    for index, block in enumerate(message["content"]):
        events += _block(block, index, composition)
    last: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": message["stop_reason"]}}
    last["delta"] |= {"stop_sequence": message["stop_sequence"], "stop_details": message["stop_details"]}
    if usage is not None:
        last["usage"] = {name: usage[name] for name in (*_TOTALS, _LATE)}
    events += [last, {"type": "message_stop"}]
    parts = [_event(item, number) for number, item in enumerate(events)]
    weights = [int(item["type"] == "content_block_delta") for item in events]
    parts[2:2] = [_PING]
    weights[2:2] = [0]
    return stream_answer(parts, weights)


def _block(block: dict[str, Any], index: int, composition: Composition) -> Iterator[dict[str, Any]]:
    place = {"index": index}
    match block["type"]:
        case "thinking":
            begun: dict[str, Any] = {"type": "thinking", "thinking": "", "signature": ""}
            tokens = composition.thinking if block["thinking"] else ()
            deltas = [{"type": "thinking_delta", "thinking": token} for token in tokens]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "redacted_thinking":
            begun, deltas = block, []
        case "tool_use":
            begun = {**block, "input": {}}
            said = msgspec.json.encode(block["input"]).decode()
            pieces = ["", *(said[start : start + _STEP] for start in range(0, len(said), _STEP))]
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        case _:
            begun = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": token} for token in composition.tokens]
    yield {"type": "content_block_start", **place, "content_block": begun}
    yield from ({"type": "content_block_delta", **place, "delta": delta} for delta in deltas)
    yield {"type": "content_block_stop", **place}


def _event(value: dict[str, Any], number: int) -> bytes:
    padded = msgspec.json.encode(value)[:-1] + b" " * (number * 5 % 16) + b"}"
    return b"event: %s\ndata: %s\n\n" % (value["type"].encode(), padded)

"""Bedrock streams written by hand after the published shapes; there are no recordings of them."""

import json
from typing import Any

from gantry.wire.aws_event_stream import EventStreamParser, encode_message, text_headers


def event(kind: str, payload: dict[str, Any]) -> bytes:
    headers = ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event"))
    # The service pads payloads with `p`, so that their length tells nothing.
    return encode_message(text_headers(headers), json.dumps(payload | {"p": "abcdefgh"}).encode())


def exception(kind: str, message: str) -> bytes:
    headers = ((":exception-type", kind), (":content-type", "application/json"), (":message-type", "exception"))
    return encode_message(text_headers(headers), json.dumps({"message": message}).encode())


def start(index: int, value: dict[str, Any]) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": value})


def delta(index: int, value: dict[str, Any]) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": value})


def stop(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 115, "cacheReadInputTokens": 100}
BEGIN = event("messageStart", {"role": "assistant"})
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 300}, "serviceTier": {"type": "flex"}})


def end(reason: str = "end_turn", **more: Any) -> bytes:
    return event("messageStop", {"stopReason": reason} | more)


THINKING_AND_CALLS = b"".join(
    (
        BEGIN,
        delta(0, {"reasoningContent": {"text": "Two "}}),
        delta(0, {"reasoningContent": {"text": "cities."}}),
        delta(0, {"reasoningContent": {"signature": "c2ln"}}),
        stop(0),
        delta(1, {"reasoningContent": {"redactedContent": "c2VjcmV0"}}),
        stop(1),
        delta(2, {"text": "I look "}),
        delta(2, {"text": ""}),
        delta(2, {"text": "them up: \u00e9\u2028"}),
        stop(2),
        start(3, {"toolUse": {"toolUseId": "tooluse_1", "name": "weather"}}),
        delta(3, {"toolUse": {"input": ""}}),
        delta(3, {"toolUse": {"input": '{"city":'}}),
        delta(3, {"toolUse": {"input": ' "Rome"}'}}),
        stop(3),
        start(4, {"toolUse": {"toolUseId": "tooluse_2", "name": "now"}}),
        stop(4),
        end("tool_use"),
        METADATA,
    )
)
# The answer that the stream comes to, as Converse would give it.
THINKING_AND_CALLS_WHOLE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "Two cities.", "signature": "c2ln"}}},
                {"reasoningContent": {"redactedContent": "c2VjcmV0"}},
                {"text": "I look them up: \u00e9\u2028"},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "weather", "input": {"city": "Rome"}}},
                {"toolUse": {"toolUseId": "tooluse_2", "name": "now", "input": {}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": USAGE,
    "metrics": {"latencyMs": 300},
    "serviceTier": {"type": "flex"},
}
GROUNDED = b"".join(
    (
        BEGIN,
        start(0, {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "type": "server_tool_use"}}),
        delta(0, {"toolUse": {"input": '{"query":'}}),
        delta(0, {"toolUse": {"input": '"ruby"}'}}),
        stop(0),
        start(1, {"toolResult": {"toolUseId": "t", "type": "nova_grounding_result", "status": "success"}}),
        delta(1, {"toolResult": [{"text": "[HIDDEN]"}]}),
        stop(1),
        delta(2, {"text": "Ruby 4"}),
        stop(2),
        delta(3, {"citation": {"title": "Ruby", "location": {"web": {"url": "https://ruby-lang.org"}}}}),
        stop(3),
        end(),
        METADATA,
    )
)
GROUNDED_WHOLE = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {
                    "toolUse": {
                        "toolUseId": "t",
                        "name": "nova_grounding",
                        "type": "server_tool_use",
                        "input": {"query": "ruby"},
                    }
                },
                {
                    "toolResult": {
                        "toolUseId": "t",
                        "type": "nova_grounding_result",
                        "status": "success",
                        "content": [{"text": "[HIDDEN]"}],
                    }
                },
                {"text": "Ruby 4"},
                {
                    "citationsContent": {
                        "citations": [{"title": "Ruby", "location": {"web": {"url": "https://ruby-lang.org"}}}]
                    }
                },
            ],
        }
    },
    "stopReason": "end_turn",
    "usage": USAGE,
    "serviceTier": {"type": "flex"},
}


def told(raw: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return a stream as kinds and payloads."""
    parser = EventStreamParser()
    messages = parser.feed(raw)
    parser.close()
    assert parser.fault is None
    return [(one.text(":event-type") or one.text(":exception-type"), json.loads(one.payload)) for one in messages]

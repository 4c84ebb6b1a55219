"""Providers whose answers do not end by themselves: a beginning, and then words until nobody listens."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from gantry.core.vocabulary import Dialect
from gantry.wire.body import encode_chunk
from tests.gateway.conftest import STREAM_HEAD, Heard, Script, read_request

WORDS = [f"number {number} and " for number in range(200)]


class Endless(NamedTuple):
    """A stream in one dialect: what comes before its words, each word as an event, and the input it tells of."""

    dialect: Dialect
    beginning: Sequence[bytes]
    words: Sequence[bytes]
    input_tokens: int | None = None

    def script(self) -> Script:
        """Return an upstream that says it all and then waits until it is hung up on."""

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
            await read_request(reader, heard)
            writer.write(STREAM_HEAD)
            for event in (*self.beginning, *self.words):
                writer.write(encode_chunk(event))
                await writer.drain()
                await asyncio.sleep(0)
            await reader.read()

        return speak


def named(name: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (
        name.encode(),
        json.dumps({"type": name, **fields}, separators=(",", ":")).encode(),
    )


def data(**fields: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(fields, separators=(",", ":")).encode()


def _chunk(model: str, delta: dict[str, Any]) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return data(id="c1", object="chat.completion.chunk", created=1, model=model, choices=[choice])


def _family(dialect: Dialect, model: str) -> Endless:
    return Endless(
        dialect,
        [_chunk(model, {"role": "assistant", "content": ""})],
        [_chunk(model, {"content": word}) for word in WORDS],
    )


def _anthropic() -> Endless:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    ends = {"stop_reason": None, "stop_sequence": None}
    usage = {"input_tokens": 9, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 0, "output_tokens": 1}
    return Endless(
        Dialect.ANTHROPIC,
        [
            named("message_start", message={**message, **ends, "usage": usage}),
            named("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        ],
        [named("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in WORDS],
        12,
    )


def _gemini() -> Endless:
    def piece(number: int, word: str) -> bytes:
        candidate = {"content": {"role": "model", "parts": [{"text": word}]}, "index": 0}
        usage = {"promptTokenCount": 9, "candidatesTokenCount": number * 4, "totalTokenCount": 9 + number * 4}
        return data(candidates=[candidate], usageMetadata=usage, modelVersion="gemini-2.5-flash", responseId="r1")

    return Endless(Dialect.GEMINI, [], [piece(number, word) for number, word in enumerate(WORDS, 1)], 9)


def _responses() -> Endless:
    response = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "in_progress",
        "model": "gpt-4o",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return Endless(
        Dialect.OPENAI_RESPONSES,
        [
            named("response.created", sequence_number=0, response=response),
            named("response.in_progress", sequence_number=1, response=response),
            named("response.output_item.added", sequence_number=2, output_index=0, item=item),
            named("response.content_part.added", sequence_number=3, **where, part=part),
        ],
        [
            named("response.output_text.delta", sequence_number=number, **where, delta=word, logprobs=[])
            for number, word in enumerate(WORDS, 4)
        ],
    )


ENDLESS = {
    "mistral": _family(Dialect.MISTRAL, "mistral-large-2512"),
    "openai": _family(Dialect.OPENAI_CHAT, "gpt-4o"),
    "responses": _responses(),
    "anthropic": _anthropic(),
    "gemini": _gemini(),
}

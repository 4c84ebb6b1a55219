"""Mistral's streamed chat answer as an OpenAI client understands it.

Law: whatever the cut of the bytes, the same comes out. A stream adds to what `mistral_answer` does only what a stream
needs: it remembers the tool calls it has begun, and sends usage apart, when it was asked for. A chunk that both
dialects read alike is not rebuilt.
"""

import re
from typing import Any, Final

import msgspec
from msgspec import Struct

from gantry.core.errors import GatewayError, UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.call_fold import arguments_text
from gantry.dialects.chat_chunk import has_value, read_chunk
from gantry.dialects.chat_shapes import ChoicePart, Chunk, MessagePart, ToolCallPart
from gantry.dialects.error_message import error_message
from gantry.dialects.errors import encode_stream_error
from gantry.dialects.frames import EVENT_STREAM
from gantry.dialects.members import UNREADABLE, Members, decode_items, decode_members
from gantry.dialects.mistral_answer import (
    NO_ID,
    UNKNOWN_ERROR,
    adapt_message,
    adapt_usage,
    inner_members,
    openai_finish_reason,
)
from gantry.dialects.mistral_tool_ids import mint_tool_id
from gantry.wire.sse import EventTooLarge, SSEEvent, SSEParser

DONE: Final = b"data: [DONE]\n\n"
_whole_event: Final = re.compile(rb"data: \{[^\r\n]*\n\n").fullmatch
_DONE_DATA: Final = b"[DONE]"
_ONLY_MISTRAL: Final = ("usage", "p")


class _AlikeDelta(Struct, gc=False):
    content: str | None = None
    tool_calls: None = None


class _AlikeChoice(Struct, gc=False):
    delta: _AlikeDelta
    finish_reason: None = None


class _Alike(Struct, gc=False):
    """A chunk that both dialects read alike: text that goes on, and nothing else."""

    choices: list[_AlikeChoice]
    usage: None = None
    error: None = None


_decode_alike: Final = msgspec.json.Decoder(_Alike).decode
_encode: Final = msgspec.json.Encoder().encode


class StreamAdapter:
    """A stream of Mistral's chunks in, a stream of OpenAI's out."""

    __slots__ = ("_between", "_calls", "_finished", "_include_usage", "_parser", "ended", "failure")

    content_type = EVENT_STREAM

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._parser = SSEParser()
        self._between = True  # the parser holds no part of an event
        self._calls: dict[int, _CallNumbers] = {}
        self._finished = False
        self.ended = False
        self.failure: str | None = None

    def feed(self, data: bytes) -> bytes:
        """Return what these bytes complete. Raises UpstreamBroke when an event is too large to be one."""
        if self._between and _whole_event(data) is not None:
            return self._adapt(data[6:-2])  # as most reads are
        try:
            events = self._parser.feed(data)
        except EventTooLarge as error:
            raise UpstreamBroke(str(error)) from error
        self._between = data.endswith(b"\n\n") and b"\r" not in data
        return self._adapt_all(events)

    def close(self) -> bytes:
        """Return the end of the stream: nothing more, a missing `[DONE]`, or an error when the answer broke off."""
        rest = self._adapt_all(self._parser.close())
        if self.ended:
            return rest
        if not self._finished:
            return rest + self._break_off("the provider's stream ended before the answer did")
        self.ended = True
        return rest + DONE

    def fail(self, error: GatewayError) -> bytes:
        """Return the end of a stream that cannot go on; nothing where it has ended."""
        return b"" if self.ended else encode_stream_error(Dialect.OPENAI_CHAT, error)

    def _adapt_all(self, events: list[SSEEvent]) -> bytes:
        return b"".join([self._adapt(event.data) for event in events])

    def _adapt(self, data: bytes) -> bytes:
        if self.ended:
            return b""
        try:
            _decode_alike(data)
        except UNREADABLE:
            return self._rewrite_event(data)
        return b"data: %b\n\n" % data

    def _rewrite_event(self, data: bytes) -> bytes:
        if data.startswith(_DONE_DATA):
            self.ended = True
            return DONE
        chunk = read_chunk(data)
        if chunk is None:
            return self._break_off("the provider's stream holds an event that is not JSON")
        if chunk.choices is None or has_value(chunk.error):
            return self._break_off(error_message(chunk) or UNKNOWN_ERROR)
        try:
            return self._rewrite(data, chunk)
        except UNREADABLE:
            return self._break_off("the provider's stream holds a chunk that cannot be read")

    def _break_off(self, message: str) -> bytes:
        """Return an error and say nothing after it: OpenAI's SDKs raise on it, and its users read no further."""
        self.ended = True
        self.failure = message
        return encode_stream_error(Dialect.OPENAI_CHAT, UpstreamBroke(message))

    def _rewrite(self, data: bytes, chunk: Chunk) -> bytes:
        members: dict[str, Any] = dict(decode_members(data))
        usage = members.get("usage")
        for name in _ONLY_MISTRAL:
            members.pop(name, None)
        adapted = []
        for choice, part in zip(decode_items(members["choices"]), chunk.choices or (), strict=True):
            if part.finish_reason == "error":
                return self._break_off("the model stopped with an error")
            self._finished = self._finished or part.finish_reason is not None
            adapted.append(self._adapt_choice(choice, part, chunk.id))
        out = b""
        if adapted:
            out = b"data: %b\n\n" % _encode({**members, "choices": adapted})
        if self._include_usage and usage is not None and has_value(usage):
            out += b"data: %b\n\n" % _encode({**members, "choices": [], "usage": adapt_usage(usage)})
        return out

    def _adapt_choice(self, choice: Members, part: ChoicePart, answer_id: str | None) -> dict[str, Any]:
        delta = part.delta or MessagePart()
        adapted: dict[str, Any] = {**choice, "delta": adapt_message(inner_members(choice, "delta"), delta)}
        if delta.tool_calls:
            numbers = self._calls.setdefault(part.index, _CallNumbers(answer_id))
            adapted["delta"]["tool_calls"] = [numbers.adapt(call) for call in delta.tool_calls]
        adapted["finish_reason"] = openai_finish_reason(part.finish_reason)
        return adapted


class _CallNumbers:
    """The tool calls of one choice that a stream has begun, numbered as OpenAI counts them."""

    __slots__ = ("_answer_id", "_count", "_current", "_ids")

    def __init__(self, answer_id: str | None) -> None:
        self._answer_id = answer_id
        self._count = 0
        self._current: dict[int | None, int] = {}
        self._ids: dict[int, str | None] = {}

    def adapt(self, call: ToolCallPart) -> dict[str, Any]:
        given_id = None if call.id in NO_ID else call.id
        name = call.function.name if call.function is not None else None
        number = self._current.get(call.index)
        arguments = arguments_text(call.function) if call.function is not None else ""
        if number is not None and not (name and given_id not in (None, self._ids[number])):
            return {"index": number, "function": {"arguments": arguments}}
        number = self._count
        self._count += 1
        self._current[call.index] = number
        self._ids[number] = given_id
        return {
            "index": number,
            "id": given_id or mint_tool_id(self._answer_id, number),
            "type": "function",
            "function": {"name": name or "", "arguments": arguments},
        }

"""Mistral's answer as an OpenAI client understands it, whole or streamed.

Law: one routine adapts a message and a delta; the stream adds only what a stream needs, which is to remember the tool
calls it has begun and to send usage apart, when it was asked for. A chunk that both dialects read alike is not
rebuilt.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gantry.core.errors import UpstreamBroke
from gantry.core.vocabulary import Dialect
from gantry.dialects.call_fold import arguments_text
from gantry.dialects.chat_chunk import (
    UNREADABLE,
    Chunk,
    MessagePart,
    ToolCallPart,
    decode_members,
    has_value,
    read_chunk,
    read_message,
)
from gantry.dialects.content_fold import ContentFold
from gantry.dialects.error_message import error_message
from gantry.dialects.errors import encode_stream_error
from gantry.dialects.usage import read_usage
from gantry.wire.sse import EventTooLarge, SSEParser

_DONE: Final = b"[DONE]"
_NO_ID: Final = ("", "null", None)
_FINISH_REASONS: Final = {"model_length": "length", "error": "stop"}
_ONLY_MISTRAL: Final = ("content", "tool_calls", "prefix")
_OTHER_CACHE_NAMES: Final = ("num_cached_tokens", "prompt_token_details")
_UNKNOWN_ERROR: Final = "the provider answered with an error that has no message"


def to_openai(status: int, body: bytes) -> bytes:
    """Return a whole answer for an OpenAI client. Raises UpstreamBroke when it cannot be read."""
    chunk = read_chunk(body)
    if status >= 400:
        return _error_body(body, chunk)
    try:
        members = decode_members(body)
        choices = msgspec.json.decode(members["choices"], type=list[dict[str, Raw]])
    except (KeyError, *UNREADABLE):
        raise UpstreamBroke("the provider's answer is not a chat completion") from None
    adapted: dict[str, Any] = {**members, "choices": [_adapt_choice(choice) for choice in choices]}
    if chunk is not None and has_value(chunk.usage):
        adapted["usage"] = _adapt_usage(chunk.usage)
    return msgspec.json.encode(adapted)


class StreamAdapter:
    """A stream of Mistral's chunks in, a stream of OpenAI's out, whatever the cut of the bytes."""

    __slots__ = ("_calls", "_done", "_finished", "_include_usage", "_parser")

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage
        self._parser = SSEParser()
        self._calls: dict[int, _CallNumbers] = {}
        self._finished = False
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """Return what these bytes complete. Raises UpstreamBroke when an event is too large to be one."""
        try:
            events = self._parser.feed(data)
        except EventTooLarge as error:
            raise UpstreamBroke(str(error)) from error
        return b"".join(self._adapt(event.data) for event in events)

    def close(self) -> bytes:
        """Return the end of the stream: nothing more, a missing `[DONE]`, or an error when the answer broke off."""
        rest = b"".join(self._adapt(event.data) for event in self._parser.close())
        if self._done:
            return rest
        self._done = True
        if self._finished:
            return rest + b"data: [DONE]\n\n"
        return rest + _broken("the provider's stream ended before the answer did")

    def _adapt(self, data: bytes) -> bytes:
        if self._done:
            return b""
        if data.startswith(_DONE):
            self._done = True
            return b"data: [DONE]\n\n"
        chunk = read_chunk(data)
        if chunk is None:
            return _broken("the provider's stream holds an event that is not JSON")
        if chunk.choices is None or has_value(chunk.error):
            return _broken(error_message(chunk) or _UNKNOWN_ERROR)
        if _reads_alike(chunk):
            return b"data: " + data + b"\n\n"
        return self._rewrite(data, chunk)

    def _rewrite(self, data: bytes, chunk: Chunk) -> bytes:
        members: dict[str, Any] = dict(decode_members(data))
        usage = members.pop("usage", None)
        choices = msgspec.json.decode(members["choices"], type=list[dict[str, Raw]])
        adapted = []
        for choice, part in zip(choices, chunk.choices or (), strict=True):
            if part.finish_reason == "error" and not has_value(chunk.error):
                return _broken("the model stopped with an error")
            self._finished = self._finished or part.finish_reason is not None
            adapted.append(self._adapt_choice(choice, part.index, part.delta or MessagePart()))
        out = b""
        if adapted:
            out = b"data: " + msgspec.json.encode({**members, "choices": adapted}) + b"\n\n"
        if self._include_usage and usage is not None and has_value(usage):
            last = {**members, "choices": [], "usage": _adapt_usage(usage)}
            out += b"data: " + msgspec.json.encode(last) + b"\n\n"
        return out

    def _adapt_choice(self, choice: dict[str, Raw], index: int, delta: MessagePart) -> dict[str, Any]:
        adapted: dict[str, Any] = {**choice, "delta": _adapt_message(_members(choice, "delta"), delta)}
        if delta.tool_calls:
            numbers = self._calls.setdefault(index, _CallNumbers())
            adapted["delta"]["tool_calls"] = [numbers.adapt(call) for call in delta.tool_calls]
        return _with_finish_reason(adapted, choice)


class _CallNumbers:
    """The tool calls of one choice that a stream has begun, numbered as OpenAI counts them."""

    __slots__ = ("_count", "_current", "_ids")

    def __init__(self) -> None:
        self._count = 0
        self._current: dict[int | None, int] = {}
        self._ids: dict[int, str | None] = {}

    def adapt(self, call: ToolCallPart) -> dict[str, Any]:
        given_id = None if call.id in _NO_ID else call.id
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
            "id": given_id or f"call_{number}",
            "type": "function",
            "function": {"name": name or "", "arguments": arguments},
        }


def _reads_alike(chunk: Chunk) -> bool:
    """Say whether both dialects read a chunk alike: text that goes on, and nothing else."""
    if has_value(chunk.usage):
        return False
    return all(
        choice.finish_reason is None
        and choice.delta is not None
        and not choice.delta.tool_calls
        and not isinstance(choice.delta.content, list)
        for choice in chunk.choices or ()
    )


def _adapt_choice(choice: dict[str, Raw]) -> dict[str, Any]:
    message = read_message(choice.get("message", Raw(b"{}")))
    adapted: dict[str, Any] = {**choice, "message": _adapt_message(_members(choice, "message"), message)}
    if message.tool_calls:
        calls = [_whole_call(number, call) for number, call in enumerate(message.tool_calls)]
        adapted["message"]["tool_calls"] = calls
        adapted["message"]["content"] = adapted["message"]["content"] or None
    return _with_finish_reason(adapted, choice)


def _adapt_message(members: dict[str, Raw], part: MessagePart) -> dict[str, Any]:
    """Return a message or a delta with its content as one string, its thinking beside it, and no tool calls yet."""
    adapted: dict[str, Any] = {name: value for name, value in members.items() if name not in _ONLY_MISTRAL}
    if isinstance(part.content, list):
        content = ContentFold()
        content.add(part.content)
        if content.thinking:
            adapted["reasoning_content"] = content.thinking
        adapted["content"] = content.text or (None if content.thinking else "")
    elif "content" in members:
        adapted["content"] = part.content
    else:
        adapted.setdefault("content", None)
    return adapted


def _whole_call(number: int, call: ToolCallPart) -> dict[str, Any]:
    function = call.function
    return {
        "id": f"call_{number}" if call.id in _NO_ID else call.id,
        "type": "function",
        "function": {
            "name": (function.name or "") if function is not None else "",
            "arguments": arguments_text(function) if function is not None else "",
        },
    }


def _with_finish_reason(adapted: dict[str, Any], choice: dict[str, Raw]) -> dict[str, Any]:
    raw = bytes(choice.get("finish_reason", Raw(b"null")))
    if raw.startswith(b'"'):
        reason = msgspec.json.decode(raw, type=str)
        adapted["finish_reason"] = _FINISH_REASONS.get(reason, reason)
    return adapted


def _adapt_usage(raw: Raw) -> dict[str, Any]:
    """Return the usage with the three counts OpenAI's SDK needs and cached tokens under their one name."""
    usage, _ = read_usage(raw)
    try:
        members = decode_members(raw)
    except UNREADABLE:
        members = {}
    adapted: dict[str, Any] = {
        **{name: value for name, value in members.items() if name not in _OTHER_CACHE_NAMES and has_value(value)},
        "prompt_tokens": usage.input_tokens or 0,
        "completion_tokens": usage.output_tokens or 0,
        "total_tokens": usage.total_tokens or 0,
    }
    if usage.cached_input_tokens is not None:
        adapted.setdefault("prompt_tokens_details", {"cached_tokens": usage.cached_input_tokens})
    return adapted


def _error_body(body: bytes, chunk: Chunk | None) -> bytes:
    message = (error_message(chunk) if chunk is not None else None) or _UNKNOWN_ERROR
    try:
        named = decode_members(body)
    except UNREADABLE:
        named = {}
    error = {"message": message, **{name: named.get(name) for name in ("type", "param", "code")}}
    return msgspec.json.encode({"error": error, "detail": message})


def _broken(message: str) -> bytes:
    return encode_stream_error(Dialect.OPENAI_CHAT, UpstreamBroke(message))


def _members(choice: dict[str, Raw], name: str) -> dict[str, Raw]:
    raw = choice.get(name)
    if raw is None or not has_value(raw):
        return {}
    try:
        return decode_members(raw)
    except UNREADABLE:
        return {}

"""Mistral's whole chat answer as an OpenAI client understands it, and the parts that its stream shares.

Law: one routine adapts a message and a delta. An answer that both dialects read alike keeps its bytes: that is most of
them, so it is tried first, in one decoding. In others, members that no OpenAI client would look at stay.
"""

from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import UpstreamBroke
from gantry.dialects.call_fold import arguments_text
from gantry.dialects.changes import Change, converted
from gantry.dialects.chat_chunk import has_value, read_chunk, read_message
from gantry.dialects.chat_shapes import ABSENT, Chunk, MessagePart, ToolCallPart
from gantry.dialects.content_fold import ContentFold
from gantry.dialects.error_message import error_message
from gantry.dialects.members import UNREADABLE, Members, decode_items, decode_members
from gantry.dialects.mistral_tool_ids import mint_tool_id
from gantry.dialects.usage import read_usage

NO_ID: Final = ("", "null", None)
UNKNOWN_ERROR: Final = "the provider answered with an error that has no message"
_FINISH_REASONS: Final = {"model_length": "length", "error": "stop"}
_ONLY_MISTRAL: Final = ("content", "tool_calls", "prefix")
_OTHER_CACHE_NAMES: Final = ("num_cached_tokens", "prompt_token_details")


class _AlikeMessage(Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["assistant"]
    content: str
    tool_calls: None = None


class _AlikeChoice(Struct, gc=False):
    index: int
    message: _AlikeMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class _AlikeDetails(Struct, gc=False):
    cached_tokens: int | None = None


class _AlikeUsage(Struct, forbid_unknown_fields=True, gc=False):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _AlikeDetails | None = None
    service_tier: str | None = None
    prompt_audio_seconds: Raw = ABSENT


class _Alike(Struct, gc=False):
    """An answer in text, with nothing in it that one dialect reads and the other does not."""

    id: str
    object: str
    created: int
    model: str
    choices: list[_AlikeChoice]
    usage: _AlikeUsage


_decode_alike: Final = msgspec.json.Decoder(_Alike).decode


def to_openai(status: int, body: bytes, changes: list[Change]) -> bytes:
    """Return a whole answer for an OpenAI client. Raises UpstreamBroke when it cannot be read."""
    if status >= 400:
        return error_body(body)
    try:
        _decode_alike(body)
    except UNREADABLE:
        return _rewrite(body, changes)
    return body


def _rewrite(body: bytes, changes: list[Change]) -> bytes:
    chunk = read_chunk(body)
    answer_id = chunk.id if chunk is not None else None
    try:
        members = decode_members(body)
        choices = decode_items(members["choices"])
        adapted: dict[str, Any] = {
            **members,
            "choices": [_adapt_choice(choice, answer_id, changes) for choice in choices],
        }
        if chunk is not None and has_value(chunk.usage):
            adapted["usage"] = adapt_usage(chunk.usage)
        return msgspec.json.encode(adapted)
    except (KeyError, *UNREADABLE):
        raise UpstreamBroke("the provider's answer is not a chat completion") from None


def _adapt_choice(choice: Members, answer_id: str | None, changes: list[Change]) -> dict[str, Any]:
    message = read_message(choice.get("message", Raw(b"{}")))
    adapted: dict[str, Any] = {**choice, "message": adapt_message(inner_members(choice, "message"), message)}
    if message.tool_calls:
        calls = [_whole_call(answer_id, number, call) for number, call in enumerate(message.tool_calls)]
        adapted["message"]["tool_calls"] = calls
        adapted["message"]["content"] = adapted["message"]["content"] or None
    given = _finish_reason(choice)
    adapted["finish_reason"] = openai_finish_reason(given)
    if given == "error":
        if not adapted["message"]["content"] and not message.tool_calls:
            raise UpstreamBroke("the model stopped with an error before it said anything")
        changes.append(converted("choices[].finish_reason", "from error to stop"))
    return adapted


def adapt_message(members: Members, part: MessagePart) -> dict[str, Any]:
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


def adapt_usage(raw: Raw) -> dict[str, Any]:
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


def openai_finish_reason(given: str | None) -> str | None:
    return None if given is None else _FINISH_REASONS.get(given, given)


def inner_members(choice: Members, name: str) -> Members:
    """Return the members of a choice's message or delta; none where it is no object."""
    raw = choice.get(name)
    if raw is None or not has_value(raw):
        return {}
    try:
        return decode_members(raw)
    except UNREADABLE:
        return {}


def error_body(body: bytes) -> bytes:
    """Return a provider's error in OpenAI's envelope, with Respan's `detail` beside it."""
    chunk: Chunk | None = read_chunk(body)
    message = (error_message(chunk) if chunk is not None else None) or UNKNOWN_ERROR
    try:
        named = decode_members(body)
    except UNREADABLE:
        named = {}
    error = {"message": message, **{name: named.get(name) for name in ("type", "param", "code")}}
    return msgspec.json.encode({"error": error, "detail": message})


def _whole_call(answer_id: str | None, number: int, call: ToolCallPart) -> dict[str, Any]:
    function = call.function
    return {
        "id": mint_tool_id(answer_id, number) if call.id in NO_ID else call.id,
        "type": "function",
        "function": {
            "name": (function.name or "") if function is not None else "",
            "arguments": arguments_text(function) if function is not None else "",
        },
    }


def _finish_reason(choice: Members) -> str | None:
    raw = bytes(choice.get("finish_reason", Raw(b"null")))
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else None

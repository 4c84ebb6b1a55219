"""What of a chat answer, or of one chunk of its stream, is worth understanding: typed shapes and a tolerant decoder.

One set of shapes serves Mistral and every OpenAI-speaking provider, and whole answers as well as chunks: the same keys
mean the same things, and a key that a provider does not send stays at its default. What is not named here is skipped
without being built, which is what makes reading cheap.
"""

from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.members import UNREADABLE, decode_list, decode_members

ABSENT: Final = Raw()  # one object, so that a member that was not there is known without a look at its bytes
_NOTHING: Final = (ABSENT, Raw(b"null"))

_Shape = TypeVar("_Shape", bound=Struct)


class FunctionPart(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Raw] | None = None  # Mistral also writes an object


class CustomPart(Struct, gc=False):
    name: str | None = None
    input: str | None = None


class ToolCallPart(Struct, gc=False):
    id: str | None = None
    type: str | None = None
    index: int | None = None
    function: FunctionPart | None = None
    custom: CustomPart | None = None


class MessagePart(Struct, gc=False):
    """A whole message or one delta of it."""

    role: str | None = None
    content: str | list[Raw] | None = None
    tool_calls: list[ToolCallPart] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    function_call: FunctionPart | None = None


class ChoicePart(Struct, gc=False):
    index: int = 0
    delta: MessagePart | None = None
    message: Raw = ABSENT
    text: str | None = None  # legacy completions
    finish_reason: str | None = None


class GroqPart(Struct, gc=False):
    """Where streams of one family put the usage that nobody asked for."""

    usage: Raw = ABSENT


class Chunk(Struct, gc=False):
    """One chunk of a stream, or a whole answer."""

    id: str | None = None
    model: str | None = None
    choices: list[ChoicePart] | None = None
    usage: Raw = ABSENT
    usage_info: Raw = ABSENT  # OCR
    x_groq: GroqPart | None = None
    service_tier: str | None = None
    error: Raw = ABSENT
    message: Raw = ABSENT
    detail: Raw = ABSENT


class ContentPart(Struct, gc=False):
    """One item of a content list."""

    type: str | None = None
    text: str | None = None
    thinking: str | list[Raw] | None = None
    signature: str | None = None
    closed: bool | None = None


decode_message: Final = msgspec.json.Decoder(MessagePart).decode
decode_content_part: Final = msgspec.json.Decoder(ContentPart).decode
_decode_chunk: Final = msgspec.json.Decoder(Chunk).decode


def read_chunk(data: bytes) -> Chunk | None:
    """Return what could be read of a chunk or an answer; None when it is not a JSON object."""
    try:
        return _decode_chunk(data)
    except UNREADABLE:
        return _read_piecewise(_as_utf8(data))


def read_message(raw: Raw) -> MessagePart:
    """Return what could be read of a message."""
    try:
        return decode_message(raw)
    except UNREADABLE:
        return _convert_piecewise(MessagePart, _as_utf8(bytes(raw))) or MessagePart()


def read_shape(shape: type[_Shape], data: bytes | Raw) -> _Shape | None:
    """Return what could be read of an object of this shape; None when it is not an object."""
    try:
        return msgspec.json.decode(data, type=shape)
    except UNREADABLE:
        return _convert_piecewise(shape, _as_utf8(bytes(data)))


def has_value(raw: Raw) -> bool:
    """Say whether a member was there and not null."""
    return raw is not ABSENT and raw not in _NOTHING


def _as_utf8(data: bytes) -> bytes:
    return data.decode("utf-8", "replace").encode()


def _read_piecewise(data: bytes) -> Chunk | None:
    chunk = _convert_piecewise(Chunk, data)
    if chunk is not None and chunk.choices is None:
        chunk.choices = _read_choices(data)
    return chunk


def _read_choices(data: bytes) -> list[ChoicePart] | None:
    """Return the choices that can be read; None where there is no such member."""
    try:
        members = decode_members(data)
        if "choices" not in members:
            return None
        items = decode_list(members["choices"])
    except UNREADABLE:
        return []
    choices = (_convert_piecewise(ChoicePart, bytes(item)) for item in items)
    return [choice for choice in choices if choice is not None]


def _convert_piecewise(shape: type[_Shape], data: bytes) -> _Shape | None:
    """Read each member on its own, so that one of an unexpected type does not hide the others."""
    try:
        members = decode_members(data)
    except UNREADABLE:
        return None
    readable: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        if field.name in members:
            try:
                readable[field.name] = msgspec.json.decode(members[field.name], type=field.type)
            except UNREADABLE:
                continue
    return shape(**readable)

"""Reading a chat answer, or one chunk of its stream, into `chat_shapes`: as far as it can be read.

What cannot be read as a whole is read member by member, so that one of an unexpected type does not hide the others.
"""

from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.chat_shapes import ABSENT, ChoicePart, Chunk, ContentPart, MessagePart
from gantry.dialects.members import UNREADABLE, decode_list, decode_members

_NOTHING: Final = (ABSENT, Raw(b"null"))

_Shape = TypeVar("_Shape", bound=Struct)

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

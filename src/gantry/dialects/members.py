"""The members of JSON objects as raw bytes, and readers that name the field that is wrong.

Law: nothing is decoded that need not be understood, so what is passed on keeps its bytes. A reader raises
InvalidRequest with the field's path; decoders are made once, because making one costs more than using it, and those
of plain types are made here, for everyone.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Raw

from gantry.core.errors import InvalidRequest

Members = dict[str, Raw]
T = TypeVar("T")

UNREADABLE: Final = (msgspec.DecodeError, ValueError, RecursionError)
NULL: Final = Raw(b"null")
_ASKS_NOTHING: Final = frozenset((b"null", b"false", b"[]", b"{}", b'""', b"0"))

decode_members: Final = msgspec.json.Decoder(Members).decode
decode_items: Final = msgspec.json.Decoder(list[Members]).decode
decode_list: Final = msgspec.json.Decoder(list[Raw]).decode
decode_text: Final = msgspec.json.Decoder(str).decode
decode_texts: Final = msgspec.json.Decoder(list[str]).decode
decode_whole: Final = msgspec.json.Decoder(int).decode
decode_number: Final = msgspec.json.Decoder(float).decode
decode_flag: Final = msgspec.json.Decoder(bool).decode
_encode: Final = msgspec.json.Encoder().encode


def check_encoding(body: bytes) -> None:
    """Raise InvalidRequest for a body that is not UTF-8: what is not decoded now would fail wherever it is read."""
    if body.isascii():
        return
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"the body is not UTF-8 (byte {error.start})") from None


def read(decode: Callable[[Raw], T], raw: Raw, field: str, wanted: str) -> T:
    """Return what a decoder makes of a value. Raises InvalidRequest saying what was wanted."""
    try:
        return decode(raw)
    except UNREADABLE:
        raise InvalidRequest(f"`{field}` must be {wanted}", param=field) from None


def read_members(raw: Raw, field: str, wanted: str = "an object") -> Members:
    return read(decode_members, raw, field, wanted)


def read_items(raw: Raw, field: str, wanted: str) -> list[Members]:
    """Return a list of objects."""
    return read(decode_items, raw, field, wanted)


def read_text(raw: Raw | None, field: str, wanted: str = "a string") -> str:
    if raw is None:
        raise InvalidRequest(f"`{field}` is missing", param=field)
    return read(decode_text, raw, field, wanted)


def read_number(raw: Raw, field: str) -> float:
    return read(decode_number, raw, field, "a number")


def read_schema(raw: Raw, field: str) -> Raw | None:
    """Return a JSON schema as it came; None for null. Raises InvalidRequest for what is no object."""
    if raw == NULL:
        return None
    return check_object(raw, field, "a JSON schema object")


def check_object(raw: Raw, field: str, wanted: str = "an object") -> Raw:
    """Return a value as it came, without reading what is in it. Raises InvalidRequest for what is no object."""
    if bytes(memoryview(raw)[:1]) != b"{":
        raise InvalidRequest(f"`{field}` must be {wanted}", param=field)
    return raw


def has(members: Mapping[str, Raw], name: str) -> bool:
    """Say whether a member is there and not null."""
    value = members.get(name)
    return value is not None and value != NULL


def is_text(raw: Raw) -> bool:
    return bytes(raw).startswith(b'"')


def asks_nothing(raw: Raw) -> bool:
    """Say whether leaving a parameter out says the same: null, false, zero or empty."""
    return len(raw) < 6 and bytes(raw) in _ASKS_NOTHING


def encode(value: Any) -> Raw:
    return Raw(_encode(value))

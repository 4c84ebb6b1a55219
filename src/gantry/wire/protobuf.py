"""Protocol Buffers' wire format: the fields of a message, one after the other, and back.

Law: strict and bounded. Bytes are a message or they are `Unreadable`; no length is believed before the bytes are there,
and whoever reads nested messages counts them with a `Budget`. What a field means is its reader's to know.

Written here, because all that OTLP needs of the format are these lines: importing the generated classes takes 9 MB
of a process whose memory is counted. The SDK tests hold it against them.

Spec: https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from typing import Final

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_GROUP_STARTS, _GROUP_ENDS = 3, 4  # which nothing has used since proto3
_FIXED: Final = {FIXED64: 8, FIXED32: 4}
_MASK: Final = 2**64 - 1
_SIGN: Final = 2**63
_MOST_BYTES: Final = 10  # of a varint
_LARGEST_NUMBER: Final = 2**29 - 1

Value = int | bytes


class Unreadable(ValueError):
    """The bytes are no message; the message says what is wrong with them."""


class Budget:
    """How many messages may still be read, and how deep within each other; and how many fields, whatever is in them."""

    __slots__ = ("_depth", "_fields", "_messages")

    def __init__(self, messages: int, depth: int, fields: int) -> None:
        self._messages = messages
        self._depth = depth
        self._fields = fields

    def fields_of(self, message: bytes) -> Iterator[tuple[int, Value]]:
        """Yield what `read_fields` does, and count each: one that is passed over takes its time as well."""
        for field in read_fields(message):
            self._fields -= 1
            if self._fields < 0:
                raise Unreadable("it holds too many fields")
            yield field

    def spend(self, depth: int = 0) -> None:
        """Count a message that stands so deep. Raises Unreadable."""
        self._messages -= 1
        if self._messages < 0:
            raise Unreadable("it holds too many values")
        if depth > self._depth:
            raise Unreadable(f"it is nested deeper than {self._depth} levels")


def tag(number: int, wire_type: int) -> int:
    """Return the tag of a field, by which `read_fields` names it."""
    return number << 3 | wire_type


def read_fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yield tag and value of each field in turn: a number, or the bytes of what has a length. Raises Unreadable."""
    place, end = 0, len(message)
    while place < end:
        key, place = _read_varint(message, place)
        wire_type = key & 7
        if not 0 < key >> 3 <= _LARGEST_NUMBER:
            raise Unreadable(f"there is no field {key >> 3}")
        if wire_type == VARINT:
            number, place = _read_varint(message, place)
            yield key, number
            continue
        if wire_type == LENGTH:
            size, place = _read_varint(message, place)
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
        elif wire_type in (_GROUP_STARTS, _GROUP_ENDS):
            raise Unreadable("it has a group, which no message here has")
        else:
            raise Unreadable(f"there is no wire type {wire_type}")
        if size > end - place:
            raise Unreadable("it ends within a field")
        value = message[place : place + size]
        place += size
        yield key, value if wire_type == LENGTH else int.from_bytes(value, "little")


def text_in(value: Value) -> str:
    """Return the text of a field. Raises Unreadable."""
    try:
        return bytes_in(value).decode()
    except UnicodeDecodeError:
        raise Unreadable("a text in it is not UTF-8") from None


def bytes_in(value: Value) -> bytes:
    assert isinstance(value, bytes)  # as its tag says
    return value


def number_in(value: Value) -> int:
    assert isinstance(value, int)  # as its tag says
    return value


def signed_in(value: Value) -> int:
    """Return a number of 64 bits as one that may be below 0."""
    number = number_in(value)
    return number - 2**64 if number >= _SIGN else number


def encode_number(number: int, value: int) -> bytes:
    """Return a field that is a number from 0 on; 0, its default, is left out."""
    return _varint(tag(number, VARINT)) + _varint(value) if value else b""


def encode_bytes(number: int, value: bytes) -> bytes:
    """Return a field of a text, of bytes or of a message; the default, nothing, is left out."""
    return _varint(tag(number, LENGTH)) + _varint(len(value)) + value if value else b""


def encode_fixed(number: int, value: bytes) -> bytes:
    """Return a field of 64 bits, which come in their order on the wire."""
    return _varint(tag(number, FIXED64)) + value


def encode_member(number: int, value: int | bytes) -> bytes:
    """Return a field that says which of several is set: its default is written, too."""
    if isinstance(value, int):
        return _varint(tag(number, VARINT)) + _varint(value % 2**64)
    return _varint(tag(number, LENGTH)) + _varint(len(value)) + value


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    for byte in message[place : place + _MOST_BYTES]:
        value |= (byte & 0x7F) << shift
        shift += 7
        place += 1
        if byte < 0x80:
            return value & _MASK, place
    raise Unreadable("a number in it has no end")


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)

"""Amazon's event stream as bytes (`application/vnd.amazon.eventstream`): an incremental parser, and an encoder.

Law: any re-chunking of the same bytes gives the same messages. Both checksums are checked before anything of a message
is handed out. What is wrong is kept as `fault` rather than raised, so that the messages before it are not lost with it;
after a fault nothing more is read, because the length that would say where the next message begins cannot be trusted.

A message is: total length, length of the headers, CRC-32 of these eight bytes, headers, payload, CRC-32 of all before.
Spec: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final, assert_never
from uuid import UUID
from zlib import crc32

from msgspec import Struct

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
MAX_HEADERS: Final = 128 * 1024
MAX_MESSAGE: Final = 24 * 1024 * 1024
_PRELUDE: Final = struct.Struct(">III")
_LENGTHS: Final = struct.Struct(">II")
_UNSIGNED: Final = struct.Struct(">I")
_CRC_SIZE: Final = 4
_OVERHEAD: Final = _PRELUDE.size + _CRC_SIZE
_KNOWN_LIMIT: Final = 64  # header blocks remembered: a stream has one for each type of event


class HeaderKind(IntEnum):
    TRUE = 0
    FALSE = 1
    BYTE = 2
    SHORT = 3
    INT = 4
    LONG = 5
    BYTES = 6
    STRING = 7
    TIMESTAMP = 8  # milliseconds since the epoch
    UUID = 9


_NUMBERS: Final = {
    HeaderKind.BYTE: struct.Struct(">b"),
    HeaderKind.SHORT: struct.Struct(">h"),
    HeaderKind.INT: struct.Struct(">i"),
    HeaderKind.LONG: struct.Struct(">q"),
    HeaderKind.TIMESTAMP: struct.Struct(">q"),
}
_SIZE: Final = struct.Struct(">H")
_UUID_SIZE: Final = 16


class HeaderValue(Struct, frozen=True):
    kind: HeaderKind
    value: bool | int | bytes | str | UUID


class EventMessage(Struct, frozen=True, gc=False):
    """One message. Header names are as they came: `:event-type`, `:message-type`, `:exception-type`."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    def text(self, name: str) -> str:
        """Return a header of text; "" where there is none."""
        header = self.headers.get(name)
        return header.value if header is not None and isinstance(header.value, str) else ""


class _Unreadable(ValueError):
    """What is wrong with a message, in words."""


class EventStreamParser:
    """Bytes in, whole messages out. `fault` says what broke the stream, None while nothing did."""

    __slots__ = ("_known", "_limit", "_pending", "fault")

    def __init__(self, limit: int = MAX_MESSAGE) -> None:
        self._limit = limit
        self._pending = bytearray()
        self._known: dict[bytes, Mapping[str, HeaderValue]] = {}
        self.fault: str | None = None

    def feed(self, data: bytes) -> list[EventMessage]:
        """Return the messages that these bytes complete."""
        messages: list[EventMessage] = []
        if self.fault is not None:
            return messages
        pending = self._pending
        source: bytes | bytearray = data  # whole messages, as most reads are, are taken where they are
        if pending:
            pending += data
            source = pending
        start = 0
        try:
            while len(source) - start >= _PRELUDE.size:
                total, headers = self._prelude(source, start)
                end = start + total
                if len(source) < end:
                    break
                messages.append(self._message(bytes(source[start:end]), headers))
                start = end
        except _Unreadable as error:
            self.fault = str(error)
            start = len(source)
        if source is pending:
            del pending[:start]
        elif start < len(data):
            pending += data[start:]
        return messages

    def close(self) -> None:
        """Take note of the end of the bytes, which is a fault inside a message."""
        if self._pending and self.fault is None:
            self.fault = "the event stream ended inside a message"

    def _prelude(self, source: bytes | bytearray, start: int) -> tuple[int, int]:
        total, headers, checksum = _PRELUDE.unpack_from(source, start)
        if crc32(source[start : start + _LENGTHS.size]) != checksum:
            raise _Unreadable("the checksum of a message's prelude in the event stream is wrong")
        if total > self._limit or headers > MAX_HEADERS:
            raise _Unreadable(f"a message of the event stream is larger than {self._limit} bytes")
        if total < _OVERHEAD + headers:
            raise _Unreadable("a message of the event stream is shorter than its own headers")
        return total, headers

    def _message(self, message: bytes, headers: int) -> EventMessage:
        (checksum,) = _UNSIGNED.unpack_from(message, len(message) - _CRC_SIZE)
        if crc32(message[:-_CRC_SIZE]) != checksum:
            raise _Unreadable("the checksum of a message in the event stream is wrong")
        end = _PRELUDE.size + headers
        return EventMessage(self._headers(message[_PRELUDE.size : end]), message[end:-_CRC_SIZE])

    def _headers(self, block: bytes) -> Mapping[str, HeaderValue]:
        known = self._known.get(block)
        if known is None:
            known = _read_headers(block)
            if len(self._known) < _KNOWN_LIMIT:
                self._known[block] = known
        return known


def _read_headers(block: bytes) -> Mapping[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(block):
            after_name = at + 1 + block[at]
            name = block[at + 1 : after_name].decode()
            kind = HeaderKind(block[after_name])
            value, at = _read_value(kind, block, after_name + 1)
            if name in headers:
                raise _Unreadable(f"a message of the event stream has the header {name!r} twice")
            headers[name] = HeaderValue(kind, value)
    except _Unreadable:
        raise
    except (IndexError, struct.error, ValueError):
        raise _Unreadable("a message of the event stream has headers that cannot be read") from None
    if at != len(block):
        raise _Unreadable("a message of the event stream has headers that end too early")
    return headers


def _read_value(kind: HeaderKind, block: bytes, at: int) -> tuple[bool | int | bytes | str | UUID, int]:
    match kind:
        case HeaderKind.TRUE | HeaderKind.FALSE:
            return kind is HeaderKind.TRUE, at
        case HeaderKind.BYTE | HeaderKind.SHORT | HeaderKind.INT | HeaderKind.LONG | HeaderKind.TIMESTAMP:
            layout = _NUMBERS[kind]
            number: int = layout.unpack_from(block, at)[0]
            return number, at + layout.size
        case HeaderKind.BYTES | HeaderKind.STRING:
            end = at + _SIZE.size + _SIZE.unpack_from(block, at)[0]
            data = block[at + _SIZE.size : end]
            return (data if kind is HeaderKind.BYTES else data.decode()), end
        case HeaderKind.UUID:
            return UUID(bytes=block[at : at + _UUID_SIZE]), at + _UUID_SIZE
        case _:
            assert_never(kind)


def text_headers(headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a block of headers that are all text, as the messages of services have it."""
    return encode_headers({name: HeaderValue(HeaderKind.STRING, value) for name, value in headers})


def encode_headers(headers: Mapping[str, HeaderValue]) -> bytes:
    """Return a block of headers. Raises ValueError for a value that its kind cannot hold."""
    block = bytearray()
    for name, header in headers.items():
        encoded = name.encode()
        if not 0 < len(encoded) < 256:
            raise ValueError(f"a header's name must have 1 to 255 bytes: {name!r}")
        block.append(len(encoded))
        block += encoded
        block.append(header.kind)
        block += _encode_value(name, header)
    return bytes(block)


def _encode_value(name: str, header: HeaderValue) -> bytes:
    value = header.value
    try:
        match header.kind, value:
            case ((HeaderKind.TRUE | HeaderKind.FALSE), bool()):
                return b""
            case ((HeaderKind.BYTES | HeaderKind.STRING), bytes() | str()):
                data = value.encode() if isinstance(value, str) else value
                return _SIZE.pack(len(data)) + data
            case HeaderKind.UUID, UUID():
                return value.bytes
            case _, int():
                return _NUMBERS[header.kind].pack(value)
    except (KeyError, struct.error):
        pass
    raise ValueError(f"the header {name!r} cannot be {value!r} as {header.kind.name}")


def encode_message(headers: bytes, payload: bytes) -> bytes:
    """Return a message of an encoded block of headers and its payload."""
    lengths = _LENGTHS.pack(_OVERHEAD + len(headers) + len(payload), len(headers))
    head = lengths + _UNSIGNED.pack(crc32(lengths)) + headers
    return b"".join((head, payload, _UNSIGNED.pack(crc32(payload, crc32(head)))))

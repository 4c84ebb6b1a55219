"""Amazon's binary event stream: one message is a prelude, headers, a payload, and a checksum of each part.

    total length u32 | headers length u32 | CRC32 of these | headers | payload | CRC32 of all before

Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
import zlib
from collections.abc import Mapping

MEDIA = b"application/vnd.amazon.eventstream"
_STRING = 7  # the type of all headers sent here
_PRELUDE = 12
_CHECKSUM = 4


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    return _framed(b"".join(_header(name, value) for name, value in headers.items()), payload)


def halved(message: bytes) -> bytes:
    """Return the message with half its payload, framed and summed as it should be."""
    size = int.from_bytes(message[4:8], "big")
    payload = message[_PRELUDE + size : -_CHECKSUM]
    return _framed(message[_PRELUDE : _PRELUDE + size], payload[: len(payload) // 2])


def _framed(headers: bytes, payload: bytes) -> bytes:
    sizes = struct.pack(">II", _PRELUDE + len(headers) + len(payload) + _CHECKSUM, len(headers))
    message = sizes + struct.pack(">I", zlib.crc32(sizes)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


def _header(name: str, value: str) -> bytes:
    key, data = name.encode(), value.encode()
    return struct.pack(f">B{len(key)}sBH", len(key), key, _STRING, len(data)) + data

"""What was said in a call, packed into one value: one compression for all four parts, which repeat each other.

A value is a flag byte and a MessagePack array. The window of the compressor is small for small content: deflate with
the usual window of 32 KB spends 50 µs on clearing its memory, for work that takes 5.
"""

import zlib

import msgspec
from msgspec import Struct

_PLAIN = b"\x00"
_DEFLATED = b"\x01"
_WORTH_COMPRESSING = 256  # bytes
_SMALL = 12 * 1024


class Content(Struct, frozen=True, array_like=True):
    """The raw exchange and what was understood of it; in the order that puts what repeats close together."""

    full_request: bytes | None
    input: str | None
    full_response: bytes | None
    output: str | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Content).decode


def pack_content(content: Content) -> bytes:
    plain = _encode(content)
    if len(plain) < _WORTH_COMPRESSING:
        return _PLAIN + plain
    window, memory = (-13, 6) if len(plain) < _SMALL else (-15, 8)
    compressor = zlib.compressobj(1, zlib.DEFLATED, window, memory)
    return _DEFLATED + compressor.compress(plain) + compressor.flush()


def unpack_content(packed: bytes) -> Content:
    body = packed[1:]
    return _decode(body if packed[:1] == _PLAIN else zlib.decompress(body, -15))

"""Vectors of embeddings as numbers and as OpenAI's base64: little-endian float32.

Law: a vector is decoded, packed and encoded in C, one at a time, so that only one is in memory as numbers.
"""

import sys
from array import array
from binascii import a2b_base64, b2a_base64
from typing import Final

import msgspec
from msgspec import Raw

from gantry.dialects.members import decode_text

_QUOTE: Final = ord('"')

_decode_vector: Final = msgspec.json.Decoder(list[float]).decode


def packed_vector(vector: Raw) -> str:
    """Return a vector as base64; one that is a string already is taken for that."""
    if memoryview(vector)[0] == _QUOTE:
        return decode_text(vector)
    numbers = array("f", _decode_vector(vector))
    if sys.byteorder == "big":
        numbers.byteswap()
    return b2a_base64(numbers.tobytes(), newline=False).decode("ascii")


def plain_vector(vector: Raw) -> Raw:
    """Return a vector as a list of numbers; one that is base64 is unpacked. Raises ValueError when it is neither."""
    if memoryview(vector)[0] != _QUOTE:
        return vector
    numbers = array("f", a2b_base64(decode_text(vector)))
    if sys.byteorder == "big":
        numbers.byteswap()
    return Raw(msgspec.json.encode(numbers.tolist()))

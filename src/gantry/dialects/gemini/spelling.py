"""The fields of Google's JSON: `camelCase` as REST writes them, `snake_case` as Python clients do, both the same.

Law: proto3's JSON. A field that is null was not sent; a list of one may stand without its brackets; numbers may be
strings; bytes are base64 of either alphabet. Names inside what is the caller's own (arguments, a schema's properties,
labels) are never touched. Spec: https://protobuf.dev/programming-guides/json
"""

from math import isfinite
from typing import Final

import msgspec
from msgspec import Raw

from gantry.core.errors import InvalidRequest
from gantry.dialects.members import NULL, Members, decode_flag, decode_list, decode_texts, read, read_members

_decode_number: Final = msgspec.json.Decoder(float, strict=False).decode
_TO_STANDARD_BASE64: Final = str.maketrans("-_", "+/")


def camel(name: str) -> str:
    """Return a field's name as REST spells it."""
    if "_" not in name or name.startswith("_"):
        return name
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def read_fields(raw: Raw, path: str, wanted: str = "an object") -> Members:
    """Return the fields of an object that are not null, by REST's names."""
    return {camel(name): value for name, value in read_members(raw, path, wanted).items() if value != NULL}


def read_list(raw: Raw, path: str, wanted: str) -> list[Raw]:
    """Return the items of a list, or the one object that stands for it."""
    if bytes(raw).startswith(b"{"):
        return [raw]
    return read(decode_list, raw, path, wanted)


def read_texts(raw: Raw, path: str) -> list[str]:
    return read(decode_texts, raw, path, "a list of strings")


def read_flag(raw: Raw, path: str) -> bool:
    return read(decode_flag, raw, path, "true or false")


def read_float(raw: Raw, path: str) -> float:
    number = read(_decode_number, raw, path, "a number")
    if not isfinite(number):  # proto3 has words for these, and JSON for no provider's parameter
        raise InvalidRequest(f"`{path}` must be a finite number", param=path)
    return number


def read_count(raw: Raw, path: str) -> int:
    number = read_float(raw, path)
    if not number.is_integer():
        raise InvalidRequest(f"`{path}` must be a whole number", param=path)
    return int(number)


def standard_base64(data: str) -> str:
    """Return base64 in the alphabet that other formats know; Google's Python client sends the one for URLs."""
    return data.translate(_TO_STANDARD_BASE64) if "-" in data or "_" in data else data

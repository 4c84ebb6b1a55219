"""Reading a body into a typed shape, with what is wrong told by the field's path in the caller's own words.

Law: a shape names what is understood and no more; its decoder is made once. The path that msgspec gives (`$.messages[0]
.role`) is the one the caller wrote, so it only loses its `$`.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from gantry.core.errors import InvalidRequest

T = TypeVar("T")
_AT: Final = " - at `$"


def read_exactly(decode: Callable[[bytes | Raw], T], raw: bytes | Raw, path: str = "") -> T:
    """Return what a decoder makes of a value that stands at `path`. Raises InvalidRequest naming the field."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(_AT)
        field = (path + where.rstrip("`")).lstrip(".")
        told = f"{what[:1].lower()}{what[1:]}"
        raise InvalidRequest(f"`{field}`: {told}" if field else f"the body: {told}", param=field or None) from None
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidRequest(f"`{path}` is not JSON" if path else "the body is not JSON", param=path or None) from None

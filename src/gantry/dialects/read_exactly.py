"""Reading a body, or a value in it, into a typed shape, with what is wrong told by the field's path.

Law: a shape names what is understood and no more; its decoder is made once. The path that msgspec gives (`$.messages[0]
.role`) is the one the caller wrote, so it only loses its `$`; what is missing is named itself, not what it is missing
from.
"""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Raw

from gantry.core.errors import InvalidRequest
from gantry.dialects.members import UNREADABLE

T = TypeVar("T")
V = TypeVar("V", bytes, Raw)
_AT: Final = " - at `$"
_MISSING: Final = re.compile(r"Object missing required field `([^`]+)`")
_EXPECTED: Final = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")


def read_exactly(decode: Callable[[V], T], raw: V, path: str = "") -> T:
    """Return what a decoder makes of a value that stands at `path`. Raises InvalidRequest naming the field."""
    try:
        return decode(raw)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), path) from None
    except UNREADABLE:
        raise InvalidRequest(f"`{path}` is not JSON" if path else "the body is not JSON", param=path or None) from None


def _refusal(problem: str, path: str) -> InvalidRequest:
    what, _, where = problem.partition(_AT)
    field = (path + where.rstrip("`")).lstrip(".")
    missing = _MISSING.match(what)
    if missing is not None:
        field = f"{field}.{missing[1]}".lstrip(".")
        return InvalidRequest(f"`{field}` is missing", param=field)
    types = _EXPECTED.match(what)
    wrong = f"is not understood: {what}" if types is None else f"must be {types[1]}, not {types[2]}"
    return InvalidRequest(f"`{field}` {wrong}" if field else f"the body {wrong}", param=field or None)

"""The header `traceparent`: of which trace and which span a caller's request is.

Spec: https://www.w3.org/TR/trace-context/
"""

import re
from typing import Final

from msgspec import Struct

# A later version may say more behind a dash; what the first says stays where it is.
_FORM: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?\Z")


class CallersSpan(Struct, frozen=True):
    trace_id: str
    span_id: str


def read_trace_parent(text: str) -> CallersSpan | None:
    """Return what the header says; None when it is none."""
    found = _FORM.match(text)
    return None if found is None else CallersSpan(found[1], found[2])

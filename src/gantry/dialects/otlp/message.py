"""The traces in a request of OTLP, as values: what both of its encodings come to.

Spec: https://opentelemetry.io/docs/specs/otlp/
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

MOST_VALUES: Final = 500_000
MOST_FIELDS: Final = 5 * MOST_VALUES  # of Protocol Buffers: an attribute is four
DEEPEST: Final = 32  # a value within values
FAILED: Final = 2  # STATUS_CODE_ERROR

Value = str | bool | int | float | list[Any] | dict[str, Any] | None
Attributes = Mapping[str, Value]


class Event(Struct, frozen=True, gc=False):
    """Something that happened within a span."""

    name: str
    time: int  # ns since the epoch
    attributes: Attributes


class Link(Struct, frozen=True, gc=False):
    """Another span that has to do with it."""

    trace_id: str
    span_id: str
    attributes: Attributes


class Span(Struct, frozen=True, kw_only=True):
    """A span; ids in lower hexadecimal, "" where there is none."""

    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    trace_state: str = ""
    name: str = ""
    kind: int = 0
    started_at: int = 0  # ns since the epoch
    ended_at: int = 0
    attributes: Attributes = {}
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    failed: bool = False
    status_message: str = ""


class Batch(Struct, frozen=True):
    """Spans that one library made in one process."""

    resource: Attributes
    scope: str
    spans: tuple[Span, ...]

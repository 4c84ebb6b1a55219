"""A request of OTLP in Protocol Buffers, by the numbers that opentelemetry/proto/trace/v1/trace.proto gives its fields.

Law: read whole or not at all, as the generated classes would; fields that are not known are passed over.
"""

import base64
import struct
from typing import Any, Final

from gantry.dialects.otlp.message import DEEPEST, FAILED, MOST_FIELDS, MOST_VALUES, Batch, Event, Link, Span, Value
from gantry.wire.protobuf import (
    FIXED64,
    LENGTH,
    VARINT,
    Budget,
    bytes_in,
    number_in,
    signed_in,
    tag,
    text_in,
)

_FIRST: Final = tag(1, LENGTH)
_SECOND: Final = tag(2, LENGTH)
_THIRD: Final = tag(3, LENGTH)
_FOURTH: Final = tag(4, LENGTH)
_FIFTH: Final = tag(5, LENGTH)
_KIND: Final = tag(6, VARINT)
_STARTED, _ENDED = tag(7, FIXED64), tag(8, FIXED64)
_ATTRIBUTE, _EVENT, _LINK, _STATUS = tag(9, LENGTH), tag(11, LENGTH), tag(13, LENGTH), tag(15, LENGTH)
_TIME: Final = tag(1, FIXED64)
_CODE: Final = tag(3, VARINT)
_STRING, _BOOL, _INT, _DOUBLE, _ARRAY, _KVLIST, _BYTES = (
    tag(1, LENGTH),
    tag(2, VARINT),
    tag(3, VARINT),
    tag(4, FIXED64),
    tag(5, LENGTH),
    tag(6, LENGTH),
    tag(7, LENGTH),
)


_IDS: Final = {_FIRST: "trace_id", _SECOND: "span_id", _FOURTH: "parent_id"}
_TEXTS: Final = {_THIRD: "trace_state", _FIFTH: "name"}
_NUMBERS: Final = {_KIND: "kind", _STARTED: "started_at", _ENDED: "ended_at"}


def read_protobuf(body: bytes) -> list[Batch]:
    """Return the batches of a request in Protocol Buffers. Raises Unreadable."""
    budget = Budget(MOST_VALUES, DEEPEST, MOST_FIELDS)
    batches: list[Batch] = []
    for key, value in budget.fields_of(body):
        if key == _FIRST:
            _read_resource_spans(bytes_in(value), batches, budget)
    return batches


def _read_resource_spans(message: bytes, batches: list[Batch], budget: Budget) -> None:
    budget.spend()
    resource: dict[str, Value] = {}
    scoped = []
    for key, value in budget.fields_of(message):
        if key == _FIRST:
            resource = _read_attributes(bytes_in(value), _FIRST, budget)
        elif key == _SECOND:
            budget.spend()
            scoped.append(bytes_in(value))
    for one in scoped:
        scope, spans = "", []
        for key, value in budget.fields_of(one):
            if key == _FIRST:
                scope = _read_name(bytes_in(value), budget)
            elif key == _SECOND:
                spans.append(_read_span(bytes_in(value), budget))
        batches.append(Batch(resource, scope, tuple(spans)))


def _read_name(message: bytes, budget: Budget) -> str:
    return next((text_in(value) for key, value in budget.fields_of(message) if key == _FIRST), "")


def _read_span(message: bytes, budget: Budget) -> Span:
    budget.spend()
    found: dict[str, Any] = {}
    attributes: dict[str, Value] = {}
    events, links = [], []
    for key, value in budget.fields_of(message):
        if key == _ATTRIBUTE:
            _read_pair(bytes_in(value), attributes, budget, 0)
        elif key == _EVENT:
            events.append(_read_event(bytes_in(value), budget))
        elif key == _LINK:
            links.append(_read_link(bytes_in(value), budget))
        elif key == _STATUS:
            found |= _read_status(bytes_in(value), budget)
        elif key in _IDS:
            found[_IDS[key]] = bytes_in(value).hex()
        elif key in _TEXTS:
            found[_TEXTS[key]] = text_in(value)
        elif key in _NUMBERS:
            found[_NUMBERS[key]] = number_in(value)
    return Span(**found, attributes=attributes, events=tuple(events), links=tuple(links))


def _read_status(message: bytes, budget: Budget) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in budget.fields_of(message):
        if key == _SECOND:
            found["status_message"] = text_in(value)
        elif key == _CODE:
            found["failed"] = value == FAILED
    return found


def _read_event(message: bytes, budget: Budget) -> Event:
    budget.spend()
    time, name = 0, ""
    for key, value in budget.fields_of(message):
        if key == _TIME:
            time = number_in(value)
        elif key == _SECOND:
            name = text_in(value)
    return Event(name, time, _read_attributes(message, _THIRD, budget))


def _read_link(message: bytes, budget: Budget) -> Link:
    budget.spend()
    ids = {key: bytes_in(value).hex() for key, value in budget.fields_of(message) if key in (_FIRST, _SECOND)}
    return Link(ids.get(_FIRST, ""), ids.get(_SECOND, ""), _read_attributes(message, _FOURTH, budget))


def _read_attributes(message: bytes, wanted: int, budget: Budget, depth: int = 0) -> dict[str, Value]:
    """Return the pairs that stand in a message under one tag."""
    attributes: dict[str, Value] = {}
    for key, value in budget.fields_of(message):
        if key == wanted:
            _read_pair(bytes_in(value), attributes, budget, depth)
    return attributes


def _read_pair(message: bytes, attributes: dict[str, Value], budget: Budget, depth: int) -> None:
    name, read = "", None
    for key, value in budget.fields_of(message):
        if key == _FIRST:
            name = text_in(value)
        elif key == _SECOND:
            read = _read_value(bytes_in(value), budget, depth)
    attributes[name] = read


def _read_value(message: bytes, budget: Budget, depth: int) -> Value:
    budget.spend(depth)
    found: Value = None
    for key, value in budget.fields_of(message):
        if key == _STRING:
            found = text_in(value)
        elif key == _BOOL:
            found = value != 0
        elif key == _INT:
            found = signed_in(value)
        elif key == _DOUBLE:
            found = struct.unpack("<d", number_in(value).to_bytes(8, "little"))[0]
        elif key == _ARRAY:
            found = [
                _read_value(bytes_in(one), budget, depth + 1)
                for at, one in budget.fields_of(bytes_in(value))
                if at == _FIRST
            ]
        elif key == _KVLIST:
            found = _read_attributes(bytes_in(value), _FIRST, budget, depth + 1)
        elif key == _BYTES:
            found = base64.b64encode(bytes_in(value)).decode()
    return found

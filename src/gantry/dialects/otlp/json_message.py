"""A request of OTLP in JSON: names in camelCase, ids in hexadecimal, numbers of 64 bits in texts.

Law: what is not of its type refuses the request; members that are not known are passed over, as the protocol asks.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from gantry.dialects.otlp.message import DEEPEST, FAILED, MOST_VALUES, Batch, Event, Link, Span, Value
from gantry.wire.protobuf import Unreadable


class AnyValue(Struct, frozen=True, rename="camel"):
    """One of its fields is set. Numbers of 64 bits stand in texts, and so do numbers that are none."""

    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: "ArrayValue | None" = None
    kvlist_value: "KeyValueList | None" = None
    bytes_value: str | None = None


class ArrayValue(Struct, frozen=True):
    values: list[AnyValue] = []


class KeyValue(Struct, frozen=True):
    key: str = ""
    value: AnyValue | None = None


class KeyValueList(Struct, frozen=True):
    values: list[KeyValue] = []


class OtlpEvent(Struct, frozen=True, rename="camel"):
    time_unix_nano: int | str = 0
    name: str = ""
    attributes: list[KeyValue] = []


class OtlpLink(Struct, frozen=True, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    attributes: list[KeyValue] = []


class OtlpStatus(Struct, frozen=True):
    code: int | str = 0
    message: str = ""


class OtlpSpan(Struct, frozen=True, rename="camel"):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    trace_state: str = ""
    name: str = ""
    kind: int | str = 0
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    attributes: list[KeyValue] = []
    events: list[OtlpEvent] = []
    links: list[OtlpLink] = []
    status: OtlpStatus | None = None


class OtlpScope(Struct, frozen=True):
    name: str = ""


class ScopeSpans(Struct, frozen=True):
    scope: OtlpScope = OtlpScope()
    spans: list[OtlpSpan] = []


class OtlpResource(Struct, frozen=True):
    attributes: list[KeyValue] = []


class ResourceSpans(Struct, frozen=True, rename="camel"):
    resource: OtlpResource = OtlpResource()
    scope_spans: list[ScopeSpans] = []


class ExportTraceServiceRequest(Struct, frozen=True, rename="camel"):
    """A request in JSON. Fields that are not named here are passed over."""

    resource_spans: list[ResourceSpans] = []


_decoder: Final = msgspec.json.Decoder(ExportTraceServiceRequest)
_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_KIND_NAMES: Final = {f"SPAN_KIND_{name}": number for number, name in enumerate(_KINDS)}
_STATUS_NAMES: Final = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": FAILED}


def read_json(body: bytes) -> list[Batch]:
    """Return the batches of a request in JSON. Raises Unreadable."""
    if body.count(b"{") > MOST_VALUES:  # each value is an object
        raise Unreadable("it holds too many values")
    try:
        request = _decoder.decode(body)
        return [
            Batch(resource, scoped.scope.name, tuple(map(_span_of, scoped.spans)))
            for group in request.resource_spans
            for resource in (_attributes(group.resource.attributes),)  # once, however many scopes there are
            for scoped in group.scope_spans
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Unreadable(str(error)) from None


def _span_of(span: OtlpSpan) -> Span:
    status = span.status or OtlpStatus()
    return Span(
        trace_id=span.trace_id.lower(),
        span_id=span.span_id.lower(),
        parent_id=span.parent_span_id.lower(),
        trace_state=span.trace_state,
        name=span.name,
        kind=_member(span.kind, _KIND_NAMES),
        started_at=_number(span.start_time_unix_nano),
        ended_at=_number(span.end_time_unix_nano),
        attributes=_attributes(span.attributes),
        events=tuple(Event(one.name, _number(one.time_unix_nano), _attributes(one.attributes)) for one in span.events),
        links=tuple(Link(one.trace_id.lower(), one.span_id.lower(), _attributes(one.attributes)) for one in span.links),
        failed=_member(status.code, _STATUS_NAMES) == FAILED,
        status_message=status.message,
    )


def _number(value: int | str) -> int:
    """Return a number of 64 bits, signed or not. Raises ValueError."""
    number = int(value)
    if not -(2**63) <= number < 2**64:
        raise Unreadable("a number in it has more than 64 bits")
    return number


def _member(value: int | str, names: Mapping[str, int]) -> int:
    """Return an enum's number: as OTLP has it, or from the name that JSON of Protocol Buffers has elsewhere."""
    return value if isinstance(value, int) else names.get(value, 0)


def _attributes(pairs: Iterable[KeyValue], depth: int = 0) -> dict[str, Value]:
    return {pair.key: None if pair.value is None else _value_of(pair.value, depth) for pair in pairs}


def _value_of(value: AnyValue, depth: int) -> Value:
    if depth > DEEPEST:
        raise Unreadable(f"it is nested deeper than {DEEPEST} levels")
    if value.string_value is not None:
        return value.string_value
    if value.bool_value is not None:
        return value.bool_value
    if value.int_value is not None:
        return _number(value.int_value)
    if value.double_value is not None:
        return float(value.double_value)
    if value.array_value is not None:
        return [_value_of(one, depth + 1) for one in value.array_value.values]
    if value.kvlist_value is not None:
        return _attributes(value.kvlist_value.values, depth + 1)
    return value.bytes_value

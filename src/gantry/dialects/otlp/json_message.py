"""A request of OTLP in JSON: names in camelCase, ids in hexadecimal, numbers of 64 bits in texts.

Law: what is not of its type refuses the request; members that are not known are passed over, and null is as good as
absent, as the protocol has it.
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
    values: list[AnyValue] | None = None


class KeyValue(Struct, frozen=True):
    key: str | None = None
    value: AnyValue | None = None


class KeyValueList(Struct, frozen=True):
    values: list[KeyValue] | None = None


class OtlpEvent(Struct, frozen=True, rename="camel"):
    time_unix_nano: int | str | None = None
    name: str | None = None
    attributes: list[KeyValue] | None = None


class OtlpLink(Struct, frozen=True, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    attributes: list[KeyValue] | None = None


class OtlpStatus(Struct, frozen=True):
    code: int | str | None = None
    message: str | None = None


class OtlpSpan(Struct, frozen=True, rename="camel"):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    trace_state: str | None = None
    name: str | None = None
    kind: int | str | None = None
    start_time_unix_nano: int | str | None = None
    end_time_unix_nano: int | str | None = None
    attributes: list[KeyValue] | None = None
    events: list[OtlpEvent] | None = None
    links: list[OtlpLink] | None = None
    status: OtlpStatus | None = None


class OtlpScope(Struct, frozen=True):
    name: str | None = None


class ScopeSpans(Struct, frozen=True):
    scope: OtlpScope | None = None
    spans: list[OtlpSpan] | None = None


class OtlpResource(Struct, frozen=True):
    attributes: list[KeyValue] | None = None


class ResourceSpans(Struct, frozen=True, rename="camel"):
    resource: OtlpResource | None = None
    scope_spans: list[ScopeSpans] | None = None


class ExportTraceServiceRequest(Struct, frozen=True, rename="camel"):
    """A request in JSON. Fields that are not named here are passed over."""

    resource_spans: list[ResourceSpans] | None = None


_NO_SCOPE, _NO_RESOURCE, _NO_STATUS = OtlpScope(), OtlpResource(), OtlpStatus()
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
            Batch(resource, (scoped.scope or _NO_SCOPE).name or "", tuple(map(_span_of, scoped.spans or ())))
            for group in request.resource_spans or ()
            for resource in (_attributes((group.resource or _NO_RESOURCE).attributes),)  # once for all its scopes
            for scoped in group.scope_spans or ()
        ]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Unreadable(str(error)) from None


def _span_of(span: OtlpSpan) -> Span:
    status = span.status or _NO_STATUS
    return Span(
        trace_id=_id(span.trace_id),
        span_id=_id(span.span_id),
        parent_id=_id(span.parent_span_id),
        trace_state=span.trace_state or "",
        name=span.name or "",
        kind=_member(span.kind, _KIND_NAMES),
        started_at=_number(span.start_time_unix_nano),
        ended_at=_number(span.end_time_unix_nano),
        attributes=_attributes(span.attributes),
        events=tuple(
            Event(one.name or "", _number(one.time_unix_nano), _attributes(one.attributes)) for one in span.events or ()
        ),
        links=tuple(Link(_id(one.trace_id), _id(one.span_id), _attributes(one.attributes)) for one in span.links or ()),
        failed=_member(status.code, _STATUS_NAMES) == FAILED,
        status_message=status.message or "",
    )


def _id(digits: str | None) -> str:
    return (digits or "").lower()


def _number(value: int | str | None) -> int:
    """Return a number of 64 bits, signed or not. Raises ValueError."""
    number = 0 if value is None else int(value)
    if not -(2**63) <= number < 2**64:
        raise Unreadable("a number in it has more than 64 bits")
    return number


def _member(value: int | str | None, names: Mapping[str, int]) -> int:
    """Return an enum's number: as OTLP has it, or from the name that JSON of Protocol Buffers has elsewhere."""
    return value if isinstance(value, int) else names.get(value or "", 0)


def _attributes(pairs: Iterable[KeyValue] | None, depth: int = 0) -> dict[str, Value]:
    return {pair.key or "": None if pair.value is None else _value_of(pair.value, depth) for pair in pairs or ()}


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
        return [_value_of(one, depth + 1) for one in value.array_value.values or ()]
    if value.kvlist_value is not None:
        return _attributes(value.kvlist_value.values, depth + 1)
    return value.bytes_value

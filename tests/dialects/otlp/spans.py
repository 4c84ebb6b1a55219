"""Requests of OTLP in both encodings, written out of the values that reading them must come to."""

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from gantry.dialects.otlp.message import Attributes, Batch, Span
from gantry.dialects.otlp.writing import encode_request
from gantry.wire.protobuf import encode_bytes

TRACE = "5b8efff798038103d269b633813fc60c"
SPAN = "eee19b7ec3c1b174"
START = 1_795_000_000_123_456_789
SECOND = 1_000_000_000


def make_span(attributes: Attributes, **fields: Any) -> Span:
    """Return a span of two seconds."""
    given = {"trace_id": TRACE, "span_id": SPAN, "name": "a span", "started_at": START, "ended_at": START + 2 * SECOND}
    return Span(**{**given, **fields}, attributes=attributes)


def to_json(batches: Iterable[Batch]) -> bytes:
    return msgspec.json.encode(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": _pairs(batch.resource)},
                    "scopeSpans": [{"scope": {"name": batch.scope}, "spans": list(map(_span, batch.spans))}],
                }
                for batch in batches
            ]
        }
    )


def _span(span: Span) -> dict[str, Any]:
    return {
        "traceId": span.trace_id.upper(),
        "spanId": span.span_id,
        "parentSpanId": span.parent_id,
        "traceState": span.trace_state,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.started_at),
        "endTimeUnixNano": span.ended_at,
        "attributes": _pairs(span.attributes),
        "droppedAttributesCount": 7,
        "events": [
            {"timeUnixNano": str(one.time), "name": one.name, "attributes": _pairs(one.attributes)}
            for one in span.events
        ],
        "links": [
            {"traceId": one.trace_id, "spanId": one.span_id, "attributes": _pairs(one.attributes)} for one in span.links
        ],
        "status": {"code": 2 if span.failed else 0, "message": span.status_message},
    }


def _pairs(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": list(map(_value, value))}}
        case dict():
            return {"kvlistValue": {"values": _pairs(value)}}
    return {"stringValue": value}


def to_protobuf(batches: Iterable[Batch]) -> bytes:
    return encode_request(batches)


def as_bytes_value(content: bytes) -> bytes:
    """Return an AnyValue of bytes."""
    return encode_bytes(7, content)


def as_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()

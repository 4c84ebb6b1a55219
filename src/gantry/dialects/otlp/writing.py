"""A request of OTLP in Protocol Buffers, out of values: what `protobuf_message` reads back.

Law: a text that is not UTF-8 is mended rather than refused; spans are written one by one, so that a request can be put
together of as many as fit.
"""

import struct
from collections.abc import Iterable

from gantry.dialects.otlp.message import FAILED, Attributes, Batch, Event, Link, Span, Value
from gantry.wire.protobuf import encode_bytes, encode_fixed, encode_member, encode_number


def encode_request(batches: Iterable[Batch]) -> bytes:
    return b"".join(encode_batch(one, map(encode_span, one.spans)) for one in batches)


def encode_batch(batch: Batch, spans: Iterable[bytes]) -> bytes:
    """Return a request of encoded spans, which take the place of the batch's own."""
    scope = encode_bytes(1, _text(batch.scope))
    scoped = encode_member(1, scope) + b"".join(encode_member(2, span) for span in spans)
    resource = _pairs(1, batch.resource)
    return encode_member(1, encode_member(1, resource) + encode_member(2, scoped))


def encode_span(span: Span) -> bytes:
    status = encode_bytes(2, _text(span.status_message)) + encode_number(3, FAILED if span.failed else 0)
    return b"".join(
        (
            encode_bytes(1, bytes.fromhex(span.trace_id)),
            encode_bytes(2, bytes.fromhex(span.span_id)),
            encode_bytes(3, _text(span.trace_state)),
            encode_bytes(4, bytes.fromhex(span.parent_id)),
            encode_bytes(5, _text(span.name)),
            encode_number(6, span.kind),
            encode_fixed(7, struct.pack("<Q", span.started_at)),
            encode_fixed(8, struct.pack("<Q", span.ended_at)),
            _pairs(9, span.attributes),
            *(encode_member(11, _event(event)) for event in span.events),
            *(encode_member(13, _link(link)) for link in span.links),
            encode_bytes(15, status),
        )
    )


def _event(event: Event) -> bytes:
    time = encode_fixed(1, struct.pack("<Q", event.time))
    return time + encode_bytes(2, _text(event.name)) + _pairs(3, event.attributes)


def _link(link: Link) -> bytes:
    ids = encode_bytes(1, bytes.fromhex(link.trace_id)) + encode_bytes(2, bytes.fromhex(link.span_id))
    return ids + _pairs(4, link.attributes)


def _pairs(number: int, attributes: Attributes) -> bytes:
    return b"".join(
        encode_member(number, encode_bytes(1, _text(name)) + encode_member(2, _value(value)))
        for name, value in attributes.items()
    )


def _value(value: Value) -> bytes:
    match value:
        case None:
            return b""
        case bool():
            return encode_member(2, int(value))
        case int():
            return encode_member(3, value)
        case float():
            return encode_fixed(4, struct.pack("<d", value))
        case str():
            return encode_member(1, _text(value))
        case list():
            return encode_member(5, b"".join(encode_member(1, _value(one)) for one in value))
        case dict():
            return encode_member(6, _pairs(1, value))


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")

"""OTLP's two encodings: they come to the same values, and what is no request is refused as one."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gantry.dialects.otlp import json_message, protobuf_message
from gantry.dialects.otlp.json_message import read_json
from gantry.dialects.otlp.message import DEEPEST, Batch, Event, Link, Span, Value
from gantry.dialects.otlp.protobuf_message import read_protobuf
from gantry.wire.protobuf import Unreadable, encode_bytes
from tests.dialects.otlp.spans import as_base64, as_bytes_value, make_span, to_json, to_protobuf

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NANOSECONDS = st.integers(0, 2**63 - 1)
VALUES: st.SearchStrategy[Value] = st.recursive(
    st.none()
    | WORDS
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
ATTRIBUTES = st.dictionaries(WORDS, VALUES, max_size=4)


def ids(size: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size, max_size=size).map(bytes.hex)


SPANS = st.builds(
    Span,
    trace_id=ids(16),
    span_id=ids(8),
    parent_id=st.just("") | ids(8),
    trace_state=WORDS,
    name=WORDS,
    kind=st.integers(0, 5),
    started_at=NANOSECONDS,
    ended_at=NANOSECONDS,
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, WORDS, NANOSECONDS, ATTRIBUTES), max_size=2).map(tuple),
    links=st.lists(st.builds(Link, ids(16), ids(8), ATTRIBUTES), max_size=2).map(tuple),
    failed=st.booleans(),
    status_message=WORDS,
)
BATCHES = st.lists(st.builds(Batch, ATTRIBUTES, WORDS, st.lists(SPANS, max_size=3).map(tuple)), max_size=2)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BATCHES)
def test_both_encodings_come_to_the_same(batches: list[Batch]) -> None:
    assert read_json(to_json(batches)) == batches
    assert read_protobuf(to_protobuf(batches)) == batches


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BATCHES, st.data())
def test_a_request_that_is_cut_is_read_as_far_or_refused(batches: list[Batch], data: st.DataObject) -> None:
    whole = to_protobuf(batches)
    cut = whole[: data.draw(st.integers(0, len(whole)))]
    try:
        assert read_protobuf(cut) == batches[: len(read_protobuf(cut))]
    except Unreadable:
        assert len(cut) < len(whole)


def test_bytes_are_base64_in_both() -> None:
    pair = encode_bytes(1, b"k") + encode_bytes(2, as_bytes_value(b"\x00\xff"))
    scope = encode_bytes(1, encode_bytes(1, b"s"))
    body = encode_bytes(1, encode_bytes(1, encode_bytes(1, pair)) + encode_bytes(2, scope))
    assert read_protobuf(body) == [Batch({"k": as_base64(b"\x00\xff")}, "s", ())]
    pairs = b'[{"key":"k","value":{"bytesValue":"AP8="}}]'
    request = b'{"resourceSpans":[{"resource":{"attributes":' + pairs + b'},"scopeSpans":[{"scope":{"name":"s"}}]}]}'
    assert read_json(request) == read_protobuf(body)


def test_names_of_enums_and_numbers_that_are_none_are_read() -> None:
    span = (
        b'{"kind":"SPAN_KIND_CLIENT","status":{"code":"STATUS_CODE_ERROR"},'
        b'"attributes":[{"key":"n","value":{"doubleValue":"Infinity"}}]}'
    )
    (batch,) = read_json(b'{"resourceSpans":[{"scopeSpans":[{"spans":[' + span + b"]}]}]}")
    assert batch.spans == (Span(kind=3, failed=True, attributes={"n": float("inf")}),)


def test_null_is_as_good_as_absent() -> None:
    """As json.dumps writes what a root span has not: a parent."""

    def all_null(shape: type[msgspec.Struct]) -> bytes:
        return msgspec.json.encode(dict.fromkeys(shape.__struct_encode_fields__))

    for shape in (json_message.ExportTraceServiceRequest, json_message.ResourceSpans, json_message.ScopeSpans):
        assert b"null" in all_null(shape)
    span = all_null(json_message.OtlpSpan)
    inner = b'{"events":[%b],"links":[%b],"status":%b,"attributes":[%b,{"key":"a","value":{"arrayValue":%b}}]}' % (
        all_null(json_message.OtlpEvent),
        all_null(json_message.OtlpLink),
        all_null(json_message.OtlpStatus),
        all_null(json_message.KeyValue),
        all_null(json_message.ArrayValue),
    )
    (one, two, three) = read_json(
        b'{"resourceSpans":[{"resource":%b,"scopeSpans":[%b,{"scope":%b,"spans":[%b,%b]}]},{"scopeSpans":[{}]},%b]}'
        % (
            all_null(json_message.OtlpResource),
            all_null(json_message.ScopeSpans),
            all_null(json_message.OtlpScope),
            span,
            inner,
            all_null(json_message.ResourceSpans),
        )
    )
    assert one == three == Batch({}, "", ())
    assert two == Batch(
        {}, "", (Span(), Span(events=(Event("", 0, {}),), links=(Link("", "", {}),), attributes={"": None, "a": []}))
    )
    assert read_json(all_null(json_message.ExportTraceServiceRequest)) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"resourceSpans":{}}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":7}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"soon"}]}]}]}',
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"99999999999999999999"}]}]}]}',
        b"\xff",
    ],
)
def test_json_that_is_no_request_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(body)


def test_depth_and_number_of_values_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (json_message, protobuf_message):
        monkeypatch.setattr(module, "MOST_VALUES", 100)
    value: Value = "deep"
    for _ in range(DEEPEST + 1):
        value = [value]
    deep = [Batch({}, "", (make_span({"k": value}),))]
    many = [Batch({}, "", (Span(attributes={"k": [None] * 100}),))]
    for batches, why in ((deep, "deeper"), (many, "too many")):
        with pytest.raises(Unreadable, match=why):
            read_json(to_json(batches))
        with pytest.raises(Unreadable, match=why):
            read_protobuf(to_protobuf(batches))


@pytest.mark.parametrize("field", [b"\x18\x00", b"\x0a\x00"], ids=["unknown", "empty"])
def test_a_request_of_millions_of_fields_is_none(field: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf_message, "MOST_FIELDS", 1000)
    with pytest.raises(Unreadable, match="too many fields"):
        read_protobuf(field * 1001)


def test_a_resource_is_read_once() -> None:
    (group,) = msgspec.json.decode(to_json([Batch({"a": 1}, "a scope", ())]))["resourceSpans"]
    one, two = read_json(msgspec.json.encode({"resourceSpans": [{**group, "scopeSpans": group["scopeSpans"] * 2}]}))
    assert one.resource is two.resource

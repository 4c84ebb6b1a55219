"""Drives OpenTelemetry's SDK, its exporter and its messages, and Prometheus' parsers: what a case prints is JSON.

It runs in an environment of its own: `opentelemetry_python.py export|encode|decode|metrics`. Reads BASE_URL and KEY
from the environment where it exports, and the file named second where it decodes.
"""

import base64
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

IDS = ("traceId", "spanId", "parentSpanId")
REQUESTS = 60
CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"ping"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"pong"}],'
    '"finish_reason":"stop"}]',
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 500,
    "gen_ai.usage.cache_read.input_tokens": 200,
    "gen_ai.conversation.id": "talk",
}


def export(compression: Any) -> dict[str, Any]:
    """Export an agent, its call to a model and a tool that fails, and return the ids of their spans."""
    exporter = OTLPSpanExporter(
        endpoint=os.environ["BASE_URL"] + "/v2/traces",
        headers={"Authorization": f"Bearer {os.environ['KEY']}"},
        compression=compression,
    )
    provider = TracerProvider(resource=Resource.create({"service.name": "travel"}))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("a.library")
    ids = {}
    with tracer.start_as_current_span("plan", attributes={"gen_ai.operation.name": "invoke_agent"}) as root:
        ids["plan"] = trace.format_span_id(root.get_span_context().span_id)
        with tracer.start_as_current_span("chat gpt-4o-mini", kind=SpanKind.CLIENT, attributes=CALL) as span:
            ids["chat gpt-4o-mini"] = trace.format_span_id(span.get_span_context().span_id)
        with tracer.start_as_current_span("weather", attributes={"traceloop.span.kind": "tool"}) as span:
            ids["weather"] = trace.format_span_id(span.get_span_context().span_id)
            span.record_exception(LookupError("no such city"))
            span.set_status(Status(StatusCode.ERROR))
    flushed = provider.force_flush()
    provider.shutdown()
    return {"trace": trace.format_trace_id(root.get_span_context().trace_id), "spans": ids, "flushed": flushed}


def encode() -> list[dict[str, Any]]:
    """Return requests as the official classes write them, in both encodings."""
    draw = random.Random(7)
    return [_written(_request(draw)) for _ in range(REQUESTS)]


def _written(request: Any) -> dict[str, Any]:
    as_json = MessageToDict(request, use_integers_for_enums=True)
    for group in as_json.get("resourceSpans", ()):
        for scoped in group.get("scopeSpans", ()):
            for span in scoped.get("spans", ()):
                for one in (span, *span.get("links", ())):
                    one |= {name: base64.b64decode(one[name]).hex() for name in IDS if name in one}
    return {"protobuf": base64.b64encode(request.SerializeToString()).decode(), "json": json.dumps(as_json)}


def _request(draw: random.Random) -> Any:
    request = ExportTraceServiceRequest()
    for _ in range(draw.randrange(3)):
        group = request.resource_spans.add(schema_url="https://example.com/schema")
        _fill(draw, group.resource.attributes)
        for _ in range(draw.randrange(3)):
            scoped = group.scope_spans.add()
            scoped.scope.name, scoped.scope.version = "a.library", "1.0"
            for _ in range(draw.randrange(4)):
                _fill_span(draw, scoped.spans.add())
    return request


def _fill_span(draw: random.Random, span: Any) -> None:
    span.trace_id, span.span_id, span.name = draw.randbytes(16), draw.randbytes(8), "näme"
    span.parent_span_id = draw.choice([b"", draw.randbytes(8)])
    span.kind, span.flags = draw.randrange(6), draw.randrange(2**32)
    span.start_time_unix_nano = draw.randrange(2**63)
    span.end_time_unix_nano = draw.choice([0, 2**63 - 1])
    span.dropped_events_count = draw.randrange(300)
    span.status.code, span.status.message = draw.randrange(3), draw.choice(["", "ouch"])
    _fill(draw, span.attributes)
    for _ in range(draw.randrange(3)):
        event = span.events.add(name="happened", time_unix_nano=draw.randrange(2**63))
        _fill(draw, event.attributes)
    for _ in range(draw.randrange(2)):
        link = span.links.add(trace_id=draw.randbytes(16), span_id=draw.randbytes(8), trace_state="a=b")
        _fill(draw, link.attributes)


def _fill(draw: random.Random, attributes: Any) -> None:
    for number in range(draw.randrange(5)):
        _fill_value(draw, attributes.add(key=f"key.{number}").value, 0)


def _fill_value(draw: random.Random, value: Any, depth: int) -> None:
    kind = draw.randrange(6 if depth < 3 else 4)
    if kind == 0:
        value.string_value = draw.choice(["", "wörds", "{}"])
    elif kind == 1:
        value.bool_value = draw.random() < 0.5
    elif kind == 2:
        value.int_value = draw.choice([0, -1, -(2**63), 2**63 - 1, draw.randrange(2**40)])
    elif kind == 3:
        value.double_value = draw.choice([0.0, -1.5, draw.random(), float("inf")])
    elif kind == 4:
        value.array_value.SetInParent()
        for _ in range(draw.randrange(3)):
            _fill_value(draw, value.array_value.values.add(), depth + 1)
    else:
        value.kvlist_value.SetInParent()
        for number in range(draw.randrange(3)):
            _fill_value(draw, value.kvlist_value.values.add(key=str(number)).value, depth + 1)


def decode(path: str) -> list[Any]:
    """Return requests out of a file with one in base64 on each line."""
    requests = []
    for line in Path(path).read_text().split():
        request = ExportTraceServiceRequest()
        request.ParseFromString(base64.b64decode(line))
        requests.append(json.loads(_written(request)["json"]))
    return requests


def metrics(path: str) -> dict[str, Any]:
    """Return what the official parsers find in a scrape, by the names of families."""
    text = Path(path).read_text()
    read = read_openmetrics if text.endswith("# EOF\n") else read_plain
    return {
        family.name: {"type": family.type, "samples": [[one.name, one.labels, one.value] for one in family.samples]}
        for family in read(text)
    }


def main(case: str, *rest: str) -> Any:
    match case:
        case "export":
            return export(Compression.Gzip)
        case "encode":
            return encode()
        case "decode":
            return decode(*rest)
        case "metrics":
            return metrics(*rest)
    raise SystemExit(f"there is no case {case}")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))

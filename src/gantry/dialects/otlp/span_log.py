"""A span as a posted log: the body that its maker might have posted to `/api/request-logs/`.

Law: nothing that a span says is lost, and nothing of it is counted twice. What has no field of a log is its metadata,
with the resource's; what may hold content stays out of it, beside events and links. Usage counts where a model was
called, and not where an agent or a workflow adds up what its calls used, nor where the call went through the gateway
and so has a log that counts.

A span's log is named by the ids of trace and span: one that is sent again is the same log.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from gantry.core.errors import InvalidRequest
from gantry.dialects.otlp.message import Attributes, Batch, Event, Link, Span, Value
from gantry.dialects.otlp.names import (
    ASSOCIATED,
    COST,
    COUNTS,
    DOCUMENTS,
    FLAGS,
    GATEWAY_LOG,
    INPUT,
    LOG_TYPE,
    LOG_TYPES,
    MODEL,
    MODEL_CALLS,
    NUMBERS,
    OUTPUT,
    PLAIN,
    PROVIDER,
    PROVIDERS,
    PROVIDERS_AS_OURS,
    STATUS_CODE,
    TEXTS,
    USAGE,
)
from gantry.dialects.otlp.said import Said, read_said
from gantry.dialects.otlp.span_attributes import SpanAttributes, document_in, without_query

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = 2**63 - 1  # ns: the store's
_NS: Final = 1_000_000_000
_KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
_EXCEPTION: Final = "exception"
_FAILED: Final = 500  # of a failure that names no status
_ERROR_STATUS: Final = 400
_TRACE_ID, _SPAN_ID = 32, 16  # digits
MOST_ATTRIBUTES: Final = 10_000  # of a span: each is looked at for each family of names


def log_of_span(span: Span, batch: Batch) -> bytes:
    """Return the body of a span's log. Raises InvalidRequest for one that is no span."""
    _check(span)
    attributes = SpanAttributes(span.attributes)
    said = read_said(attributes, span.events)
    log: dict[str, Any] = {
        "unique_id": f"{span.trace_id}-{span.span_id}",
        "trace_unique_id": span.trace_id,
        "span_unique_id": span.span_id,
        "span_parent_id": span.parent_id or None,
        "span_name": span.name,
        "span_kind": _KINDS[span.kind] if 0 <= span.kind < len(_KINDS) else None,
        "start_time": _iso(span.started_at),
        "timestamp": _iso(max(span.ended_at, span.started_at)),
        "trace_state": span.trace_state or None,
        **_fields(attributes),
        **_call(attributes, said),
        **_status(attributes, span),
        "events": [_event_item(event) for event in said.rest],
        "span_links": [_link_item(link) for link in span.links],
    }
    log["properties"] = _documents_and_members(attributes, "respan.properties") or None
    metadata = _documents_and_members(attributes, "respan.metadata") | _documents_and_members(attributes, "metadata")
    log["attributes"] = attributes.content() or None
    log["metadata"] = {**_told_by(batch), **_metadata_in(attributes.rest), **metadata}
    try:
        return msgspec.json.encode({name: value for name, value in log.items() if value not in (None, [], {})})
    except (OverflowError, RecursionError, ValueError) as error:
        raise InvalidRequest(f"the span {span.span_id} cannot be kept: {error}") from None


def _check(span: Span) -> None:
    """Raises InvalidRequest."""
    for what, digits, length in (("trace", span.trace_id, _TRACE_ID), ("span", span.span_id, _SPAN_ID)):
        if len(digits) != length or not _is_hexadecimal(digits) or not digits.strip("0"):
            raise InvalidRequest(f"a span named {span.name[:80]!r} has no {what} id of {length} hexadecimal digits")
    if not 0 < span.started_at <= _LATEST or not 0 <= span.ended_at <= _LATEST:
        raise InvalidRequest(f"the span {span.span_id} has no time at which it began")
    if len(span.attributes) > MOST_ATTRIBUTES:
        raise InvalidRequest(f"the span {span.span_id} has more than {MOST_ATTRIBUTES} attributes")


def _is_hexadecimal(digits: str) -> bool:
    return all(digit in "0123456789abcdef" for digit in digits)


def _iso(moment: int) -> str:
    """Return a time with all its digits."""
    seconds, fraction = divmod(moment, _NS)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{fraction:09}Z"


def _fields(attributes: SpanAttributes) -> dict[str, Any]:
    """Take what has a field of its own."""
    return {
        **{field: attributes.text(*names) for field, names in TEXTS.items()},
        **{field: attributes.count(*names) for field, names in COUNTS.items()},
        **{field: attributes.number(*names) for field, names in NUMBERS.items()},
        **{field: attributes.flag(*names) for field, names in FLAGS.items()},
        **{field: attributes.document(*names) for field, names in DOCUMENTS.items()},
    }


def _call(attributes: SpanAttributes, said: Said) -> dict[str, Any]:
    """Take what a call to a model was: whom it asked, what it said and used."""
    log_type = _log_type(attributes, said)
    reasons = attributes.document("gen_ai.response.finish_reasons")
    first = next((one for one in reasons if isinstance(one, str)), None) if isinstance(reasons, list) else None
    call: dict[str, Any] = {
        "log_type": log_type,
        "provider_id": _provider(attributes),
        "model": attributes.text(*MODEL),
        "finish_reason": said.finish_reason or first,
    }
    if any(name in attributes.rest for name in GATEWAY_LOG):
        call["cost"] = 0
    elif log_type in MODEL_CALLS:
        call |= {field: attributes.count(*names) for field, names in USAGE.items()}
        call["cost"] = attributes.number(*COST)
    call |= _content(attributes, said)
    return call


def _content(attributes: SpanAttributes, said: Said) -> dict[str, Any]:
    """Take input and output. Raw documents beside messages are the request and the answer themselves."""
    found: dict[str, Any] = {}
    if said.input:
        found["input"] = said.input
    if said.output:
        found["output"] = said.output[0] if len(said.output) == 1 else said.output
    for field, names, raw in (("input", INPUT, "full_request"), ("output", OUTPUT, "full_response")):
        if field not in found:
            found[field] = attributes.said(*names)
        elif isinstance(document_in(attributes.rest.get(names[-1])), dict):
            found[raw] = attributes.document(names[-1])
    return found


def _log_type(attributes: SpanAttributes, said: Said) -> str:
    given = attributes.text(*LOG_TYPE)
    if given is not None:
        return given
    for name, types in LOG_TYPES.items():
        log_type = types.get(str(attributes.rest.get(name)).lower())
        if log_type is not None:
            return log_type
    called = said.input or said.output or any(name in attributes.rest for name in MODEL)
    return "chat" if called else PLAIN


def _provider(attributes: SpanAttributes) -> str | None:
    """Return our name of the provider; one that we do not know stays among the metadata."""
    for name in PROVIDER:
        called = str(attributes.rest.get(name, "")).lower()
        ours = called if called in PROVIDERS_AS_OURS else PROVIDERS.get(called)
        if ours is not None:
            return ours
    return None


def _status(attributes: SpanAttributes, span: Span) -> dict[str, Any]:
    code = attributes.count(*STATUS_CODE)
    if not span.failed:
        return {"status_code": code} if code is not None and 100 <= code < 600 else {}
    thrown = next((event for event in span.events if event.name == _EXCEPTION), None)
    message = span.status_message or (thrown and thrown.attributes.get("exception.message"))
    status_code = code if code is not None and _ERROR_STATUS <= code < 600 else _FAILED
    kind = attributes.rest.get("error.type") or (thrown and thrown.attributes.get("exception.type"))
    return {"status": "error", "status_code": status_code, "error_message": str(message or kind or "the span failed")}


def _event_item(event: Event) -> dict[str, Any]:
    return {"name": event.name, "timestamp": _iso(min(event.time, _LATEST)), "attributes": _kept(event.attributes)}


def _link_item(link: Link) -> dict[str, Any]:
    return {"trace_id": link.trace_id, "span_id": link.span_id, "attributes": _kept(link.attributes)}


def _kept(attributes: Attributes) -> dict[str, Value]:
    return dict(without_query(SpanAttributes(attributes).rest.items()))


def _documents_and_members(attributes: SpanAttributes, name: str) -> dict[str, Any]:
    """Take an object that stands in one attribute, or in one for each member."""
    whole = attributes.document(name)
    return {**attributes.members(name), **(whole if isinstance(whole, dict) else {})}


def _told_by(batch: Batch) -> dict[str, Value]:
    """Return what the process and the library say of themselves."""
    told = SpanAttributes(batch.resource)
    told.content()
    return {**dict(without_query(told.rest.items())), **({"otel.scope.name": batch.scope} if batch.scope else {})}


def _metadata_in(rest: Attributes) -> dict[str, Value]:
    return {name.removeprefix(ASSOCIATED): value for name, value in without_query(rest.items()) if value is not None}

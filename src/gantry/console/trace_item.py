"""Traces as the API shows them, in Respan's words: one of a list, and the tree of its spans. Pure.

Law: every span that was read stands in the tree once, whatever its parent is said to be: one that is not there, itself,
one of its own children, or one so deep that no client would follow.
"""

from collections.abc import Container, Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw, Struct

from gantry.console.parameters import Moment
from gantry.core.log_item import embed, iso_of, item_of, posted_fields, seconds_of
from gantry.core.money import usd_from_nano
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Environment
from gantry.store.traces import Trace

DEEPEST: Final = 64


class TraceItem(Struct, frozen=True):
    """A trace in a list, told by its root span. `start_time` is of its first span, `end_time` of its last."""

    id: str
    trace_unique_id: str
    root_span_unique_id: str | None
    organization_id: str
    unique_organization_id: str
    organization_key_id: str | None
    environment: Environment
    customer_identifier: str | None
    start_time: Moment
    end_time: Moment
    duration: float
    span_count: int
    llm_call_count: int
    error_count: int
    total_cost: float
    total_prompt_tokens: int
    total_completion_tokens: int
    total_tokens: int
    name: str | None
    log_type: str
    status: Literal["success", "error"]
    model: str | None
    input: str | None
    output: str | None
    metadata: dict[str, Any] | str | None
    thread_identifier: str | None
    session_identifier: str | None
    trace_group_identifier: str | None
    is_public: bool


class SpanItem(Struct, frozen=True):
    """A span, which is a log, and those within it. `id` is the log's."""

    id: str
    unique_id: str
    span_unique_id: str | None
    span_parent_id: str | None
    span_name: str | None
    trace_unique_id: str | None
    organization_id: str
    organization_key_id: str | None
    environment: Environment
    customer_identifier: str | None
    thread_identifier: str | None
    session_identifier: str | None
    log_type: str
    start_time: Moment
    timestamp: Moment
    latency: float | None
    time_to_first_token: float | None
    model: str | None
    provider_id: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    total_request_tokens: int | None
    cost: float | None
    status: Literal["success", "error"]
    status_code: int
    error_message: str | None
    input: str | None
    output: str | None
    metadata: dict[str, Any] | str | None
    span_workflow_name: Any
    span_links: Any
    children: list["SpanItem"]


class FullTrace(TraceItem, frozen=True, kw_only=True):
    """A trace with its spans: the first `shown_span_count` of `span_count`."""

    shown_span_count: int
    span_tree: list[SpanItem]


_OF_LOG: Final = tuple(
    name
    for name in SpanItem.__struct_fields__
    if name not in ("session_identifier", "span_workflow_name", "span_links", "children")
)
_EXTRA: Final = ("span_workflow_name", "span_links")


def trace_item(trace: Trace) -> dict[str, Any]:
    """Return a trace as an item of a list."""
    sums, root = trace.sums, trace.root
    extra = posted_fields(root.extra)
    return {
        "id": sums.name,
        "trace_unique_id": sums.name,
        "root_span_unique_id": root.span_unique_id,
        "organization_id": root.organization_id,
        "unique_organization_id": root.organization_id,
        "organization_key_id": root.key_id,
        "environment": root.environment,
        "customer_identifier": root.customer_identifier,
        "start_time": iso_of(sums.started_at),
        "end_time": iso_of(sums.ended_at),
        "duration": seconds_of(max(sums.ended_at - sums.started_at, 0)),
        "span_count": sums.logs,
        "llm_call_count": sums.calls,
        "error_count": sums.errors,
        "total_cost": usd_from_nano(sums.cost),
        "total_prompt_tokens": sums.input_tokens,
        "total_completion_tokens": sums.output_tokens,
        "total_tokens": sums.total_tokens,
        "name": root.span_name,
        "log_type": root.log_type,
        "status": "error" if sums.errors else "success",
        "model": root.model,
        "input": root.input,
        "output": root.output,
        "metadata": embed(root.metadata),
        "thread_identifier": root.thread_identifier,
        "session_identifier": _text_in(extra.get("session_identifier")) or root.thread_identifier,
        "trace_group_identifier": root.group_identifier,
        "is_public": False,
    }


def full_trace_item(trace: Trace, spans: Sequence[RequestLog]) -> dict[str, Any]:
    return {**trace_item(trace), "shown_span_count": len(spans), "span_tree": span_tree(spans)}


def span_tree(spans: Sequence[RequestLog]) -> list[dict[str, Any]]:
    """Return the spans that stand in no other, each with those within it; all in the order they are given in."""
    parents = _parents(spans)
    items = [_span_item(span) for span in spans]
    roots: list[dict[str, Any]] = []
    for place, item in enumerate(items):
        parent = parents[place]
        (roots if parent is None else items[parent]["children"]).append(item)
    return roots


def _parents(spans: Sequence[RequestLog]) -> list[int | None]:
    """Return where the parent of each span stands; None for roots. Circles are cut open, deep ones made flat."""
    places: dict[str, int] = {}
    for place, span in enumerate(spans):
        if span.span_unique_id:
            places.setdefault(span.span_unique_id, place)
    parents = [places.get(span.span_parent_id or "") for span in spans]
    depths: dict[int, int] = {}
    for place in range(len(spans)):
        for one in reversed(_way_up(place, parents, depths)):
            parent = parents[one]
            depths[one] = 0 if parent is None else depths[parent] + 1
            if parent is not None and depths[one] > DEEPEST:
                parents[one], depths[one] = parents[parent], DEEPEST
    return parents


def _way_up(place: int, parents: list[int | None], depths: Container[int]) -> list[int]:
    """Return the spans from one upwards whose depth is not known yet. A circle is cut open where it closes."""
    way: list[int] = []
    at: int | None = place
    while at is not None and at not in depths:
        if at in way:
            parents[at] = None
            return way[: way.index(at) + 1]
        way.append(at)
        at = parents[at]
    return way


def _span_item(span: RequestLog) -> dict[str, Any]:
    item, extra = item_of(span), posted_fields(span.extra)
    return {
        **{name: item[name] for name in _OF_LOG},
        "session_identifier": _text_in(extra.get("session_identifier")) or span.thread_identifier,
        **{name: extra.get(name) for name in _EXTRA},
        "children": [],
    }


def _text_in(raw: Raw | None) -> str | None:
    """Return what was posted as a text, also where it was a number."""
    if raw is None:
        return None
    value = msgspec.json.decode(raw)
    return None if value is None else str(value)

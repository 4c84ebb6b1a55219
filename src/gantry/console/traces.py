"""Traces: views over the logs that name one. Listed, shown as a tree of spans, summed up, deleted.

Law: a filter or a range of time finds traces by any of their spans, and what is shown of a trace is all of it that the
caller may see. Deleting takes the scope `manage`, as deleting a log does.
"""

from typing import Final

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.log_question import FilterBody, Question
from gantry.console.newest_groups import PAGED, RANGE, at_any_time, newest_page, newest_question, place_in, viewer_of
from gantry.console.parameters import ENVIRONMENTS, documented
from gantry.console.request_logs import READERS, json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.console.trace_item import FullTrace, TraceItem, full_trace_item, trace_item
from gantry.core.audit_entry import AuditAction
from gantry.core.errors import InvalidRequest, NotFound
from gantry.core.money import usd_from_nano
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Scope
from gantry.store.group_sums import Viewer
from gantry.store.log_filter import AllOf, Condition, Operator, field_named
from gantry.store.log_query import MAX_PAGE_SIZE
from gantry.store.log_summary import Summary, read_summary
from gantry.store.logs import LogStore
from gantry.store.newest_groups import TRACE, NewestGroups, read_newest
from gantry.store.traces import Trace, TraceCount, count_traces, delete_spans, read_spans, read_traces

MOST_SPANS: Final = 2000  # of one trace that are shown
_DELETED_AT_A_TIME: Final = 200  # spans of one transaction
_MANAGERS: Final = requires(Scope.MANAGE)

router = guarded_router("traces")


class TraceList(Struct, frozen=True):
    """A page of traces. There are at least `count` where it is not exact."""

    count: int
    count_is_exact: bool
    next: str | None
    previous: str | None
    results: list[TraceItem]


class TraceSummary(Struct, frozen=True):
    """Sums over the spans that match, and how many traces they are of: at least so many where that is not exact."""

    number_of_traces: int
    number_of_traces_is_exact: bool
    number_of_spans: int
    number_of_errors: int
    total_cost: float
    total_prompt_tokens: int
    total_completion_tokens: int
    total_tokens: int


class TraceChange(Struct, frozen=True):
    """What to change of a trace. Traces are shown to those who sign in, and cannot be made public."""

    is_public: bool | None = None


class DeletedTraces(Struct, frozen=True):
    deleted_traces: int
    deleted_spans: int


@router.get("/api/traces/list", dependencies=[READERS], openapi_extra=PAGED)
@shaped(answers=TraceList)
async def list_traces(request: Request, state: State, caller: Caller) -> Response:
    """List the traces that have a span which matches, those with the newest first; filters as `?field=value`."""
    return await _answer_list(request, state, caller, b"")


@router.post("/api/traces/list", dependencies=[READERS], openapi_extra=PAGED)
@shaped(takes=FilterBody, answers=TraceList)
async def list_traces_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body, by the fields of a log."""
    return await _answer_list(request, state, caller, await read_bounded(request))


@router.get("/api/traces/summary", dependencies=[READERS], openapi_extra=documented(*RANGE))
@shaped(answers=TraceSummary)
async def sum_traces(request: Request, state: State, caller: Caller) -> Response:
    """Sums over the spans that a list with the same parameters would find traces by."""
    return await _answer_summary(request, state, caller, b"")


@router.post("/api/traces/summary", dependencies=[READERS], openapi_extra=documented(*RANGE))
@shaped(takes=FilterBody, answers=TraceSummary)
async def sum_traces_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body."""
    return await _answer_summary(request, state, caller, await read_bounded(request))


@router.post("/api/traces/bulk", dependencies=[_MANAGERS], openapi_extra=documented(*RANGE))
@shaped(takes=FilterBody, answers=DeletedTraces)
async def delete_traces(request: Request, state: State, caller: Caller) -> Response:
    """Delete the traces that have a span which matches, at any time unless one is given; at most 1000 at a time."""
    question = at_any_time(request, newest_question(request, state, caller, await read_bounded(request)))
    if not question.filters:
        raise InvalidRequest("Name the traces by `filters`; without any, all would be deleted.", param="filters")
    query = msgspec.structs.replace(question.query, page=1, page_size=MAX_PAGE_SIZE)

    def find(store: LogStore) -> NewestGroups:
        with store.reading() as connection:
            return read_newest(connection, TRACE, query)

    found = await state.ask_logs(find)
    if found.next is not None:
        raise InvalidRequest(f"More than {MAX_PAGE_SIZE} traces match. Narrow the filters.", param="filters")
    spans = [await _delete(state, viewer_of(question), trace_id) for trace_id in found.names]
    gone = [name for name, count in zip(found.names, spans, strict=True) if count]
    if gone:
        await state.note(caller.organization_id, AuditAction.LOG_REMOVED, f"{len(gone)} traces", spans=sum(spans))
    return json_answer(DeletedTraces(sum(map(bool, spans)), sum(spans)))


@router.get("/api/traces/{trace_id:path}", dependencies=[READERS], openapi_extra=documented(*ENVIRONMENTS))
@shaped(answers=FullTrace)
async def show_trace(trace_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Show a trace with the tree of its spans."""
    viewer = viewer_of(newest_question(request, state, caller, b""))

    def read(store: LogStore) -> tuple[list[Trace], list[RequestLog]]:
        with store.reading() as connection:
            return read_traces(connection, viewer, [trace_id]), read_spans(connection, viewer, trace_id, MOST_SPANS)

    traces, spans = await state.ask_logs(read)
    return json_answer(full_trace_item(_known(traces), spans))


@router.patch("/api/traces/{trace_id:path}", dependencies=[_MANAGERS], openapi_extra=documented(*ENVIRONMENTS))
@shaped(takes=TraceChange, answers=TraceItem)
async def edit_trace(trace_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Show a trace as it is: `is_public` can only stay false."""
    viewer = viewer_of(newest_question(request, state, caller, b""))
    try:
        change = msgspec.json.decode(await read_bounded(request), type=TraceChange)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f'The body must be like {{"is_public": false}}: {error}.') from None
    if change.is_public:
        raise InvalidRequest("Traces cannot be made public here: whoever is to see one signs in.", param="is_public")

    def read(store: LogStore) -> list[Trace]:
        with store.reading() as connection:
            return read_traces(connection, viewer, [trace_id])

    return json_answer(trace_item(_known(await state.ask_logs(read))))


@router.delete(
    "/api/traces/{trace_id:path}", dependencies=[_MANAGERS], openapi_extra=documented(*ENVIRONMENTS), status_code=204
)
@shaped()
async def delete_trace(trace_id: str, request: Request, state: State, caller: Caller) -> Response:
    """Delete a trace: all its spans, and all that was said in them. Sums by hour stay."""
    viewer = viewer_of(newest_question(request, state, caller, b""))
    if not await _delete(state, viewer, trace_id):
        raise NotFound("Trace not found")
    await state.note(caller.organization_id, AuditAction.LOG_REMOVED, "a trace")
    return Response(status_code=204)


async def _answer_list(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> Response:
    question = newest_question(request, state, caller, body)

    def read(store: LogStore) -> tuple[NewestGroups, list[Trace]]:
        with store.reading() as connection:
            found = read_newest(connection, TRACE, question.query, place_in(question))
            return found, read_traces(connection, viewer_of(question), found.names)

    found, traces = await state.ask_logs(read)
    return json_answer(newest_page(request, question, found, list(map(trace_item, traces))))


async def _answer_summary(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> Response:
    question = _of_spans(newest_question(request, state, caller, body))

    def read(store: LogStore) -> tuple[TraceCount, Summary]:
        with store.reading() as connection:
            return count_traces(connection, question.query), read_summary(connection, question.query)

    count, sums = await state.ask_logs(read)
    return json_answer(
        TraceSummary(
            number_of_traces=count.traces,
            number_of_traces_is_exact=count.exact,
            number_of_spans=sums.requests,
            number_of_errors=sums.errors,
            total_cost=usd_from_nano(sums.cost),
            total_prompt_tokens=sums.input_tokens,
            total_completion_tokens=sums.output_tokens,
            total_tokens=sums.total_tokens,
        )
    )


def _of_spans(question: Question) -> Question:
    """Return the question, of logs that name a trace."""
    traced = Condition(field_named("trace_unique_id"), Operator.ISNULL, (True,), negated=True)
    filters = AllOf((question.query.filters, traced))
    return msgspec.structs.replace(question, query=msgspec.structs.replace(question.query, filters=filters))


def _known(traces: list[Trace]) -> Trace:
    if not traces:
        raise NotFound("Trace not found")
    return traces[0]


async def _delete(state: ConsoleState, viewer: Viewer, trace_id: str) -> int:
    """Delete the spans of a trace in short transactions, and return how many it were."""
    deleted = 0

    def delete(store: LogStore) -> int:
        with store.writing() as connection:
            return delete_spans(connection, viewer, trace_id, _DELETED_AT_A_TIME)

    while some := await state.ask_logs(delete):
        deleted += some
    return deleted

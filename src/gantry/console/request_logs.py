"""Request logs: list, sums, and one in full. A key sees its own logs; with the scope `read`, its organization's."""

from collections.abc import Collection
from typing import Annotated, Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import Meta, structs

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.log_question import (
    DEFAULT_PAGE_SIZE,
    SORTS,
    FilterBody,
    Mark,
    Question,
    read_question,
    row_id,
    write_mark,
)
from gantry.console.parameters import ENVIRONMENTS, Moment, Parameter, documented
from gantry.console.request_log_item import FullLog, LogList, LogSummary
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import NotFound, PayloadTooLarge
from gantry.core.log_item import full_item_of, item_of
from gantry.core.log_preview import preview_of
from gantry.core.money import usd_from_nano
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import Scope
from gantry.store.log_filter import ALLOWED, FIELDS, Kind
from gantry.store.log_query import MAX_PAGE_SIZE, Cursor, LogPage
from gantry.store.log_summary import Summary

_MAX_FILTER_BYTES: Final = 64 * 1024
_NS: Final = 1_000_000_000

READERS = requires(Scope.OWN_LOGS, Scope.READ)
_PARAMETERS: Final = (
    Parameter("start_time", Moment, "From this time on. Default: one hour ago."),
    Parameter("end_time", Moment, "Before this time. Default: now."),
    Parameter(
        "search", str, 'Words that the input or output says; `"a phrase"` in quotes, `begin*` for how a word begins.'
    ),
    Parameter("filters", str, "Filters as in a body, as JSON: where none can be sent, as to watch or to download."),
    *ENVIRONMENTS,
)
_FIELDS_SHOWN: Final = (
    Parameter("exclude", str, "Comma-separated fields to leave out of the results, which then lack them."),
    Parameter(
        "include_fields",
        str,
        "Comma-separated fields of the full log to add to the results; or `input_preview`, `output_preview`.",
    ),
)
_PAGED: Final = documented(
    *_PARAMETERS,
    *_FIELDS_SHOWN,
    Parameter(
        "sort_by",
        ("id", "-id", *(way + name for way in ("", "-") for name in sorted(SORTS))),
        "A field, with `-` in front for descending. Default: `-id`, the newest first.",
    ),
    Parameter("page", Annotated[int, Meta(ge=1)], "Follow `next` instead: it does not count from the start."),
    Parameter("page_size", Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)], f"Default: {DEFAULT_PAGE_SIZE}."),
    Parameter("fetch_filters", bool, "true for `filters_data`: the fields to filter by and known values of them."),
)
_SUMMED: Final = documented(*_PARAMETERS)
WATCHED: Final = documented(*_PARAMETERS, *_FIELDS_SHOWN)
EXPORTED: Final = documented(
    *_PARAMETERS,
    *_FIELDS_SHOWN,
    Parameter("sort_by", ("id", "-id"), "Default: `-id`, the newest first."),
    Parameter("format", ("jsonl", "csv"), "Default: jsonl."),
)
_PREVIEWS: Final = {"input_preview": "input", "output_preview": "output"}
_SAID: Final = frozenset(("input", "output", "prompt_messages", "completion_message"))

router = guarded_router("request logs")


@router.get("/api/request-logs/list", dependencies=[READERS], openapi_extra=_PAGED)
@shaped(answers=LogList)
async def list_logs(request: Request, state: State, caller: Caller) -> Response:
    """List logs by time, with filters as `?field=value`."""
    return await _answer_list(request, state, caller, b"")


@router.post("/api/request-logs/list", dependencies=[READERS], openapi_extra=_PAGED)
@shaped(takes=FilterBody, answers=LogList)
async def list_logs_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body: `{"filters": {"model": {"operator": "", "value": ["…"]}}}`."""
    return await _answer_list(request, state, caller, await read_bounded(request))


@router.get("/api/request-logs/summary", dependencies=[READERS], openapi_extra=_SUMMED)
@shaped(answers=LogSummary)
async def sum_logs(request: Request, state: State, caller: Caller) -> Response:
    """Sums and averages over the logs that a list with the same parameters would show."""
    return await _answer_summary(request, state, caller, b"")


@router.post("/api/request-logs/summary", dependencies=[READERS], openapi_extra=_SUMMED)
@shaped(takes=FilterBody, answers=LogSummary)
async def sum_logs_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body."""
    return await _answer_summary(request, state, caller, await read_bounded(request))


@router.get("/api/request-logs/{log_id}", dependencies=[READERS])
@shaped(answers=FullLog)
async def show_log(log_id: str, state: State, caller: Caller) -> Response:
    """Show one log in full, with the raw request and response."""
    return json_answer(await full_log(state, caller, key_it_is_bound_to(caller), log_id))


async def full_log(state: ConsoleState, caller: Caller, key_id: str | None, log_id: str) -> dict[str, Any]:
    """Return a log in full. Raises NotFound."""
    wanted = row_id(caller.organization_id, log_id)
    log = await state.ask_logs(lambda store: store.find(caller.organization_id, wanted))
    if log is None or (key_id is not None and log.key_id != key_id):
        raise NotFound("Log not found")
    return full_item_of(log)


def question_of(
    request: Request, state: ConsoleState, caller: Caller, body: bytes, *, apart: Collection[str] = ()
) -> Question:
    """Return what a request asks about the logs that its caller may see. Raises InvalidRequest.

    `apart` are parameters that the route reads itself.
    """
    return read_question(
        [pair for pair in request.query_params.multi_items() if pair[0] not in apart],
        body,
        organization_id=caller.organization_id,
        key_id=key_it_is_bound_to(caller),
        environment=caller.policy.environment,
        now=state.clock(),
    )


async def _answer_list(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> Response:
    question = question_of(request, state, caller, body)
    query = structs.replace(question.query, with_content=sees_what_is_said(question))
    page = await state.ask_logs(lambda store: store.page(query))
    answer = {**list_item(request, question, page), "current_filters": question.filters}
    if question.fetch_filters:
        known = await state.ask_logs(lambda store: store.options(query))
        answer["filters_data"] = _filters_data(known)
    return json_answer(answer)


def list_item(request: Request, question: Question, page: LogPage) -> dict[str, Any]:
    """Return a page of logs as it is answered."""
    count, exact = _count_of(page, question)
    return {
        "count": count,
        "count_is_exact": exact,
        "next": _link(request, question, page.next, count, exact),
        "previous": _link(request, question, page.previous, count, exact),
        "results": [shown(log, question) for log in page.logs],
    }


async def _answer_summary(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> Response:
    question = question_of(request, state, caller, body)
    found = await state.ask_logs(lambda store: store.summary(question.query))
    return json_answer({**_summary_item(found), "current_filters": question.filters})


def shown(log: RequestLog, question: Question) -> dict[str, Any]:
    """Return a log as an item of a list, with what is to be added and without what is to be left out."""
    item = item_of(log)
    item.update((name, preview_of(getattr(log, said))) for name, said in _PREVIEWS.items() if name in question.include)
    missing = question.include - item.keys()
    if missing:
        full = full_item_of(log)
        item.update((name, full.get(name)) for name in sorted(missing))
    for name in question.exclude:
        item.pop(name, None)
    return item


def sees_what_is_said(question: Question) -> bool:
    return not question.exclude >= _SAID or bool(question.include)


def key_it_is_bound_to(caller: Caller) -> str | None:
    """Return the API key whose logs alone the caller may see; None when it may see its organization's."""
    return None if Scope.READ in caller.policy.scopes else caller.id


def json_answer(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


async def read_bounded(request: Request, most: int = _MAX_FILTER_BYTES) -> bytes:
    """Return the body. Raises PayloadTooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise PayloadTooLarge(f"The body is longer than {most} bytes.")
    return bytes(body)


def _count_of(page: LogPage, question: Question) -> tuple[int, bool]:
    """Return the count: of this reading, or the one that the link carried from the first page."""
    if question.mark is not None:
        return question.mark.count, question.mark.exact
    return page.count or 0, page.exact


def _link(request: Request, question: Question, place: Cursor | None, count: int, exact: bool) -> str | None:
    if place is None:
        return None
    number = max(question.page - 1, 1) if place.before else question.page + 1
    mark = write_mark(Mark(place.value, place.seq, place.before, count, exact))
    url = request.url.replace(path=request.scope["path"] + "/")
    return str(url.include_query_params(page=number, cursor=mark))


def _filters_data(known: dict[str, list[str]]) -> dict[str, Any]:
    """Return the fields to filter by: their kind, their operators, and the values that are known."""
    return {
        name: {
            "kind": field.kind,
            "operators": sorted(ALLOWED[field.kind]),
            "options": known.get(field.column, [False, True] if field.kind is Kind.FLAG else []),
        }
        for name, field in FIELDS.items()
    }


def _summary_item(found: Summary) -> dict[str, Any]:
    return {
        "number_of_requests": found.requests,
        "number_of_errors": found.errors,
        "total_cost": usd_from_nano(found.cost),
        "total_tokens": found.total_tokens,
        "total_prompt_tokens": found.input_tokens,
        "total_completion_tokens": found.output_tokens,
        "avg_latency": _mean(found.latency_sum, found.latency_count) / _NS,
        "avg_tps": _mean(found.speed_sum, found.speed_count) / 1000,
        "avg_ttft": _mean(found.time_to_first_token_sum, found.time_to_first_token_count) / _NS,
        "number_of_cache_hits": found.cache_hits,
        "total_cache_savings": usd_from_nano(found.cache_savings),
        "total_prompt_cache_hit_tokens": found.cached_input_tokens,
        "prompt_cache_hit_rate": found.cached_input_tokens / found.input_tokens if found.input_tokens else None,
        "scores": {},
    }


def _mean(total: int, count: int) -> int:
    """Return a mean; 0 where nothing was measured, for Respan's clients take no null here."""
    return round(total / count) if count else 0

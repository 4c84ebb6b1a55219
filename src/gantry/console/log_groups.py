"""Request logs in groups: by model, provider, API key, customer, thread or trace, each with its figures."""

from typing import Annotated, Any, Final

from fastapi import Request, Response
from msgspec import Meta, Struct, structs

from gantry.console.access import Caller, State, guarded_router
from gantry.console.log_question import DEFAULT_PAGE_SIZE, FilterBody, Question
from gantry.console.pages import page_link
from gantry.console.parameters import ENVIRONMENTS, Moment, Parameter, documented
from gantry.console.request_logs import READERS, json_answer, question_of, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.console.usage_item import MEASURED_BY, elapsed, metrics_of
from gantry.core.errors import InvalidRequest
from gantry.store.log_filter import field_named
from gantry.store.log_groups import Groups, read_groups
from gantry.store.log_query import MAX_PAGE_SIZE
from gantry.store.logs import LogStore

# What people group by, and the field of a log that has it.
_GROUPS: Final = {
    "model": "model",
    "provider_id": "provider_id",
    "organization_key_id": "organization_key_id",
    "prompt_id": "prompt_id",
    "deployment_id": "credential_id",
    "deployment_name": "deployment_name",
    "custom_identifier": "custom_identifier",
    "customer_identifier": "customer_identifier",
    "trace": "trace_unique_id",
    "thread": "thread_identifier",
}
_SORTS: Final = {**MEASURED_BY, "span_count": MEASURED_BY["number_of_requests"]}
_DOCUMENTED: Final = documented(
    Parameter("group_by", tuple(_GROUPS), "Default: model."),
    Parameter(
        "sort_by",
        tuple(way + name for way in ("", "-") for name in _SORTS),
        "`-` in front for the largest first. Default: -number_of_requests.",
    ),
    Parameter("start_time", Moment, "From this time on. Default: one hour ago."),
    Parameter("end_time", Moment, "Before this time. Default: now."),
    *ENVIRONMENTS,
    Parameter("page", Annotated[int, Meta(ge=1)], "Default: 1."),
    Parameter("page_size", Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)], f"Default: {DEFAULT_PAGE_SIZE}."),
)


class LogGroups(Struct, frozen=True):
    """A page of groups: each names what its logs share by the field that they are grouped by, and has its figures."""

    count: int
    next: str | None
    previous: str | None
    results: list[dict[str, str | int | float | None]]
    current_filters: Any


router = guarded_router("request logs")


@router.get("/api/request-logs/groups", dependencies=[READERS], openapi_extra=_DOCUMENTED)
@shaped(answers=LogGroups)
async def group_logs(request: Request, state: State, caller: Caller) -> Response:
    """Group logs by what they have in common, the largest group first. Logs without it are in no group."""
    return await _answer_groups(request, state, caller, b"")


@router.post("/api/request-logs/groups", dependencies=[READERS], openapi_extra=_DOCUMENTED)
@shaped(takes=FilterBody, answers=LogGroups)
async def group_logs_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body."""
    return await _answer_groups(request, state, caller, await read_bounded(request))


async def _answer_groups(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> Response:
    by = request.query_params.get("group_by") or "model"
    order = request.query_params.get("sort_by") or "-number_of_requests"
    measure = _SORTS.get(order.removeprefix("-"))
    if by not in _GROUPS:
        raise InvalidRequest(f"`group_by` must be one of: {', '.join(_GROUPS)}.", param="group_by")
    if measure is None:
        raise InvalidRequest(f"`sort_by` must be one of: {', '.join(_SORTS)}.", param="sort_by")
    question = question_of(request, state, caller, body, apart=("group_by", "sort_by"))
    query = structs.replace(question.query, descending=order.startswith("-"))
    field = field_named(_GROUPS[by])

    def read(store: LogStore) -> Groups:
        with store.reading() as connection:
            return read_groups(connection, query, field, measure)

    found = await state.ask_logs(read)
    now = state.clock()
    length = elapsed((query.since or now, query.until or now), now)
    items = [_item(_name_of(by), called, metrics_of(sums, length)) for called, sums in found]
    return json_answer(_page(request, question, items))


def _name_of(by: str) -> str:
    return _GROUPS[by] if by in ("trace", "thread") else by


def _item(name: str, called: str, metrics: dict[str, Any]) -> dict[str, Any]:
    tokens = metrics["average_tokens"]
    return {
        name: called,
        **metrics,
        "average_tokens": None if tokens is None else round(tokens),
        "span_count": metrics["number_of_requests"],
    }


def _page(request: Request, question: Question, items: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a page; there are at least as many groups as `count` says."""
    size, before = question.query.page_size, (question.page - 1) * question.query.page_size
    return {
        "count": before + len(items),
        "next": page_link(request, question.page + 1) if len(items) > size else None,
        "previous": page_link(request, question.page - 1) if question.page > 1 else None,
        "results": items[:size],
        "current_filters": question.filters,
    }

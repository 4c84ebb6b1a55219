"""Request logs: list, and one in full. A key sees its own logs; with the scope `read`, those of its organization."""

from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Request, Response

from gantry.console.access import caller_of, guarded_router, requires, state_of
from gantry.console.log_item import full_item_of, item_of
from gantry.console.log_question import Question, read_question, row_id
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest, NotFound, PayloadTooLarge
from gantry.core.vocabulary import Scope
from gantry.store.keys import ApiKey

_MAX_FILTER_BYTES: Final = 64 * 1024

_READERS = requires(Scope.OWN_LOGS, Scope.READ)
_PARAMETERS: Final = {
    "start_time": "From this time on (ISO 8601). Default: one hour ago.",
    "end_time": "Before this time (ISO 8601). Default: now.",
    "sort_by": "A field, with `-` in front for descending. Default: `-id`, the newest first.",
    "page": "From 1 on.",
    "page_size": "At most 1000. Default: 100.",
    "environment": "`prod` or `test`. Default: the API key's own.",
    "is_test": "true for `test`, false for `prod`.",
    "all_envs": "true for logs of every environment.",
    "exclude": "Comma-separated fields to leave out of the results.",
}
_DOCUMENTED: Final[dict[str, Any]] = {
    "parameters": [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in _PARAMETERS.items()
    ]
}

router = guarded_router("request logs")

State = Annotated[ConsoleState, Depends(state_of)]
Caller = Annotated[ApiKey, Depends(caller_of)]


@router.get("/api/request-logs/list", dependencies=[_READERS], openapi_extra=_DOCUMENTED)
async def list_logs(request: Request, state: State, caller: Caller) -> Response:
    """List logs by time, with equality filters as `?field=value` or in a body `{"filters": …}`."""
    return await _answer_list(request, state, caller, b"")


@router.post("/api/request-logs/list", dependencies=[_READERS], openapi_extra=_DOCUMENTED)
async def list_logs_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body: `{"filters": {"model": {"operator": "", "value": ["…"]}}}`."""
    return await _answer_list(request, state, caller, await _read_bounded(request))


@router.get("/api/request-logs/{log_id}", dependencies=[_READERS])
async def show_log(log_id: str, state: State, caller: Caller) -> Response:
    """Show one log in full, with the raw request and response."""
    wanted = row_id(caller.organization_id, log_id)
    log = await state.ask_logs(lambda store: store.find(caller.organization_id, wanted))
    own_key_only = _key_it_is_bound_to(caller)
    if log is None or (own_key_only is not None and log.key_id != own_key_only):
        raise NotFound("Log not found")
    return _json(full_item_of(log))


async def _answer_list(request: Request, state: ConsoleState, caller: ApiKey, body: bytes) -> Response:
    question = read_question(
        request.query_params.multi_items(),
        body,
        organization_id=caller.organization_id,
        key_id=_key_it_is_bound_to(caller),
        environment=caller.policy.environment,
        now=state.clock(),
    )
    try:
        page = await state.ask_logs(lambda store: store.page(question.query))
    except ValueError as error:  # a value that the column's type does not take
        raise InvalidRequest(f"The filters cannot be applied: {error}.") from error
    count = page.count or 0
    number, size = question.query.page, question.query.page_size
    items = [item_of(log) for log in page.logs]
    for name in question.exclude:
        for item in items:
            item.pop(name, None)
    return _json(
        {
            "count": count,
            "next": _link(request, number + 1) if number * size < count else None,
            "previous": _link(request, number - 1) if number > 1 else None,
            "results": items,
            "current_filters": _spelled(question),
        }
    )


def _key_it_is_bound_to(caller: ApiKey) -> str | None:
    return None if Scope.READ in caller.policy.scopes else caller.id


def _link(request: Request, page: int) -> str:
    return str(request.url.replace(path=request.scope["path"] + "/").include_query_params(page=page))


def _spelled(question: Question) -> dict[str, Any]:
    return {field: {"operator": given.operator, "value": given.value} for field, given in question.filters.items()}


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


async def _read_bounded(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_FILTER_BYTES:
            raise PayloadTooLarge(f"The filters are longer than {_MAX_FILTER_BYTES} bytes.")
    return bytes(body)

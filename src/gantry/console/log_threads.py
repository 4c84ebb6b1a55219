"""Threads: conversations, as the logs that name one. Listed, and each shown with its logs from the first on."""

from typing import Annotated, Any, Final

from fastapi import Request, Response
from msgspec import Meta, Struct, structs

from gantry.console.access import Caller, State, guarded_router
from gantry.console.log_question import FilterBody
from gantry.console.newest_groups import PAGED, at_any_time, newest_page, newest_question, place_in, viewer_of
from gantry.console.parameters import ENVIRONMENTS, Moment, Parameter, documented
from gantry.console.request_log_item import LogItem
from gantry.console.request_logs import READERS, json_answer, list_item, question_of, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import NotFound
from gantry.core.log_item import iso_of
from gantry.core.money import usd_from_nano
from gantry.core.vocabulary import Environment
from gantry.store.log_filter import AllOf, Condition, Operator, field_named
from gantry.store.log_query import MAX_PAGE_SIZE, LogPage
from gantry.store.logs import LogStore
from gantry.store.newest_groups import THREAD, NewestGroups, read_newest
from gantry.store.threads import Thread, read_threads

_DOCUMENTED: Final = documented(
    *ENVIRONMENTS,
    Parameter("page", Annotated[int, Meta(ge=1)], "Follow `next` instead: it does not count from the start."),
    Parameter("page_size", Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)], "Default: 100."),
)

router = guarded_router("threads")


class ThreadItem(Struct, frozen=True):
    """A thread in a list. Environment, customer and model are those of its newest log."""

    thread_identifier: str
    environment: Environment
    log_count: int
    error_count: int
    start_time: Moment
    end_time: Moment
    total_cost: float
    total_prompt_tokens: int
    total_completion_tokens: int
    total_tokens: int
    customer_identifier: str | None
    organization_key_id: str | None
    model: str | None
    input: str | None
    output: str | None


class ThreadList(Struct, frozen=True):
    """A page of threads. There are at least `count` where it is not exact."""

    count: int
    count_is_exact: bool
    next: str | None
    previous: str | None
    results: list[ThreadItem]


class FullThread(ThreadItem, frozen=True, kw_only=True):
    """A thread with a page of its logs, the first first."""

    count: int
    count_is_exact: bool
    next: str | None
    previous: str | None
    results: list[LogItem]


@router.get("/api/log_threads", dependencies=[READERS], openapi_extra=PAGED)
@shaped(answers=ThreadList)
async def list_threads(request: Request, state: State, caller: Caller) -> Response:
    """List the threads that have a log which matches, those with the newest first; filters as `?field=value`."""
    return await _answer_list(request, state, caller, b"")


@router.post("/api/log_threads", dependencies=[READERS], openapi_extra=PAGED)
@shaped(takes=FilterBody, answers=ThreadList)
async def list_threads_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body, by the fields of a log."""
    return await _answer_list(request, state, caller, await read_bounded(request))


@router.get("/api/log_threads/{thread_identifier:path}", dependencies=[READERS], openapi_extra=_DOCUMENTED)
@shaped(answers=FullThread)
async def show_thread(thread_identifier: str, request: Request, state: State, caller: Caller) -> Response:
    """Show a thread with its logs, from the first on."""
    question = at_any_time(request, question_of(request, state, caller, b""))
    of_thread = Condition(field_named("thread_identifier"), Operator.EQUAL, (thread_identifier,))
    query = structs.replace(question.query, filters=AllOf((question.query.filters, of_thread)), descending=False)
    question = structs.replace(question, query=query)

    def read(store: LogStore) -> tuple[list[Thread], LogPage]:
        with store.reading() as connection:
            threads = read_threads(connection, viewer_of(question), [thread_identifier])
        return threads, store.page(query)

    threads, page = await state.ask_logs(read)
    if not threads:
        raise NotFound("Thread not found")
    return json_answer({**_item(threads[0]), **list_item(request, question, page)})


async def _answer_list(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> Response:
    question = newest_question(request, state, caller, body)

    def read(store: LogStore) -> tuple[NewestGroups, list[Thread]]:
        with store.reading() as connection:
            found = read_newest(connection, THREAD, question.query, place_in(question))
            return found, read_threads(connection, viewer_of(question), found.names)

    found, threads = await state.ask_logs(read)
    return json_answer(newest_page(request, question, found, list(map(_item, threads))))


def _item(thread: Thread) -> dict[str, Any]:
    sums, newest = thread.sums, thread.newest
    return {
        "thread_identifier": sums.name,
        "environment": newest.environment,
        "log_count": sums.logs,
        "error_count": sums.errors,
        "start_time": iso_of(sums.started_at),
        "end_time": iso_of(sums.ended_at),
        "total_cost": usd_from_nano(sums.cost),
        "total_prompt_tokens": sums.input_tokens,
        "total_completion_tokens": sums.output_tokens,
        "total_tokens": sums.total_tokens,
        "customer_identifier": newest.customer_identifier,
        "organization_key_id": newest.key_id,
        "model": newest.model,
        "input": newest.input,
        "output": newest.output,
    }

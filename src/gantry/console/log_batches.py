"""Many posted logs in one request, and spans as such logs.

Law: each log of a batch is taken or refused by itself, as if it had been posted alone, and the answer says which.
What is taken is in the journal (law 9). One batch is held in memory at a time; the others wait outside, unread.
"""

import asyncio
from typing import Final, TypeVar

import msgspec
from fastapi import Request, Response
from msgspec import UNSET, Raw, Struct, UnsetType

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.log_posts import MAX_BYTES, take_log
from gantry.console.posted_log_form import PostedLogForm
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest, Overloaded, PayloadTooLarge, RequestTimeout
from gantry.core.vocabulary import Scope

MOST_LOGS: Final = 5000
MOST_BYTES: Final = 100 * 1024 * 1024
_SECONDS_TO_SEND: Final = 300.0
_REFUSED: Final = "refused"
_TAKEN_AT_A_TIME: Final = 50  # then others get their turn on the loop

_POSTERS: Final = requires(Scope.INFERENCE, Scope.INGEST, keys_only=True)

router = guarded_router("request logs")


_Shape = TypeVar("_Shape")


class LogBatch(Struct, frozen=True):
    logs: list[Raw]


class PostedLogs(Struct, frozen=True):
    """What a batch is like; each log is read by itself."""

    logs: list[PostedLogForm]


class PostResult(Struct, frozen=True):
    """What became of one log of a batch."""

    id: str | None
    status: str
    detail: str | UnsetType = UNSET


class PostResults(Struct, frozen=True):
    results: list[PostResult]


class IngestedSpans(Struct, frozen=True):
    success: bool
    ingested_count: int
    results: list[PostResult]


class IngestedMessage(Struct, frozen=True):
    message: str


class SpanBatch(Struct, frozen=True):
    data: list[Raw]


@router.post("/api/request-logs/batch/create", dependencies=[_POSTERS])
@shaped(takes=PostedLogs, answers=PostResults)
async def create_logs(request: Request, state: State, caller: Caller) -> Response:
    """Store up to 5000 logs: `{"logs": […]}`. The results are in the order of the logs."""
    async with state.batches:
        logs = _decoded(await _received(request), LogBatch, '{"logs": […]}').logs
        return json_answer(PostResults(await _take_all(request, state, caller, logs)))


class PostFault(Struct, frozen=True):
    index: int
    error: str


class BulkResult(Struct, frozen=True):
    """How many of a batch were taken, and why others were not; `index` is a log's place in it."""

    success_count: int
    error_count: int
    errors: list[PostFault]


@router.post("/api/request-logs/bulk", dependencies=[_POSTERS])
@shaped(takes=PostedLogs, answers=BulkResult)
async def create_logs_in_bulk(request: Request, state: State, caller: Caller) -> Response:
    """As `/api/request-logs/batch/create/`, and answers how many were taken, and why others were not."""
    async with state.batches:
        logs = _decoded(await _received(request), LogBatch, '{"logs": […]}').logs
        results = await _take_all(request, state, caller, logs)
    errors = [
        PostFault(index, result.detail or "") for index, result in enumerate(results) if result.status == "refused"
    ]
    return json_answer(BulkResult(len(results) - len(errors), len(errors), errors))


@router.post("/api/traces/ingest", dependencies=[_POSTERS])
@shaped(takes=list[PostedLogForm], answers=IngestedSpans)
async def ingest_spans(request: Request, state: State, caller: Caller) -> Response:
    """Store spans, each a log with span fields: `[{…}, …]`."""
    async with state.batches:
        results = await _take_all(request, state, caller, await _received_spans(request))
    taken = sum(result.status != _REFUSED for result in results)
    return json_answer(IngestedSpans(taken == len(results), taken, results))


@router.post("/api/v1/traces/ingest", dependencies=[_POSTERS])
@shaped(takes=list[PostedLogForm], answers=IngestedMessage)
async def ingest_spans_as_of_old(request: Request, state: State, caller: Caller) -> Response:
    """As `/api/traces/ingest/`; the spans may also come as `{"data": […]}`."""
    async with state.batches:
        results = await _take_all(request, state, caller, await _received_spans(request))
    refused = [result.detail for result in results if result.status == _REFUSED]
    if refused and len(refused) == len(results):
        raise InvalidRequest(f"None of the {len(results)} spans could be stored; the first: {refused[0]}")
    return json_answer({"message": f"{len(results) - len(refused)} of {len(results)} spans are stored."})


async def _received(request: Request) -> bytes:
    try:
        async with asyncio.timeout(_SECONDS_TO_SEND):
            return await read_bounded(request, MOST_BYTES)
    except TimeoutError:
        raise RequestTimeout(f"The logs were not received within {_SECONDS_TO_SEND:g} seconds.") from None


async def _received_spans(request: Request) -> list[Raw]:
    body = await _received(request)
    if body.lstrip().startswith(b"{"):
        return _decoded(body, SpanBatch, '{"data": […]}').data
    return _decoded(body, list[Raw], "[{…}, …]")


def _decoded(body: bytes, shape: type[_Shape], like: str) -> _Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body must be like {like}: {error}.") from None


async def _take_all(request: Request, state: ConsoleState, caller: Caller, logs: list[Raw]) -> list[PostResult]:
    if len(logs) > MOST_LOGS:
        raise PayloadTooLarge(f"A batch may have at most {MOST_LOGS} logs, not {len(logs)}. Send several batches.")
    user_agent = request.headers.get("user-agent", "")
    results = []
    for number, log in enumerate(logs):
        results.append(_take(state, caller, bytes(log), user_agent))
        if number % _TAKEN_AT_A_TIME == 0:
            await asyncio.sleep(0)
    return results


def _take(state: ConsoleState, caller: Caller, log: bytes, user_agent: str) -> PostResult:
    if len(log) > MAX_BYTES:
        return PostResult(None, _REFUSED, f"A log may have at most {MAX_BYTES // 2**20} MB.")
    try:
        answer = take_log(state, caller, log, user_agent)
    except (InvalidRequest, Overloaded) as error:
        return PostResult(None, _REFUSED, error.message)
    return PostResult(answer["id"], answer["status"])

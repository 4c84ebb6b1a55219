"""Many posted logs in one request, and spans as such logs.

Law: each log of a batch is taken or refused by itself, as if it had been posted alone, and the answer says which.
What is taken is in the journal (law 9). One batch is held in memory at a time; the others wait outside, unread.
"""

import asyncio
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request, Response
from msgspec import Raw, Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.log_posts import MAX_BYTES, take_log
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest, Overloaded, PayloadTooLarge, RequestTimeout
from gantry.core.vocabulary import Scope
from gantry.store.keys import ApiKey

MOST_LOGS: Final = 5000
MOST_BYTES: Final = 100 * 1024 * 1024
_SECONDS_TO_SEND: Final = 300.0
_TAKEN_AT_A_TIME: Final = 50  # then others get their turn on the loop

_POSTERS: Final = requires(Scope.INFERENCE, Scope.INGEST)

router = guarded_router("request logs")


_Shape = TypeVar("_Shape")


class LogBatch(Struct, frozen=True):
    logs: list[Raw]


class SpanBatch(Struct, frozen=True):
    data: list[Raw]


@router.post("/api/request-logs/batch/create", dependencies=[_POSTERS])
async def create_logs(request: Request, state: State, caller: Caller) -> Response:
    """Store up to 5000 logs: `{"logs": […]}`. The results are in the order of the logs."""
    async with state.batches:
        logs = _decoded(await _received(request), LogBatch, '{"logs": […]}').logs
        return json_answer({"results": await _take_all(request, state, caller, logs)})


@router.post("/api/traces/ingest", dependencies=[_POSTERS])
async def ingest_spans(request: Request, state: State, caller: Caller) -> Response:
    """Store spans, each a log with span fields: `[{…}, …]`."""
    async with state.batches:
        results = await _take_all(request, state, caller, await _received_spans(request))
    taken = sum(result["status"] != "refused" for result in results)
    return json_answer({"success": taken == len(results), "ingested_count": taken, "results": results})


@router.post("/api/v1/traces/ingest", dependencies=[_POSTERS])
async def ingest_spans_as_of_old(request: Request, state: State, caller: Caller) -> Response:
    """As `/api/traces/ingest/`; the spans may also come as `{"data": […]}`."""
    async with state.batches:
        results = await _take_all(request, state, caller, await _received_spans(request))
    refused = [result["detail"] for result in results if result["status"] == "refused"]
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


async def _take_all(request: Request, state: ConsoleState, caller: ApiKey, logs: list[Raw]) -> list[dict[str, Any]]:
    if len(logs) > MOST_LOGS:
        raise PayloadTooLarge(f"A batch may have at most {MOST_LOGS} logs, not {len(logs)}. Send several batches.")
    user_agent = request.headers.get("user-agent", "")
    results = []
    for number, log in enumerate(logs):
        results.append(_take(state, caller, bytes(log), user_agent))
        if number % _TAKEN_AT_A_TIME == 0:
            await asyncio.sleep(0)
    return results


def _take(state: ConsoleState, caller: ApiKey, log: bytes, user_agent: str) -> dict[str, Any]:
    if len(log) > MAX_BYTES:
        return {"id": None, "status": "refused", "detail": f"A log may have at most {MAX_BYTES // 2**20} MB."}
    try:
        answer = take_log(state, caller, log, user_agent)
    except (InvalidRequest, Overloaded) as error:
        return {"id": None, "status": "refused", "detail": error.message}
    return {"id": answer["id"], "status": answer["status"]}

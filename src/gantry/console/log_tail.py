"""Logs as they come, as server-sent events: `GET /api/request-logs/tail/`.

Law: a watcher costs calls nothing, and others little (`log_watch`). One who does not keep up, or has watched for long,
is told from where to go on and let go; a browser comes back by itself, with `Last-Event-ID`. Key or session is looked
at again all the while: who lost it, or may do other things by it now, is told no more.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import msgspec
from fastapi import Request
from fastapi.responses import StreamingResponse
from msgspec import structs
from starlette.types import Receive, Scope, Send

from gantry.console.access import Caller, State, guarded_router, identify
from gantry.console.log_question import Question
from gantry.console.log_watch import LogWatch, Watcher
from gantry.console.request_logs import READERS, WATCHED, question_of, sees_what_is_said
from gantry.console.shapes import shaped
from gantry.core.errors import GatewayError, InvalidRequest

SECONDS_OF_SILENCE: Final = 15.0  # then a comment says that the line is open
SECONDS_OF_TRUST: Final = 15.0  # then key or session is looked at again
SECONDS_TO_WATCH: Final = 600.0
MOST_BEHIND: Final = 20_000  # logs of everybody, that one who was away is still told of

router = guarded_router("request logs")


@router.get("/api/request-logs/tail", dependencies=[READERS], openapi_extra=WATCHED)
@shaped(media="text/event-stream")
async def tail_logs(request: Request, state: State, caller: Caller) -> StreamingResponse:
    """Watch logs come: an event `log` for each that is stored from now on, with the filters of the list.

    `Last-Event-ID` goes on from where a watch ended. `ready` begins it, `gap` says that too much was missed, and
    `ended` that it is over and may be begun again. A time range and a page mean nothing here.
    """
    question = question_of(request, state, caller, b"")
    if question.query.sort_by is not None:
        raise InvalidRequest("Logs come in the order of their arrival.", param="sort_by")
    query = structs.replace(question.query, since=None, until=None, with_content=sees_what_is_said(question))
    question = structs.replace(question, query=query, page=1, mark=None)
    after = _last_event(request)
    watch: LogWatch = request.app.state.watch
    watcher = await watch.join(question)

    async def is_still_let_in() -> bool:
        try:
            now = await identify(request, state)
        except GatewayError:
            return False
        return (now.id, now.organization_id, now.policy) == (caller.id, caller.organization_id, caller.policy)

    return _Tail(watch, watcher, _events(watch, watcher, question, after, is_still_let_in))


class _Tail(StreamingResponse):
    """A stream whose watcher leaves with it, also where it never began."""

    def __init__(self, watch: LogWatch, watcher: Watcher, events: AsyncIterator[bytes]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._watch: Final = watch
        self._watcher: Final = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._watch.leave(self._watcher)


async def _events(
    watch: LogWatch,
    watcher: Watcher,
    question: Question,
    after: int | None,
    is_still_let_in: Callable[[], Awaitable[bool]],
) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    looked = clock()
    ends = looked + SECONDS_TO_WATCH
    last, start = watcher.start, watcher.start
    if after is not None and after < start:
        if start - after > MOST_BEHIND:
            yield _event("gap", start, {"missed_from": after})
        else:
            more = True
            while more:
                piece, more = await watch.catch_up(question, after, start)
                after = piece.last
                if piece.data:
                    yield piece.data
    yield b"retry: 1000\n" + _event("ready", last, {})
    while not watcher.is_let_go and (left := ends - clock()) > 0:
        pieces = await watcher.take(min(SECONDS_OF_SILENCE, left))
        if clock() - looked >= SECONDS_OF_TRUST:
            if not await is_still_let_in():
                yield _event("ended", last, {"reason": "access", "resume_from": last})
                return
            looked = clock()
        for piece in pieces:
            last = max(last, piece.last)
            yield piece.data
        if not pieces:
            yield b": still here\n\n"
    yield _event("ended", last, {"reason": "slow" if watcher.is_let_go else "long", "resume_from": last})


def _event(name: str, number: int, data: dict[str, Any]) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), msgspec.json.encode(data))


def _last_event(request: Request) -> int | None:
    text = request.headers.get("last-event-id")
    if text is None or text == "":
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidRequest("`Last-Event-ID` is not one of ours. Leave it out to watch from now on.")
    return int(text)

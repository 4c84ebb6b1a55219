"""Exports: all logs that match, as JSON lines or CSV, in a stream.

Law: an export of any length holds one slice of logs in memory, reads each slice in a transaction of its own, so that no
reader stands in the way of the clerk's log, and goes on from where it was: never by counting rows. A text that a
spreadsheet would take for a formula gets a `'` in front of it.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from csv import writer as csv_writer
from functools import partial
from io import StringIO
from typing import Any, Final

import msgspec
from fastapi import Request
from fastapi.responses import StreamingResponse
from msgspec import Raw, structs

from gantry.console.access import Caller, State, guarded_router
from gantry.console.log_question import FilterBody, Question
from gantry.console.request_logs import EXPORTED, READERS, question_of, read_bounded, shown
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore

_SLICE: Final = 200  # logs in memory at a time
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")

Encode = Callable[[Iterable[dict[str, Any]]], bytes]

router = guarded_router("request logs")


@router.get("/api/request-logs/export", dependencies=[READERS], openapi_extra=EXPORTED)
@shaped(media=("application/x-ndjson", "text/csv"))
async def export_logs(request: Request, state: State, caller: Caller) -> StreamingResponse:
    """Export logs as `?format=jsonl` or `csv`; everything else as in the list."""
    return _answer(request, state, caller, b"")


@router.post("/api/request-logs/export", dependencies=[READERS], openapi_extra=EXPORTED)
@shaped(takes=FilterBody, media=("application/x-ndjson", "text/csv"))
async def export_logs_by_body(request: Request, state: State, caller: Caller) -> StreamingResponse:
    """As GET, with filters in the body."""
    return _answer(request, state, caller, await read_bounded(request))


def _answer(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> StreamingResponse:
    question = question_of(request, state, caller, body)
    if question.query.sort_by is not None:
        raise InvalidRequest("An export is in the order of time: `sort_by` must be id or -id.", param="sort_by")
    form = request.query_params.get("format", "jsonl")
    if form not in ("jsonl", "csv"):
        raise InvalidRequest("`format` must be jsonl or csv.", param="format")
    encode, media_type = (_as_lines, "application/x-ndjson") if form == "jsonl" else (CsvWriter(), "text/csv")
    return StreamingResponse(
        _stream(state, question, encode),
        media_type=media_type,
        headers={"content-disposition": f'attachment; filename="request-logs.{form}"'},
    )


async def _stream(state: ConsoleState, question: Question, encode: Encode) -> AsyncIterator[bytes]:
    query: LogQuery | None = structs.replace(question.query, page_size=_SLICE, page=1, count=False)
    while query is not None:
        piece, query = await state.ask_logs(partial(_read_slice, query=query, question=question, encode=encode))
        yield piece


def _read_slice(store: LogStore, query: LogQuery, question: Question, encode: Encode) -> tuple[bytes, LogQuery | None]:
    """Return a slice in the form asked for, and the query of the next. Made in a thread: the loop only passes it on."""
    page = store.page(query)
    piece = encode(shown(log, question) for log in page.logs)
    return piece, None if page.next is None else structs.replace(query, cursor=page.next)


def _as_lines(items: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(msgspec.json.encode(item) + b"\n" for item in items)


class CsvWriter:
    """Writes slices of one table; the first has the line of names, which an item alone decides."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def __call__(self, items: Iterable[dict[str, Any]]) -> bytes:
        text = StringIO()
        lines = csv_writer(text)
        for item in items:
            if not self._names:
                self._names = list(item)
                lines.writerow(self._names)
            lines.writerow([cell_of(item.get(name)) for name in self._names])
        return text.getvalue().encode("utf-8", "replace")


def cell_of(value: object) -> object:
    """Return a value as a cell: JSON as its text, nothing as nothing, no text as a formula."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else bytes(value).decode() if isinstance(value, Raw) else _json(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()

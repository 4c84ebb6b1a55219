"""The door for traces of OpenTelemetry: OTLP over HTTP, in JSON or Protocol Buffers, gzipped or not.

Law: each span is taken or refused by itself, as a log posted alone would be, and what is taken is in the journal when
it is answered (law 9). Exporters send a request again after 408, 429 and 503, so these say when; what of it was taken
before keeps its id, and is one log. A request that cannot be read is refused whole, and is not sent again.

Exporters wait for ten seconds and give up: whoever finds all places taken is told so, and does not wait that long.
"""

import asyncio
from typing import Final

import msgspec
from fastapi import Request, Response

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.log_posts import take_log
from gantry.console.request_logs import read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import (
    GatewayError,
    InvalidRequest,
    Overloaded,
    PayloadTooLarge,
    RequestTimeout,
    UnsupportedMedia,
)
from gantry.core.vocabulary import Scope
from gantry.dialects.content_coding import decode_content
from gantry.dialects.otlp.json_message import ExportTraceServiceRequest, read_json
from gantry.dialects.otlp.message import Batch
from gantry.dialects.otlp.protobuf_message import read_protobuf
from gantry.dialects.otlp.reply import ExportTraceServiceResponse, encode_refusal, encode_taken
from gantry.dialects.otlp.span_log import log_of_span
from gantry.wire.protobuf import Unreadable

MOST_BYTES: Final = 16 * 1024 * 1024  # as sent, and as unpacked
MOST_SPANS: Final = 5000
MOST_TOLD: Final = 64 * 1024 * 1024  # bytes that resources and scopes come to in the logs of their spans
JSON, PROTOBUF = "application/json", "application/x-protobuf"
_SECONDS_TO_SEND: Final = 60.0
_SECONDS_TO_WAIT: Final = 5.0
_TAKEN_AT_A_TIME: Final = 50  # then others get their turn on the loop
_RETRY_AFTER: Final = 5.0
_RPC_CODES: Final = {400: 3, 403: 7, 408: 4, 413: 8, 415: 3, 429: 8, 503: 14}
_INTERNAL: Final = 13

router = guarded_router("traces")


@router.post("/api/v2/traces", dependencies=[requires(Scope.INFERENCE, Scope.INGEST, keys_only=True)])
@shaped(takes=ExportTraceServiceRequest, answers=ExportTraceServiceResponse)
async def export_traces(request: Request, state: State, caller: Caller) -> Response:
    """Store each span of a request of OTLP/HTTP as a log. Takes `application/x-protobuf` as well, and gzip."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if media not in (JSON, PROTOBUF):
            raise UnsupportedMedia(f"Traces come as {PROTOBUF} or {JSON}, not as {media or 'nothing that is named'}.")
        content = await _export(request, state, caller, as_json=media == JSON)
    except GatewayError as error:
        if media != PROTOBUF:
            raise
        headers = {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after)))}
        content = encode_refusal(_RPC_CODES.get(error.status, _INTERNAL), error.message)
        return Response(content, error.status, headers, PROTOBUF)
    return Response(content, media_type=media)


async def _export(request: Request, state: ConsoleState, caller: Caller, *, as_json: bool) -> bytes:
    """Take what a request exports, and return the answer. Raises GatewayError."""
    try:
        async with asyncio.timeout(_SECONDS_TO_WAIT):
            await state.bodies.acquire()
    except TimeoutError:
        raise Overloaded("Too many logs are being received. Export again later.", retry_after=_RETRY_AFTER) from None
    try:
        body = await _received(request)
        batches = await asyncio.to_thread(_read, body, as_json)
        return await _take_all(state, caller, batches, request.headers.get("user-agent", ""), as_json=as_json)
    finally:
        state.bodies.release()


async def _received(request: Request) -> bytes:
    """Return the body, unpacked. Raises GatewayError."""
    try:
        async with asyncio.timeout(_SECONDS_TO_SEND):
            body = await read_bounded(request, MOST_BYTES)
    except TimeoutError:
        raise RequestTimeout(f"The spans were not received within {_SECONDS_TO_SEND:g} seconds.") from None
    coding = request.headers.get("content-encoding", "")
    decoded = await asyncio.to_thread(decode_content, body, coding, MOST_BYTES)
    if decoded.problem is None:
        return decoded.body
    if len(decoded.body) >= MOST_BYTES:
        raise PayloadTooLarge(f"The spans are larger than {MOST_BYTES} bytes unpacked. Export fewer at a time.")
    raise InvalidRequest(f"The body cannot be unpacked: {decoded.problem}.")


def _read(body: bytes, as_json: bool) -> list[Batch]:
    try:
        batches = read_json(body) if as_json else read_protobuf(body)
    except Unreadable as error:
        raise InvalidRequest(f"The body is no request of OTLP that exports traces: {error}.") from None
    spans = sum(len(batch.spans) for batch in batches)
    if spans > MOST_SPANS:
        raise PayloadTooLarge(f"A request may have at most {MOST_SPANS} spans, not {spans}. Export fewer at a time.")
    told = _told_of_batches(batches)
    if told > MOST_TOLD:
        raise PayloadTooLarge(
            f"The attributes of the resource and the name of the scope stand in the log of each span, and would take "
            f"{told} bytes of {MOST_TOLD} at most. Export fewer spans at a time, or name less in the resource."
        )
    return batches


def _told_of_batches(batches: list[Batch]) -> int:
    """Return how many bytes resources and scopes come to in the logs of their spans."""
    told, size, last = 0, 0, None
    for batch in batches:
        if not batch.spans:
            continue
        if batch.resource is not last:
            size, last = len(msgspec.json.encode(batch.resource)), batch.resource
        told += len(batch.spans) * (size + len(batch.scope.encode()))
    return told


async def _take_all(
    state: ConsoleState, caller: Caller, batches: list[Batch], user_agent: str, *, as_json: bool
) -> bytes:
    """Append each span's log to the journal. Raises Overloaded when it is full: then all are to be sent again."""
    refusals: list[str] = []
    taken = 0
    for batch in batches:
        for span in batch.spans:
            try:
                take_log(state, caller, log_of_span(span, batch), user_agent)
            except InvalidRequest as error:
                refusals.append(error.message)
            taken += 1
            if taken % _TAKEN_AT_A_TIME == 0:
                await asyncio.sleep(0)
    return encode_taken(len(refusals), _told(refusals), as_json=as_json)


def _told(refusals: list[str]) -> str:
    return f"{len(refusals)} spans were refused; the first: {refusals[0]}" if refusals else ""

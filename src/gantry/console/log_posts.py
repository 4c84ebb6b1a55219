"""The second door for large logs: a post that a worker would not hold in memory, up to 20 MB (law 9).

Law: the answer means "in the journal". The codec is the worker's, so that a log means the same at any size. Few bodies
are held at a time; the others wait outside, unread.
"""

import asyncio
import secrets
from typing import Any, Final

import msgspec
from fastapi import Request, Response

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.posted_log_form import AcceptedPost, PostedLogForm
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.errors import Overloaded, PayloadTooLarge, RequestTimeout
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.core.vocabulary import ContentPolicy, Scope
from gantry.dialects.posted import accept_posted
from gantry.journal.frames import FrameKind, LogPosted, encode_payload
from gantry.journal.writer import JournalFull, JournalLevel

MAX_BYTES: Final = 20 * 1024 * 1024
_POSTERS: Final = requires(Scope.INFERENCE, Scope.INGEST, keys_only=True)
_SECONDS_TO_SEND: Final = 120.0
_USER_AGENT_LENGTH: Final = 256

router = guarded_router("request logs")


@router.post("/api/request-logs/create", dependencies=[_POSTERS], include_in_schema=False)
@router.post("/api/request-logs", dependencies=[_POSTERS])
@shaped(takes=PostedLogForm, answers=AcceptedPost)
async def create_log(request: Request, state: State, caller: Caller) -> Response:
    """Store the log of a call that was made elsewhere: `{"model": …, "input": …, "output": …, "cost": …}`."""
    if int(request.headers.get("content-length", "0")) > MAX_BYTES:
        raise _too_large()
    async with state.bodies:
        try:
            async with asyncio.timeout(_SECONDS_TO_SEND):
                body = await _read(request)
        except TimeoutError:
            raise RequestTimeout(f"The log was not received within {_SECONDS_TO_SEND:g} seconds.") from None
        answer = take_log(state, caller, body, request.headers.get("user-agent", ""))
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise _too_large()
    return bytes(body)


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge(
        f"A log may have at most {MAX_BYTES // (1024 * 1024)} MB. Leave out full_request or full_response."
    )


def take_log(state: ConsoleState, caller: Caller, body: bytes, user_agent: str) -> dict[str, Any]:
    """Append a log to the journal and return the answer to its poster. Raises InvalidRequest and Overloaded."""
    now = state.clock()
    policy = caller.policy.content_policy
    if policy in (ContentPolicy.FULL, ContentPolicy.REDACTED) and state.journal.level >= JournalLevel.NO_BODIES:
        policy = ContentPolicy.METADATA
    accepted = accept_posted(
        body,
        organization_id=caller.organization_id,
        environment=caller.policy.environment,
        content_policy=policy,
        received_at=now,
        new_id=format_id(now // 1_000_000, secrets.randbits(ENTROPY_BITS)),
    )
    frame = LogPosted(
        accepted.log_id,
        caller.organization_id,
        caller.id,
        caller.policy.environment,
        now,
        policy,
        accepted.body,
        user_agent[:_USER_AGENT_LENGTH],
    )
    try:
        if state.journal.level is JournalLevel.FULL:
            raise JournalFull
        state.journal.append(FrameKind.LOG_POSTED, encode_payload(frame))
    except JournalFull:
        raise Overloaded("The journal is full. Post the log again later.", retry_after=5) from None
    return accepted.answer

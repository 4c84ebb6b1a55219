"""Joining: the frames of a batch become ended calls, posted logs, and what stays open until a later batch.

Law: pure; frames in, values out, in the order of the journal. Every frame comes out exactly once: in a call that ended,
among what is still open, or as unreadable. A call without `opened` was opened in an earlier batch.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from gantry.core.vocabulary import Outcome
from gantry.journal.frames import (
    CacheSwept,
    CallClosed,
    CallOpened,
    Direction,
    Frame,
    FrameKind,
    LogPosted,
    PartCaptured,
    decode_payload,
    encode_payload,
)
from gantry.journal.segments import FORMAT_VERSION, RawFrame

_KINDS: Mapping[int, FrameKind] = {kind.value: kind for kind in FrameKind}  # calling an enum costs ten times as much

_REQUEST = Direction.REQUEST
CRASHED = "the gateway worker ended before the call did"


class Part(Struct, frozen=True, gc=False):
    """Captured bytes and their place in the journal, which orders the parts of a call and is never used twice."""

    seq: int
    direction: Direction
    data: bytes


class Call(Struct, gc=False):
    """What the batch holds of one call."""

    log_id: str
    incarnation: str
    opened: CallOpened | None = None
    closed: CallClosed | None = None
    parts: list[Part] = []


class Unreadable(Struct, frozen=True):
    """A frame whose checksum holds and whose content does not decode."""

    incarnation: str
    frame: RawFrame
    reason: str


class Joined(Struct, frozen=True):
    calls: dict[str, Call] = {}
    posted: list[LogPosted] = []
    swept: list[str] = []  # names of entries of the response cache
    unreadable: list[Unreadable] = []


def join_frames(incarnation: str, frames: Iterable[RawFrame], into: Joined) -> None:
    """Add the frames of one incarnation to a batch."""
    calls = into.calls
    for raw in frames:
        try:
            frame = _decode(raw)
        except (msgspec.DecodeError, ValueError) as error:
            into.unreadable.append(Unreadable(incarnation, raw, str(error)))
            continue
        if isinstance(frame, LogPosted):
            into.posted.append(frame)
            continue
        if isinstance(frame, CacheSwept):
            into.swept.extend(frame.keys)
            continue
        log_id = frame.log_id
        call = calls.get(log_id)
        if call is None:
            call = calls[log_id] = Call(log_id, incarnation)
        if isinstance(frame, CallOpened):
            call.opened = frame
        elif isinstance(frame, CallClosed):
            call.closed = frame
        else:
            call.parts.append(Part(raw.place, frame.direction, frame.data))


def captured(call: Call, direction: Direction) -> bytes:
    """Return the captured bytes of one direction: the parts, and what the open or the close frame carries."""
    if direction is _REQUEST:
        first, last = call.opened.request_body if call.opened else b"", b""
    else:
        first, last = b"", call.closed.response_body if call.closed else b""
    if not call.parts:
        return first or last
    return b"".join((first, *(part.data for part in call.parts if part.direction is direction), last))


def crash_of(call: Call, at: int) -> CallClosed:
    """Return the close frame that a crashed worker did not write. Its last sign of life stands for the end."""
    opened = call.opened
    response = captured(call, Direction.RESPONSE)
    return CallClosed(
        log_id=call.log_id,
        ended_at=max(at, opened.started_at if opened else 0),
        outcome=Outcome.GATEWAY_CRASHED,
        status=0,
        error=CRASHED,
        attempts=[],
        time_to_first_token=None,
        routing_time=None,
        response_content_type="text/event-stream" if opened and opened.stream else "application/json",
        response_content_encoding="",
        upstream_request_id=None,
        request_bytes=len(captured(call, Direction.REQUEST)),
        response_bytes=len(response),
        truncated=True,
        response_body=b"",
    )


def frames_of(call: Call) -> list[tuple[FrameKind, bytes]]:
    """Return a call as the frames it came in."""
    frames = []
    if call.opened is not None:
        frames.append((FrameKind.CALL_OPENED, encode_payload(call.opened)))
    for part in call.parts:
        frame = PartCaptured(call.log_id, part.direction, part.data)
        frames.append((FrameKind.PART_CAPTURED, encode_payload(frame)))
    if call.closed is not None:
        frames.append((FrameKind.CALL_CLOSED, encode_payload(call.closed)))
    return frames


def _decode(raw: RawFrame) -> Frame:
    kind = _KINDS.get(raw.kind)
    if raw.version != FORMAT_VERSION or kind is None:
        raise ValueError(f"kind {raw.kind} in format {raw.version} is of another version of Gantry")
    return decode_payload(kind, raw.payload)

"""Joining: the frames of a batch become ended calls, posted logs, and what stays open until a later batch.

Law: pure; frames in, values out, in the order of the journal. Every frame comes out exactly once: in a call that ended,
among what is still open, or as unreadable. A call without `opened` was opened in an earlier batch.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from gantry.core.vocabulary import Outcome
from gantry.journal.frames import (
    DECODERS,
    CacheSwept,
    CallClosed,
    CallOpened,
    Direction,
    Frame,
    FrameKind,
    LogPosted,
    PartCaptured,
    encode_payload,
)
from gantry.journal.segments import FORMAT_VERSION, RawFrame

_DECODERS: Final = DECODERS
_REQUEST: Final = Direction.REQUEST
_VERSION: Final = FORMAT_VERSION
_astuple: Final = astuple
CRASHED: Final = "the gateway worker ended before the call did"


class Part(Struct, frozen=True, gc=False):
    """Captured bytes and their place in the journal, which orders the parts of a call and is never used twice."""

    seq: int
    direction: Direction
    data: bytes


class Call:
    """What the batch holds of one call. Not a struct: compiled, a class of our own has its fields at hand."""

    __slots__ = ("closed", "incarnation", "log_id", "opened", "parts")

    def __init__(
        self, log_id: str, incarnation: str, opened: CallOpened | None = None, closed: CallClosed | None = None
    ) -> None:
        self.log_id = log_id
        self.incarnation = incarnation
        self.opened = opened
        self.closed = closed
        self.parts: list[Part] = []


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
        # By its type itself: `isinstance` asks the metaclass of a struct, which takes three times as long.
        if type(frame) is CallOpened:
            _call_of(frame.log_id, incarnation, calls).opened = frame
        elif type(frame) is CallClosed:
            _call_of(frame.log_id, incarnation, calls).closed = frame
        elif type(frame) is PartCaptured:
            part = Part(raw.place, frame.direction, frame.data)
            _call_of(frame.log_id, incarnation, calls).parts.append(part)
        elif type(frame) is LogPosted:
            into.posted.append(frame)
        elif type(frame) is CacheSwept:
            into.swept.extend(frame.keys)


def _call_of(log_id: str, incarnation: str, calls: dict[str, Call]) -> Call:
    call = calls.get(log_id)
    if call is None:
        call = calls[log_id] = Call(log_id, incarnation)
    return call


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
    kind: int
    payload: bytes
    _, version, kind, payload = _astuple(raw)
    decode = _DECODERS.get(kind)
    if version != _VERSION or decode is None:
        raise ValueError(f"kind {kind} in format {version} is of another version of Gantry")
    return decode(payload)

"""What is written into the journal about a call: opened, captured in parts, closed; and logs posted by users.

Law: what reaches the journal may reach the store. Whoever builds a frame has already taken out credentials, gateway
fields and whatever the key's content policy withholds.

Payloads are msgpack arrays (`array_like`): short, and a later version may append fields with defaults. Fields are never
removed or reordered; an incompatible change takes a new `FORMAT_VERSION` in `gantry.journal.segments`.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from gantry.core.limits import Asked, Counted, CounterKind
from gantry.core.usage import NO_USAGE, Usage

NOTHING = Raw(msgspec.msgpack.encode(()))
_counted_in = msgspec.msgpack.Decoder(list[Counted]).decode
_asked_in = msgspec.msgpack.Decoder(list[Asked]).decode


class FrameKind(IntEnum):
    CALL_OPENED = 1
    PART_CAPTURED = 2
    CALL_CLOSED = 3
    LOG_POSTED = 4
    CACHE_SWEPT = 5


class Direction(IntEnum):
    REQUEST = 1
    RESPONSE = 2


class HoldNote(Struct, frozen=True, array_like=True, gc=False):
    """What a call has taken of limits and credits: its estimate when it sets out, what it came to at its end.

    Which counters these are stands in the open frame, encoded once for all calls that pass the same; the close frame
    has only what is counted on them now, if they are the same still.
    """

    cost: int | None  # nano-dollars; None where no price is known
    tokens: int
    told: list[Counted] = []  # counters with their amounts: where the other frame's are not these
    on_credits: bool = False  # through a platform credential
    markup_ppm: int = 0  # of credits
    counters: Raw = NOTHING  # `Counted` of nothing
    amounts: Sequence[int] = ()  # by counter

    @property
    def counted(self) -> list[Counted]:
        """What is counted on each counter but those of calls under way."""
        return self.counted_on(self.counters)

    def counted_on(self, counters: Raw) -> list[Counted]:
        """Return the same by the counters of another note."""
        if self.told or not self.amounts:
            return self.told
        found = zip(_counted_in(counters), self.amounts, strict=True)
        return [replace(one, amount=amount) for one, amount in found if one.kind != CounterKind.GAUGE]


class LimitNote(Struct, frozen=True, array_like=True, gc=False):
    """How a call stood to the limits that were asked, before it was made."""

    is_allowed: bool
    limits: Raw  # `Asked`, encoded once for all calls that pass the same
    currents: Sequence[int]  # by limit: what was counted without the call
    amounts: Sequence[int]  # and how much more with it
    refusing: int | None = None  # which of them refused it

    @property
    def standings(self) -> list[tuple[Asked, int, int]]:
        """Each with what was counted without the call, and with it."""
        found = zip(_asked_in(self.limits), self.currents, self.amounts, strict=True)
        return [(one, current, current + amount) for one, current, amount in found]


class CallOpened(Struct, frozen=True, array_like=True, gc=False):
    """Appended when a request is admitted, before any byte goes upstream."""

    log_id: str
    organization_id: str
    key_id: str
    environment: str
    started_at: int  # ns since the epoch
    method: str
    path: str  # without the query, which may carry keys
    dialect: str
    operation: str
    requested_model: str | None
    stream: bool
    content_policy: str
    snapshot_version: int
    user_agent: str
    request_content_type: str
    params: bytes  # the lifted gateway parameters as a JSON object, credentials taken out; b"" for none
    metadata: bytes  # the body's own `metadata` as JSON (forwarded and logged); b"" for none
    request_body: bytes  # as forwarded, or its first part; empty when the policy withholds it or parts follow
    units: bytes = b""  # billable units that only the request tells, as JSON, where its body is not kept as sent
    spoken_dialect: str = ""  # of the bodies, which are the provider's, where it is not the caller's
    spoken_operation: str = ""  # likewise
    hold: HoldNote | None = None
    trace_parent: str = ""  # the header `traceparent`, where the caller sent one


class PartCaptured(Struct, frozen=True, array_like=True, gc=False):
    """Appended whenever captured bytes of a call pass 32 KB, so that long streams stay small in memory."""

    log_id: str
    direction: Direction
    data: bytes


class AttemptRecord(Struct, frozen=True, array_like=True, gc=False):
    """One try at one deployment. Durations in ns; None where the attempt did not get so far."""

    provider_id: str
    credential_id: str
    credential_name: str
    upstream_model: str | None
    tier: str
    status: int | None
    outcome: str
    error: str | None = None
    connect: int | None = None  # None when a pooled connection was used
    first_byte: int | None = None
    duration: int | None = None
    upstream_host: str | None = None  # regional hosts have prices of their own
    began: int | None = None  # after the call's start
    step: str = ""  # why there was this attempt: the first, a rotation, a fallback, a retry, a hedge
    reason: str = ""  # why this deployment and no other
    share: float | None = None  # its part of the weights of those that were well
    condition: str = ""  # how it stood before
    unsent: bool = False  # another attempt was faster before anything of this one went out: nobody bills it


class CacheNote(Struct, frozen=True, array_like=True, gc=False):
    """What the response cache had to do with a call: its answer was kept, or (`hit`) came from there.

    The last fields are of the call that the answer was first given to.
    """

    key: str  # the name of the entry
    hit: bool
    kept_at: int  # ns since the epoch
    expires_at: int
    unlogged: bool = False  # the caller wants no row for a hit
    log_id: str = ""
    asked_model: str | None = None
    provider_id: str = ""
    upstream_model: str | None = None
    upstream_host: str | None = None
    latency: int = 0
    usage: Usage = NO_USAGE
    service_tier: str | None = None


class StopNote(Struct, frozen=True, array_like=True, gc=False):
    """A stream that the gateway ended before its provider did, because no more could be held for it."""

    finish_reason: str
    usage: Usage  # as the client was told: the provider's counts as far as they came, else ours


class CallClosed(Struct, frozen=True, array_like=True, gc=False):
    """Appended before the write that carries the last byte of the answer, or the stream's `[DONE]`."""

    log_id: str
    ended_at: int
    outcome: str
    status: int  # as sent to the client, 0 when nothing was sent
    error: str | None
    attempts: list[AttemptRecord]
    time_to_first_token: int | None  # ns from started_at to the first byte of the answer's body
    routing_time: int | None
    response_content_type: str
    response_content_encoding: str
    upstream_request_id: str | None
    request_bytes: int
    response_bytes: int
    truncated: bool  # captured bytes were cut by a bound, or withheld by the journal's ladder
    response_body: bytes  # what was captured since the last part
    warnings: list[str] = []
    usage: bytes = b""  # the provider's usage object as JSON, set when the body is withheld or truncated
    response_model: str | None = None
    changes: list[str] = []  # parameters that were renamed, clamped, defaulted or dropped on the way
    spoken_dialect: str = ""  # of the answer, where another attempt gave it than the one that the open frame tells of
    spoken_operation: str = ""  # likewise
    turned_to: str = ""  # the model that the caller would take instead and that was asked last
    cache: CacheNote | None = None
    settled: HoldNote | None = None  # in place of the open frame's hold; the clerk sets right what it counted
    limit_info: bytes = b""  # `limits` as JSON: of workers before there was that
    stopped: StopNote | None = None
    counted: Usage | None = None  # by the worker, of an answer whose body is withheld and whose own usage is not all
    limits: LimitNote | None = None


class CacheSwept(Struct, frozen=True, array_like=True, gc=False):
    """Entries of the response cache that are gone: expired, or the oldest of too many bytes."""

    keys: list[str]


class LogPosted(Struct, frozen=True, array_like=True, gc=False):
    """A log of a call made elsewhere, as posted (DESIGN law 9). Credentials were taken out of `body`."""

    log_id: str
    organization_id: str
    key_id: str
    environment: str
    received_at: int
    content_policy: str
    body: bytes  # JSON object
    user_agent: str = ""


Frame = CallOpened | PartCaptured | CallClosed | LogPosted | CacheSwept

FRAME_TYPES: dict[FrameKind, type[Frame]] = {
    FrameKind.CALL_OPENED: CallOpened,
    FrameKind.PART_CAPTURED: PartCaptured,
    FrameKind.CALL_CLOSED: CallClosed,
    FrameKind.LOG_POSTED: LogPosted,
    FrameKind.CACHE_SWEPT: CacheSwept,
}

_encoder = msgspec.msgpack.Encoder()
_decoders = {kind: msgspec.msgpack.Decoder(frame_type) for kind, frame_type in FRAME_TYPES.items()}
DECODERS: Mapping[int, Callable[[bytes], Frame]] = {kind.value: one.decode for kind, one in _decoders.items()}

encode_payload = _encoder.encode
_NO_BYTES, _BYTES_FOLLOW = b"\xc4\x00", b"\xc6"  # `bin 8` of no bytes; `bin 32`, before a length of four bytes


def encode_opened(frame: CallOpened, body: bytes) -> tuple[bytes, ...]:
    """Return the payload of an open frame in pieces, with a large body put in as it is where the frame has none.

    The same bytes as `encode_payload` makes, without the copy.
    """
    payload = encode_payload(frame)
    behind = sum(
        len(encode_payload(field))
        for field in (frame.units, frame.spoken_dialect, frame.spoken_operation, frame.hold, frame.trace_parent)
    )
    place = len(payload) - behind - len(_NO_BYTES)
    return payload[:place] + _BYTES_FOLLOW + len(body).to_bytes(4, "big"), body, payload[place + len(_NO_BYTES) :]


def decode_payload(kind: FrameKind, payload: bytes) -> Frame:
    """Return the frame of a payload. Raises msgspec.DecodeError (ValidationError when a field has another type)."""
    frame: Frame = _decoders[kind].decode(payload)
    return frame

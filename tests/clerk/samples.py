"""Frames as a worker writes them, and a meter that understands no content."""

from collections.abc import Iterable
from pathlib import Path

from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.journal.frames import (
    AttemptRecord,
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
from gantry.journal.writer import JournalWriter

STARTED_AT = 1_790_000_000_000_000_000
ORGANIZATION = "0192f0c0000070008000000000000001"
REQUEST = b'{"model":"mistral-small-latest","messages":[{"role":"user","content":"Hello"}]}'
RESPONSE = b'{"choices":[{"message":{"content":"Hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}'
POISON = b"this body breaks the meter"

_KINDS = {
    CallOpened: FrameKind.CALL_OPENED,
    PartCaptured: FrameKind.PART_CAPTURED,
    CallClosed: FrameKind.CALL_CLOSED,
    LogPosted: FrameKind.LOG_POSTED,
    CacheSwept: FrameKind.CACHE_SWEPT,
}


def log_id_of(number: int) -> str:
    return f"0192f0c000007000{number:016x}"


def opened(number: int, *, body: bytes = REQUEST, stream: bool = False) -> CallOpened:
    return CallOpened(
        log_id=log_id_of(number),
        organization_id=ORGANIZATION,
        key_id="key",
        environment=Environment.PROD,
        started_at=STARTED_AT + number * 1_000_000,
        method="POST",
        path="/v1/chat/completions",
        dialect="mistral",
        operation="chat",
        requested_model="mistral/mistral-small-latest",
        stream=stream,
        content_policy="full",
        snapshot_version=7,
        user_agent="tests",
        request_content_type="application/json",
        params=b'{"customer_identifier":"user_123"}',
        metadata=b"",
        request_body=body,
    )


def part(number: int, data: bytes, direction: Direction = Direction.RESPONSE) -> PartCaptured:
    return PartCaptured(log_id_of(number), direction, data)


def closed(number: int, *, body: bytes = RESPONSE, outcome: str = Outcome.SUCCESS) -> CallClosed:
    return CallClosed(
        log_id=log_id_of(number),
        ended_at=STARTED_AT + number * 1_000_000 + 800_000,
        outcome=outcome,
        status=200,
        error=None,
        attempts=[
            AttemptRecord("mistral", "cred", "main", "mistral-small-latest", "relay", 200, "success", None, 1, 2, 3)
        ],
        time_to_first_token=400_000,
        routing_time=30_000,
        response_content_type="application/json",
        response_content_encoding="",
        upstream_request_id="req-1",
        request_bytes=len(REQUEST),
        response_bytes=len(body),
        truncated=False,
        response_body=body,
    )


def posted(number: int, body: bytes = b'{"model":"x"}') -> LogPosted:
    return LogPosted(
        log_id=log_id_of(number),
        organization_id=ORGANIZATION,
        key_id="key",
        environment=Environment.TEST,
        received_at=STARTED_AT + number * 1_000_000,
        content_policy="full",
        body=body,
    )


def append(writer: JournalWriter, frames: Iterable[Frame]) -> None:
    for frame in frames:
        writer.append(_KINDS[type(frame)], encode_payload(frame))


def open_journal(root: Path, *, segment_bytes: int = 1 << 20) -> JournalWriter:
    root.mkdir(exist_ok=True)
    return JournalWriter(root, segment_bytes=segment_bytes, sync_interval=3600, free=lambda _: 1 << 50)


class PlainMeter:
    """Copies identity, outcome, times and bodies; breaks on POISON as a real one must not."""

    def __init__(self) -> None:
        self.calls = 0

    def call(self, opened: CallOpened, request: bytes, response: bytes, closed: CallClosed) -> RequestLog:
        self.calls += 1
        if POISON in request or POISON in response:
            raise KeyError("choices")
        return RequestLog(
            log_id=opened.log_id,
            organization_id=opened.organization_id,
            key_id=opened.key_id,
            environment=Environment(opened.environment),
            log_method=LogMethod.INFERENCE,
            requested_model=opened.requested_model,
            model="mistral-small-latest",
            outcome=Outcome(closed.outcome),
            status_code=closed.status,
            error_message=closed.error,
            started_at=opened.started_at,
            ended_at=closed.ended_at,
            latency=closed.ended_at - opened.started_at,
            stream=opened.stream,
            usage=Usage(input_tokens=5, output_tokens=2, total_tokens=7),
            cost=1_000,
            full_request=request,
            full_response=response,
            content_truncated=closed.truncated,
        )

    def posted(self, frame: LogPosted) -> RequestLog:
        if POISON in frame.body:
            raise KeyError("model")
        return RequestLog(
            log_id=frame.log_id,
            organization_id=frame.organization_id,
            key_id=frame.key_id,
            environment=Environment(frame.environment),
            log_method=LogMethod.LOGGING_API,
            outcome=Outcome.LOGGED,
            status_code=200,
            started_at=frame.received_at,
            ended_at=frame.received_at,
            input=frame.body.decode(),
        )

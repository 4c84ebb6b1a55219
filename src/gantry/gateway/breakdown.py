"""The pump of a call that asked for its breakdown: around the tier's own, it adds the breakdown to what that makes.

Law: the answer's bytes are the inner pump's. A whole answer leaves at its end, with one member more; a stream's events
leave when they are whole, and the breakdown stands between the last of them and `[DONE]`, so the record is closed
before it leaves, as for any stream. The record never sees it: it keeps what the upstream said.
"""

import re
import time
from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from gantry.core.errors import GatewayError, UpstreamBroke
from gantry.core.usage import NO_USAGE, Usage
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.answer import read_answer
from gantry.dialects.breakdown import NAME, Figures, add_to_answer, chunk_of, describe_call
from gantry.dialects.chat_fold import ChatFold
from gantry.dialects.content_coding import decode_content
from gantry.dialects.errors import encode_stream_error
from gantry.dialects.fold import Answer
from gantry.dialects.question import read_question
from gantry.gateway.headers import IDENTITY, AnswerKind
from gantry.gateway.intake import Intake
from gantry.gateway.kept_rates import KeptRates
from gantry.gateway.prepare import Question, Voyage
from gantry.gateway.pump import Pump
from gantry.gateway.recording import Recording
from gantry.prices.cost import cost
from gantry.prices.custom import custom_rate
from gantry.routing.plan import Route
from gantry.wire.sse import EventTooLarge, SSEParser

_OPERATIONS: Final = frozenset((Operation.CHAT, Operation.FIM, Operation.AGENT_CHAT))
_CHUNKED: Final = frozenset((Dialect.OPENAI_CHAT, Dialect.MISTRAL))  # whose streams are chunks, to which one is added
_JSON: Final = "application/json"
_DONE: Final = b"[DONE]"
_DONE_LINE: Final = re.compile(rb"(?:\A|[\r\n])(data: ?\[DONE\])")
_BLANK_LINES: Final = (b"\n\n", b"\n\r\n", b"\r\r")
_PING: Final = b": ping\n\n"
_MAX_WHOLE: Final = 32 * 1024 * 1024
_NS: Final = 1_000_000_000


class Asked(Struct, frozen=True, gc=False):
    """What a breakdown tells of a call beside its answer."""

    operation: Operation
    dialect: Dialect  # of the answer as it leaves
    spoken: tuple[Operation, Dialect]  # what the provider was asked, and in which dialect
    content_type: str
    request: bytes  # as forwarded
    metadata: dict[str, Any]
    route: Route
    host: str
    recording: Recording
    kept: KeptRates
    cached: Usage | None = None  # what the answer used when it was made, if it comes out of the response cache

    def fits(self, status: int, kind: AnswerKind) -> bool:
        """Say whether this answer can carry a breakdown: a good one, in JSON or in chunks that are not compressed."""
        if status >= 300:
            return False
        return kind.encoding in IDENTITY and self.dialect in _CHUNKED if kind.is_stream else kind.is_json

    def over(self, pump: Pump, status: int, kind: AnswerKind) -> "BreakdownPump":
        """Return the pump around the tier's own, for an answer that fits."""
        return (
            StreamBreakdownPump(pump, self, status) if kind.is_stream else WholeBreakdownPump(pump, self, status, kind)
        )

    def describe(self, answer: Answer, status: int, *, stream: bool) -> tuple[dict[str, Any], int]:
        """Return the breakdown of an answer that is complete, and the moment in seconds since the epoch."""
        recording, is_cached = self.recording, self.cached is not None
        if self.cached is not None and self.cached != NO_USAGE:
            answer = structs.replace(answer, usage=self.cached)
        latency = time.perf_counter_ns() - recording.started_clock
        figures = Figures(
            model=self.route.upstream_model,
            status=status,
            stream=stream,
            ended_at=recording.started_at + latency,
            latency=latency,
            routing_time=recording.sent_at - recording.started_clock if recording.sent_at else None,
            cost=0 if is_cached else self._price(answer),
            metadata=self.metadata,
            cached=is_cached,
        )
        operation, dialect = self.spoken
        question = read_question(operation, self.content_type, self.request, dialect)
        return describe_call(self.request, question, answer, figures), figures.ended_at // _NS

    def _price(self, answer: Answer) -> int | None:
        rates, route = self.kept.rates, self.route
        if rates is None or answer.usage == NO_USAGE:
            return None
        at, tier = self.recording.started_at, answer.service_tier
        rate = rates.find_first(route.provider.id, (route.upstream_model, answer.model), at, tier, host=self.host)
        if route.custom is not None:
            rate = custom_rate(rates, route.custom, rate, at, tier)
        return None if rate is None else cost(rate, answer.usage)


def ask_breakdown(
    kept: KeptRates, intake: Intake, question: Question, voyage: Voyage, recording: Recording
) -> Asked | None:
    """Return what a breakdown will tell; None where none is asked for, or there can be none."""
    values, operation = question.parameters.values, intake.surface.operation
    if operation not in _OPERATIONS or values.get(NAME) not in (True, "true"):
        return None
    kept.want()
    route = voyage.attempt.route
    return Asked(
        operation,
        route.dialect if voyage.adaptation is None else intake.surface.dialect,
        (route.operation or operation, route.dialect),
        intake.content_type,
        voyage.body,
        _joined_metadata(question.metadata, values.get("metadata")),
        route,
        voyage.pool.origin.host,
        recording,
        kept,
    )


def ask_cached_breakdown(
    kept: KeptRates,
    intake: Intake,
    question: Question,
    route: Route,
    body: bytes,
    recording: Recording,
    usage: Usage,
) -> Asked | None:
    """As `ask_breakdown`, for an answer that the response cache gives in a provider's place."""
    values, surface = question.parameters.values, intake.surface
    if surface.operation not in _OPERATIONS or values.get(NAME) not in (True, "true"):
        return None
    spoken = route.dialect if route.dialect in surface.dialects else surface.dialect
    metadata = _joined_metadata(question.metadata, values.get("metadata"))
    asked = (surface.operation, spoken)
    return Asked(
        surface.operation, spoken, asked, intake.content_type, body, metadata, route, "", recording, kept, usage
    )


def _joined_metadata(of_body: bytes, of_params: object) -> dict[str, Any]:
    """Return the body's metadata with the gateway parameters' in it, as the log has them."""
    found: dict[str, Any] = {}
    try:
        found = msgspec.json.decode(of_body or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass  # no object: the provider's to judge
    return {**found, **of_params} if isinstance(of_params, dict) else found


class WholeBreakdownPump:
    """Adds the breakdown to a whole answer."""

    __slots__ = ("_asked", "_gathered", "_inner", "_kind", "_size", "_status")

    stream_ended = False

    def __init__(self, inner: Pump, asked: Asked, status: int, kind: AnswerKind) -> None:
        self._inner = inner
        self._asked = asked
        self._status = status
        self._kind = kind
        self._gathered: list[bytes] = []
        self._size = 0

    @property
    def content_type(self) -> str:
        return self._inner.content_type or self._kind.content_type

    @property
    def failure(self) -> str | None:
        return self._inner.failure

    def feed(self, data: bytes) -> bytes:
        data = self._inner.feed(data)
        self._size += len(data)
        if self._size > _MAX_WHOLE:
            raise UpstreamBroke(f"the provider's answer is larger than the {_MAX_WHOLE} bytes that can be broken down")
        if data:
            self._gathered.append(data)
        return b""

    def end(self) -> bytes:
        body = b"".join((*self._gathered, self._inner.end()))
        if self._inner.content_type is None:
            decoded = decode_content(body, self._kind.encoding, _MAX_WHOLE)
            if decoded.problem is not None:
                raise UpstreamBroke(f"the provider's answer cannot be decoded: {decoded.problem}")
            body = decoded.body
        asked = self._asked
        breakdown, _ = asked.describe(
            read_answer(asked.operation, asked.dialect, _JSON, body), self._status, stream=False
        )
        return add_to_answer(body, breakdown)

    def ping(self) -> bytes:
        return b""

    def fail(self, error: GatewayError) -> bytes | None:
        return None


class StreamBreakdownPump:
    """Adds the breakdown to a stream. It passes whole events on, so it always stands between two."""

    __slots__ = ("_asked", "_fold", "_held", "_inner", "_parser", "_status", "stream_ended")

    content_type = None

    def __init__(self, inner: Pump, asked: Asked, status: int) -> None:
        self._inner = inner
        self._asked = asked
        self._status = status
        self._parser = SSEParser()
        self._fold = ChatFold(True)
        self._held = b""
        self.stream_ended = False

    @property
    def failure(self) -> str | None:
        return self._inner.failure

    def feed(self, data: bytes) -> bytes:
        return self._pass(self._inner.feed(data))

    def end(self) -> bytes:
        out = self._pass(self._inner.end())
        held, self._held = self._held, b""
        if self.stream_ended or held:  # an event that broke off is the last word of its upstream
            return out + held
        return out + self._chunk()

    def ping(self) -> bytes:
        return _PING

    def fail(self, error: GatewayError) -> bytes | None:
        return b"" if self.stream_ended else encode_stream_error(self._asked.dialect, error)

    def _pass(self, data: bytes) -> bytes:
        if not data:
            return b""
        if self.stream_ended:
            return data
        try:
            events = self._parser.feed(data)
        except EventTooLarge as error:
            raise UpstreamBroke(str(error)) from error
        held = self._held + data
        for event in events:
            if event.data.startswith(_DONE):
                self.stream_ended = True
                break
            self._fold.add(event.data)
        if self.stream_ended:
            self._held = b""
            done = _DONE_LINE.search(held)
            at = done.start(1) if done is not None else len(held)
            return b"%b%b%b" % (held[:at], self._chunk(), held[at:])
        whole = max(held.rfind(line) + len(line) if line in held else 0 for line in _BLANK_LINES)
        self._held = held[whole:]
        return held[:whole]

    def _chunk(self) -> bytes:
        breakdown, now = self._asked.describe(self._fold.answer(True), self._status, stream=True)
        return chunk_of(breakdown, self._asked.dialect, now)


BreakdownPump = WholeBreakdownPump | StreamBreakdownPump

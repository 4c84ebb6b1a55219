"""The pump of a stream that may only use what is held for it: around the tier's own, it ends what goes beyond.

Law: while the stream may go on, the bytes are the inner pump's. Where no more can be held, the provider's stream is
ended in its place (`dialects/early_end`), after a whole event of its own, and passes the inner pump like the rest: so
in every tier the client reads a complete, shorter answer, with its finish reason, its usage and its last event. What
the provider goes on to say is not heard; `Call` frees the upstream.

Where it ends depends on the provider's events alone, and not on how their bytes were read.
"""

from collections.abc import Callable
from typing import Final, Protocol

from gantry.core.errors import GatewayError
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.codecs import CODECS
from gantry.dialects.early_end import EarlyEnd
from gantry.dialects.early_ends import EARLY_ENDS
from gantry.dialects.running_usage import RunningUsage
from gantry.gateway.headers import IDENTITY, AnswerKind
from gantry.gateway.prepare import Voyage
from gantry.gateway.pump import Pump
from gantry.journal.frames import StopNote
from gantry.wire.stream_cuts import EventCutter, MessageCutter, StreamCutter

_SPOKEN: Final = frozenset((Operation.CHAT, Operation.FIM, Operation.AGENT_CHAT, Operation.RESPONSES))
_LENGTH, _OF_RESPONSES = "length", "max_output_tokens"  # as records have the reason of such an end
_FAILED: Final = 300
_CR: Final = b"\r"
_LF: Final = b"\n"


class StreamHold(Protocol):
    """What is held for one stream. `Recording.stream_hold` of a call whose stream is to end with it."""

    @property
    def input_tokens(self) -> int:
        """What the request was taken for, as far as its provider does not tell."""

    @property
    def output_tokens(self) -> int:
        """How much of an answer is held now; beyond it the hold is asked."""

    @property
    def spent(self) -> str:
        """What was used up, for the record: read once the stream may not go on."""

    def may_go_on(self, output_tokens: int) -> bool:
        """Hold more for an answer that has come so far; False where no more can be held."""


class StreamRecord(Protocol):
    """What the record is told of it."""

    @property
    def stream_hold(self) -> StreamHold | None: ...

    stopped: StopNote | None
    warnings: list[str]


def bound_stream(
    pump: Pump, recording: StreamRecord, voyage: Voyage, operation: Operation, status: int, kind: AnswerKind
) -> Pump:
    """Return the pump around the tier's own, where a chat is streamed from which something is held."""
    route, hold = voyage.attempt.route, recording.stream_hold
    spoken = route.operation or operation
    if hold is None or status >= _FAILED or not kind.is_stream or kind.encoding not in IDENTITY:
        return pump
    dialect = Dialect.OPENAI_RESPONSES if spoken is Operation.RESPONSES else route.dialect
    if spoken not in _SPOKEN or dialect not in EARLY_ENDS:
        return pump
    finish = _OF_RESPONSES if dialect is Dialect.OPENAI_RESPONSES else _LENGTH

    def note(stopped: StopNote) -> None:
        recording.stopped = stopped
        recording.warnings.append(
            f"the gateway ended the stream after {stopped.usage.output_tokens} tokens: {hold.spent}"
        )

    return BoundedPump(pump, dialect, EARLY_ENDS[dialect](voyage.body), hold, finish, note)


class BoundedPump:
    """Passes whole events on one by one, and what has begun of the next at once."""

    __slots__ = ("_begun", "_cutter", "_end", "_finish", "_hold", "_inner", "_note", "_stopped", "_usage")

    def __init__(
        self,
        inner: Pump,
        dialect: Dialect,
        end: EarlyEnd,
        hold: StreamHold,
        finish: str,
        note: Callable[[StopNote], None],
    ) -> None:
        self._inner = inner
        self._cutter: StreamCutter = MessageCutter() if dialect is Dialect.BEDROCK else EventCutter()
        self._usage = RunningUsage(CODECS[dialect].stream_decoder())
        self._end = end
        self._hold = hold
        self._finish = finish
        self._note = note
        self._begun = False  # an event, whose rest is to come
        self._stopped = False

    @property
    def stream_ended(self) -> bool:
        return self._stopped or self._inner.stream_ended

    @property
    def failure(self) -> str | None:
        return self._inner.failure

    @property
    def content_type(self) -> str | None:
        return self._inner.content_type

    def feed(self, data: bytes) -> bytes:
        if self._stopped:
            return b""
        inner, usage, end = self._inner, self._usage, self._end
        pieces, rest = self._cutter.cut(data)
        out: list[bytes] = []
        for piece in pieces:
            out.append(inner.feed(piece))
            if not usage.see(piece) or end.notes_texts or self._begun:
                end.see(piece)
            self._begun = False
            if usage.output_tokens > self._hold.output_tokens and not self._may_go_on():
                out.append(self._stop(piece))
                return b"".join(out)
        if rest:
            out.append(inner.feed(rest))
            usage.see(rest)
            end.see(rest)
            self._begun = True
        return out[0] if len(out) == 1 else b"".join(out)

    def _may_go_on(self) -> bool:
        """Ask whether more can be held; what has ended needs no more."""
        if self._usage.over or self._end.finished or self._inner.stream_ended:
            return True
        return self._hold.may_go_on(self._usage.output_tokens)

    def _stop(self, last: bytes) -> bytes:
        """End the stream behind its last whole event."""
        usage = self._usage.conclude(self._hold.input_tokens)
        words = self._end.end(usage)
        if last.endswith(_CR):  # its LF may not have come, and would count as one with it
            words = _LF + words
        self._stopped = True
        self._note(StopNote(self._finish, usage))
        inner = self._inner
        return inner.feed(words) + inner.end()

    def end(self) -> bytes:
        return b"" if self._stopped else self._inner.end()

    def ping(self) -> bytes:
        return b"" if self._stopped else self._inner.ping()

    def fail(self, error: GatewayError) -> bytes | None:
        return b"" if self._stopped else self._inner.fail(error)

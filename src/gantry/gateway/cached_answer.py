"""An answer out of the response cache, in place of a provider's: the bytes that left then leave again.

Law: as for any call: one record (law 5), opened first and closed before the last byte leaves, without attempts, for
nobody was asked. A stream is written event by event as far as the client reads: one piece each time the loop comes
round, and none while the client is full.
"""

import asyncio
import time
from typing import Final, Protocol

from gantry.board.answers import KeptAnswer
from gantry.core.errors import GatewayError
from gantry.core.vocabulary import Outcome
from gantry.dialects.changes import header_value
from gantry.gateway.breakdown import ask_cached_breakdown
from gantry.gateway.exchange import Client
from gantry.gateway.fetch import outcome_before_answer
from gantry.gateway.headers import AnswerKind, own_headers
from gantry.gateway.intake import Intake
from gantry.gateway.prepare import Question, asked_body
from gantry.gateway.pump import PLAIN
from gantry.gateway.recording import Recording
from gantry.gateway.respond import Responder, answer_error
from gantry.gateway.response_cache import HEADER, Keeper
from gantry.gateway.state import WorkerState
from gantry.gateway.waits import Awaited
from gantry.wire.head import RequestHead

PIECE: Final = 32 * 1024
_BLANK_LINES: Final = (b"\n\n", b"\n\r\n", b"\r\r")
_JSON, _STREAM = "application/json", "text/event-stream"


class Asking(Protocol):
    """The call in whose place this answers."""

    @property
    def state(self) -> WorkerState: ...
    @property
    def client(self) -> Client: ...
    @property
    def responder(self) -> Responder: ...
    @property
    def head(self) -> RequestHead: ...
    @property
    def intake(self) -> Intake: ...


class CachedAnswer:
    """One request, answered from the cache."""

    __slots__ = (
        "_answer",
        "_client",
        "_comes_round",
        "_head",
        "_intake",
        "_keeper",
        "_over",
        "_paused_at",
        "_pieces",
        "_question",
        "_recording",
        "_responder",
        "_state",
    )

    def __init__(
        self, call: Asking, question: Question, recording: Recording, keeper: Keeper, answer: KeptAnswer
    ) -> None:
        self._state = call.state
        self._client = call.client
        self._responder = call.responder
        self._head = call.head
        self._intake = call.intake
        self._question = question
        self._recording = recording
        self._keeper = keeper
        self._answer = answer
        self._pieces: list[bytes] = []  # still to be written, the last first
        self._paused_at: float | None = None
        self._comes_round = False
        self._over = False

    def begin(self, body: bytes | None) -> None:
        """Write the open frame and begin to answer."""
        self._state.calls.add(self)
        recording, answer = self._recording, self._answer
        asked = asked_body(self._question)
        try:
            hold = recording.begin_hold(self._question)
            if hold is not None:
                hold.take_free(self._keeper.route)
            recording.open(self._head, self._question, asked)
        except Awaited as needed:
            needed.wait(self._begin_again)
            return
        except GatewayError as error:
            self.refuse(error)
            return
        recording.first_byte_at = time.perf_counter_ns()
        recording.changes = list(answer.changes)
        recording.cache = self._keeper.note(answer, hit=True)
        assert recording.answer is not None
        for piece in cut(answer.body):
            recording.answer.feed(piece)
        kind = _kind_of(answer)
        told = self._tell(asked, kind)
        self._responder.start(200, self._headers(), None if kind.is_stream else len(told))
        self._pieces = cut(told)[::-1]
        self._go_on()

    def _begin_again(self, error: GatewayError | None) -> None:
        if error is not None:
            self.refuse(error)
        elif not self._over:
            self.begin(None)

    def on_request_body(self, data: bytes) -> None:
        """The request was complete."""

    def on_request_end(self) -> None:
        """The request was complete."""

    def on_client_gone(self) -> None:
        self._end(Outcome.CLIENT_GONE, "the client closed the connection")

    def on_client_full(self) -> None:
        self._paused_at = self._state.now

    def on_client_drained(self) -> None:
        self._paused_at = None
        self._come_round()

    def refuse(self, error: GatewayError) -> None:
        if self._over:
            return
        self._end(outcome_before_answer(error), error.message, error.status)
        if self._responder.started:
            self._responder.cut()
            return
        answer_error(self._responder, self._intake.surface.dialect, error, self._recording.log_id)
        self._client.finish_exchange()

    def check(self, now: float) -> None:
        limit = self._state.limits.idle_timeout
        if self._paused_at is not None and now - self._paused_at > limit:
            self._end(Outcome.CLIENT_GONE, f"the client did not read its answer for {limit:g} s")
            self._client.abort()

    def _tell(self, asked: bytes, kind: AnswerKind) -> bytes:
        """Return what the caller gets: the answer, with its breakdown if that is asked for."""
        state, body = self._state, self._answer.body
        breakdown = ask_cached_breakdown(
            state.kept_rates,
            self._intake,
            self._question,
            self._keeper.route,
            asked,
            self._recording,
            self._answer.usage,
        )
        if breakdown is None or not breakdown.fits(200, kind):
            return body
        pump = breakdown.over(PLAIN, 200, kind)
        return pump.feed(body) + pump.end()

    def _headers(self) -> bytes:
        answer = self._answer
        lines = b"content-type: %b\r\n%b: hit\r\n" % (answer.content_type.encode("latin-1"), HEADER)
        if answer.changes:
            lines += b"x-gantry-changes: %b\r\n" % header_value(answer.changes)
        return lines + own_headers(self._recording.log_id)

    def _go_on(self) -> None:
        """Write a piece, and come back for the next."""
        self._comes_round = False
        if self._over or self._paused_at is not None or not self._pieces:
            return  # without pieces it waits for its counters still
        piece = self._pieces.pop()
        if self._pieces:
            self._responder.pass_on(piece)
            self._come_round()
            return
        self._end(Outcome.SUCCESS, None)
        self._responder.finish(piece)
        self._client.finish_exchange()

    def _come_round(self) -> None:
        if not self._comes_round and not self._over:
            self._comes_round = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _end(self, outcome: Outcome, error: str | None, status: int = 200) -> None:
        """Close the record, once."""
        if self._over:
            return
        self._over = True
        self._state.calls.discard(self)
        recording = self._recording
        if not recording.opened:
            recording.open(self._head, self._question, even_when_full=True)
        recording.close(outcome, 200 if self._responder.started else status, error, self._answer.content_type)


def cut(body: bytes) -> list[bytes]:
    """Return a body in pieces, at least one; where it can be, each ends with an event."""
    pieces = []
    start = 0
    while len(body) - start > PIECE:
        window = body[start : start + PIECE]
        end = max(window.rfind(line) + len(line) if line in window else 0 for line in _BLANK_LINES) or PIECE
        pieces.append(window[:end])
        start += end
    pieces.append(body[start:])
    return pieces


def _kind_of(answer: KeptAnswer) -> AnswerKind:
    media_type = answer.content_type.partition(";")[0].strip().lower()
    return AnswerKind(answer.content_type, "", media_type == _STREAM, media_type == _JSON)

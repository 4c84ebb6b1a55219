"""What the worker answers by itself: health, readiness, metrics, and paths that mean nothing.

Law: these never wait for anything. Health says the loop turns; readiness says calls would pass and be recorded.
"""

import time
from pathlib import Path
from typing import Final

import msgspec

from gantry.board.board import Board
from gantry.core.errors import Forbidden, GatewayError, MethodNotAllowed, NotFound
from gantry.dialects.errors import encode_error
from gantry.gateway.client import ClientConnection
from gantry.gateway.metrics import answer_metrics
from gantry.gateway.respond import Responder, answer_whole
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Door, Surface
from gantry.journal.writer import JournalLevel
from gantry.wire.head import RequestHead

_JSON: Final = (("content-type", "application/json"), ("cache-control", "no-store"))


class OwnAnswer:
    """An exchange that is answered by its head alone."""

    __slots__ = ("_board", "_client", "_figures", "_head", "_responder", "_state", "_surface")

    def __init__(
        self,
        state: WorkerState,
        board: Board,
        figures: Path,
        client: ClientConnection,
        head: RequestHead,
        responder: Responder,
        surface: Surface,
    ) -> None:
        self._state = state
        self._board = board
        self._figures = figures
        self._client = client
        self._head = head
        self._responder = responder
        self._surface = surface

    def begin(self, body: bytes | None) -> None:
        door = self._surface.door
        if door is Door.HEALTH:
            self._answer(200, _JSON, b'{"status":"ok"}')
        elif door is Door.READY:
            ready, body = describe_readiness(self._state, time.time_ns())
            self._answer(200 if ready else 503, _JSON, body)
        elif door is Door.METRICS:
            self._answer_metrics()
        else:
            self._refuse(explain_unknown(self._head.method, self._surface.path))

    def on_request_body(self, data: bytes) -> None:
        """What a client sends to a path that takes nothing is not read."""

    def on_request_end(self) -> None:
        """Answered already."""

    def on_client_gone(self) -> None:
        """Nothing to free."""

    def on_client_full(self) -> None:
        """The answer is written in one piece."""

    def on_client_drained(self) -> None:
        """The answer is written in one piece."""

    def refuse(self, error: GatewayError) -> None:
        self._refuse(error)

    def _answer_metrics(self) -> None:
        try:
            content_type, body = answer_metrics(self._state, self._board, self._figures, self._head, time.time_ns())
        except GatewayError as error:
            self._refuse(error)
            return
        self._answer(200, (("content-type", content_type), ("cache-control", "no-store")), body)

    def _answer(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        answer_whole(self._responder, status, headers, body)
        self._client.finish_exchange()

    def _refuse(self, error: GatewayError) -> None:
        wire = encode_error(self._surface.dialect, error)
        self._answer(wire.status, wire.headers, wire.body)


def explain_unknown(method: str, path: str) -> GatewayError:
    """Return the error for a path that nobody serves, with the likely mistake when there is one."""
    if path.startswith("/v1/v1/"):
        return NotFound(f"no such path: {path}. The SDK adds /v1 itself: take it off the end of its base URL.")
    if path in ("/chat/completions", "/v1/chat/completions", "/embeddings", "/v1/embeddings", "/v1/fim/completions"):
        return MethodNotAllowed(f"{path} is called with POST, not {method}")
    if method == "CONNECT":
        return Forbidden("this is a gateway for model providers, not a forward proxy")
    return NotFound(f"no such path: {method} {path}")


def describe_readiness(state: WorkerState, now_ns: int) -> tuple[bool, bytes]:
    """Return whether calls would pass, and the reasons as JSON."""
    snapshot = state.snapshot
    problems = []
    age = None
    if snapshot is None:
        problems.append("no snapshot yet: the clerk has not published one, or it cannot be read")
    else:
        age = max(0.0, (now_ns - snapshot.body.published_at) / 1e9)
        limit = state.limits.max_snapshot_age
        if limit is not None and age > limit:
            problems.append(f"the snapshot is {age:.0f} s old; max_snapshot_age is {limit:.0f} s")
    if state.draining:
        problems.append("shutting down")
    if state.journal.level is JournalLevel.FULL and state.limits.refuse_when_journal_full:
        problems.append("the journal is full")
    if state.unwritten:
        problems.append("the journal cannot be written")
    body = {
        "status": "unavailable" if problems else "ready",
        "problems": problems,
        "snapshot": {"version": snapshot.version if snapshot is not None else None, "age_seconds": age},
        "journal": {"level": state.journal.level.name.lower()},
    }
    return not problems, msgspec.json.encode(body)

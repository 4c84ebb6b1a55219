"""What the worker answers by itself: health, readiness, metrics, and paths that mean nothing.

Law: these never wait for anything. Health says the loop turns; readiness says calls would pass and be recorded.
"""

import time
from typing import Final

import msgspec

from gantry.board.board import LATENCY_BOUNDS_US, Board, Slot, Word
from gantry.core.errors import Forbidden, GatewayError, MethodNotAllowed, NotFound
from gantry.dialects.errors import encode_error
from gantry.gateway.client import ClientConnection
from gantry.gateway.respond import Responder, answer_whole
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Door, Surface
from gantry.journal.writer import JournalLevel
from gantry.wire.head import RequestHead

_JSON: Final = (("content-type", "application/json"), ("cache-control", "no-store"))
_TEXT: Final = (("content-type", "text/plain; version=0.0.4; charset=utf-8"), ("cache-control", "no-store"))

_COUNTERS: Final = (
    (Word.REQUESTS, "gantry_requests_total", "Requests with a valid key."),
    (Word.STRANGERS, "gantry_strangers_total", "Requests without a valid key."),
    (Word.SUCCEEDED, "gantry_calls_succeeded_total", "Calls answered in full."),
    (Word.REFUSED, "gantry_calls_refused_total", "Calls refused by the gateway for a fault of the caller."),
    (Word.UPSTREAM_FAULTS, "gantry_upstream_faults_total", "Calls that failed at the provider."),
    (Word.CLIENTS_GONE, "gantry_clients_gone_total", "Calls whose client left before the end."),
    (Word.OWN_FAULTS, "gantry_own_faults_total", "Calls that failed by a fault of the gateway."),
    (Word.BYTES_OUT, "gantry_sent_bytes_total", "Bytes written to clients."),
    (Word.CACHE_HITS, "gantry_cache_hits_total", "Calls answered from the response cache."),
    (Word.CACHE_MISSES, "gantry_cache_misses_total", "Calls whose answer was looked for in the cache and not there."),
    (Word.JOURNAL_FRAMES, "gantry_journal_frames_total", "Frames appended to the journal."),
    (Word.BODIES_DROPPED, "gantry_bodies_dropped_total", "Calls whose content the filling journal withheld."),
    (Word.CALLS_UNRECORDED, "gantry_calls_unrecorded_total", "Calls passed unrecorded while the journal was full."),
    (Word.UPSTREAM_CONNECTIONS_OPENED, "gantry_upstream_connections_total", "Connections opened to providers."),
    (Word.RECORDS, "gantry_records_total", "Request logs stored."),
    (Word.RECORDS_REJECTED, "gantry_records_rejected_total", "Frames that could not be read, kept aside."),
    (Word.STORE_FAULTS, "gantry_store_faults_total", "Batches that the store refused and that were tried again."),
    (Word.PUBLISH_FAULTS, "gantry_publish_faults_total", "Snapshots that could not be published."),
    (Word.RESTARTS, "gantry_restarts_total", "Child processes restarted."),
    (Word.ATTEMPTS_FAILED, "gantry_attempts_failed_total", "Attempts that failed, whether or not another answered."),
    (Word.ROTATIONS, "gantry_rotations_total", "Attempts at another deployment of the same choice."),
    (Word.FALLBACKS, "gantry_fallbacks_total", "Attempts at the next model."),
    (Word.RETRIES, "gantry_retries_total", "Attempts at the same again."),
    (Word.HEDGES, "gantry_hedges_total", "Attempts beside one that kept the caller waiting."),
    (Word.HEDGES_WON, "gantry_hedges_won_total", "Hedges whose answer was given."),
    (Word.COOLDOWNS, "gantry_cooldowns_total", "Cooldowns of deployments that began."),
)
_GAUGES: Final = (
    (Word.CONNECTIONS, "gantry_connections", "Open client connections."),
    (Word.IN_FLIGHT, "gantry_calls_in_flight", "Calls under way."),
    (Word.ATTEMPTS, "gantry_attempts_in_flight", "Attempts under way, of calls that had a choice."),
    (Word.UPSTREAM_CONNECTIONS, "gantry_upstream_connections", "Open connections to providers."),
    (Word.TASKS, "gantry_tasks", "Tasks of the workers' event loops."),
    (Word.BYTES_HELD, "gantry_held_bytes", "Bytes of request bodies held in memory."),
    (Word.LAG, "gantry_clerk_lag_frames", "Frames in the journal that are not yet stored."),
)


class OwnAnswer:
    """An exchange that is answered by its head alone."""

    __slots__ = ("_board", "_client", "_head", "_responder", "_state", "_surface")

    def __init__(
        self,
        state: WorkerState,
        board: Board,
        client: ClientConnection,
        head: RequestHead,
        responder: Responder,
        surface: Surface,
    ) -> None:
        self._state = state
        self._board = board
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
            self._answer(200, _TEXT, render_metrics(self._board, self._state.health.cooling()))
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


def render_metrics(board: Board, cooling: int) -> bytes:
    """Return the counters of all processes of this machine in Prometheus' text format (version 0.0.4).

    None is by deployment or model, which callers name: those are in `gantry health list`. `cooling` counts them.
    """
    slots = list(board.slots())
    lines: list[str] = []
    for word, name, text in _COUNTERS:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} counter", f"{name} {sum(slot[word] for slot in slots)}"]
    for word, name, text in _GAUGES:
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {sum(slot[word] for slot in slots)}"]
    lines += [
        "# HELP gantry_deployments_cooling Deployments that are left alone for a while.",
        "# TYPE gantry_deployments_cooling gauge",
        f"gantry_deployments_cooling {cooling}",
    ]
    workers = list(board.workers())
    if workers:
        lines += [
            "# HELP gantry_snapshot_version The oldest configuration version that a worker routes by.",
            "# TYPE gantry_snapshot_version gauge",
            f"gantry_snapshot_version {min(slot[Word.SNAPSHOT_VERSION] for slot in workers)}",
            "# HELP gantry_journal_level 0 normal, 1 bodies dropped, 2 money only, 3 full.",
            "# TYPE gantry_journal_level gauge",
            f"gantry_journal_level {max(slot[Word.JOURNAL_LEVEL] for slot in workers)}",
            "# HELP gantry_journal_bytes Bytes in the journal.",
            "# TYPE gantry_journal_bytes gauge",
            f"gantry_journal_bytes {max(slot[Word.JOURNAL_BYTES] for slot in workers)}",
        ]
    lines += _render_latency(slots)
    return ("\n".join(lines) + "\n").encode()


def _render_latency(slots: list[Slot]) -> list[str]:
    name = "gantry_call_duration_seconds"
    totals = [sum(column) for column in zip(*(slot.latency_buckets() for slot in slots), strict=True)]
    lines = [f"# HELP {name} Duration of calls.", f"# TYPE {name} histogram"]
    count = 0
    for bound, total in zip(LATENCY_BOUNDS_US, totals, strict=False):
        count += total
        lines.append(f'{name}_bucket{{le="{bound / 1e6:g}"}} {count}')
    count = sum(totals)
    total_us = sum(slot[Word.LATENCY_SUM_US] for slot in slots)
    return [*lines, f'{name}_bucket{{le="+Inf"}} {count}', f"{name}_sum {total_us / 1e6:g}", f"{name}_count {count}"]

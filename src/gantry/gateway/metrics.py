"""`/metrics`: what the processes of this machine count, and for whoever shows a key what its organization's calls were.

Law: nothing waits for it: all of it is on the board, or in the file that the clerk leaves. Without a key nothing is
told by model or provider, for those names are their callers' business; with a key that has the scope `read`, those of
its own organization.
"""

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gantry import __version__
from gantry.board.board import CLERK_SLOT, LATENCY_BOUNDS_US, Board, Slot, Word
from gantry.board.model_figures import BOUNDS_NS, TOKENS, ModelFigures, read_figures
from gantry.core.vocabulary import Scope
from gantry.gateway.admit import authenticate
from gantry.gateway.exposition import Exposition, format_asked
from gantry.gateway.state import WorkerState
from gantry.wire.head import RequestHead

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
    (Word.UPSTREAM_CONNECTIONS_OPENED, "gantry_upstream_connections_opened_total", "Connections opened to providers."),
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
    (Word.LOGS_EXPORTED, "gantry_logs_exported_total", "Logs exported as spans."),
    (Word.EXPORTS_DROPPED, "gantry_exports_dropped_total", "Logs whose spans the receiver refused."),
    (Word.EXPORT_FAULTS, "gantry_export_faults_total", "Exports that failed and are tried again."),
    (Word.COOLDOWNS, "gantry_cooldowns_total", "Cooldowns of deployments that began."),
)
_GAUGES: Final = (
    (Word.CONNECTIONS, "gantry_connections", "Open client connections."),
    (Word.IN_FLIGHT, "gantry_calls_in_flight", "Calls under way."),
    (Word.ATTEMPTS, "gantry_attempts_in_flight", "Attempts under way, of calls that had a choice."),
    (Word.UPSTREAM_CONNECTIONS, "gantry_upstream_connections", "Open connections to providers."),
    (Word.TASKS, "gantry_tasks", "Tasks of the workers' event loops."),
    (Word.BYTES_HELD, "gantry_held_bytes", "Bytes of request bodies held in memory."),
    (Word.SHARED_SILENT, "gantry_shared_counters_silent", "Workers whom the shared counters do not answer."),
    (Word.EXPORT_LAG, "gantry_export_lag_logs", "Logs stored and not yet exported."),
    (Word.LAG, "gantry_clerk_lag_frames", "Frames in the journal that are not yet stored."),
)
_LATENCY: Final = "gantry_call_duration_seconds"
_SHOWING_A_KEY: Final = frozenset((b"authorization", b"x-api-key", b"api-key"))


def answer_metrics(
    state: WorkerState, board: Board, figures: Path, head: RequestHead, now_ns: int
) -> tuple[str, bytes]:
    """Return the content type and the body of a scrape. Raises GatewayError for a key that is none."""
    models: Sequence[ModelFigures] = ()
    if not _SHOWING_A_KEY.isdisjoint(head.fields):
        key = authenticate(state, head, now_ns)
        models = read_figures(figures, key.organization_id) if key.allows(Scope.READ) else ()
    content_type = format_asked(head.fields.get(b"accept", b""))
    told = Exposition(content_type)
    _tell_machine(told, board, state.health.cooling(), now_ns)
    if models:
        _tell_models(told, models)
    return content_type, told.render()


def _tell_machine(told: Exposition, board: Board, cooling: int, now_ns: int) -> None:
    told.gauge("gantry_build_info", "What runs.", 1, {"version": __version__, "python": platform.python_version()})
    slots = list(board.slots())
    for word, name, words in _COUNTERS:
        told.counter(name, words, [({}, sum(slot[word] for slot in slots))])
    for word, name, words in _GAUGES:
        told.gauge(name, words, sum(slot[word] for slot in slots))
    told.gauge("gantry_deployments_cooling", "Deployments that are left alone for a while.", cooling)
    workers = list(board.workers())
    told.gauge("gantry_workers", "Gateway workers that run.", len(workers))
    clerk = board.slot(CLERK_SLOT)
    if clerk[Word.PID]:
        silence = _seconds_since(clerk[Word.HEARTBEAT], now_ns)
        told.gauge("gantry_clerk_silence_seconds", "Since the clerk last looked for records.", silence)
    if workers:
        version = min(slot[Word.SNAPSHOT_VERSION] for slot in workers)
        age = _seconds_since(min(slot[Word.SNAPSHOT_PUBLISHED_AT] for slot in workers), now_ns)
        level, size = (max(slot[word] for slot in workers) for word in (Word.JOURNAL_LEVEL, Word.JOURNAL_BYTES))
        told.gauge("gantry_snapshot_version", "The oldest configuration version that a worker routes by.", version)
        told.gauge("gantry_snapshot_age_seconds", "Since the snapshot that a worker routes by was published.", age)
        told.gauge("gantry_journal_level", "0 normal, 1 bodies dropped, 2 money only, 3 full.", level)
        told.gauge("gantry_journal_bytes", "Bytes in the journal.", size)
    _tell_latency(told, slots)


def _tell_latency(told: Exposition, slots: Sequence[Slot]) -> None:
    counts = [sum(column) for column in zip(*(slot.latency_buckets() for slot in slots), strict=True)]
    total = sum(slot[Word.LATENCY_SUM_US] for slot in slots) / 1e6
    bounds = [bound / 1e6 for bound in LATENCY_BOUNDS_US]
    told.histogram(_LATENCY, "Duration of calls.", bounds, [({}, counts, total)] if slots else [])


def _tell_models(told: Exposition, models: Sequence[ModelFigures]) -> None:
    named = [({"provider": one.provider, "model": one.model}, one) for one in models]
    told.counter(
        "gantry_model_calls_total",
        "Calls by how they ended, since the clerk began.",
        [({**of, "outcome": outcome}, count) for of, one in named for outcome, count in one.outcomes.items()],
    )
    told.counter(
        "gantry_model_tokens_total",
        "Tokens; cached ones are among the input, reasoning among the output.",
        [({**of, "type": kind}, count) for of, one in named for kind, count in zip(TOKENS, one.tokens, strict=True)],
    )
    told.counter("gantry_model_cost_usd_total", "Cost in dollars.", [(of, one.cost / 1e9) for of, one in named])
    bounds = [bound / 1e9 for bound in BOUNDS_NS]
    told.histogram(
        "gantry_model_call_duration_seconds",
        "Duration of calls.",
        bounds,
        [(of, one.latency.counts, one.latency.total / 1e9) for of, one in named],
    )
    told.histogram(
        "gantry_model_time_to_first_token_seconds",
        "From a call's beginning to the first byte of its answer.",
        bounds,
        [(of, one.time_to_first_token.counts, one.time_to_first_token.total / 1e9) for of, one in named],
    )


def _seconds_since(moment: int, now_ns: int) -> float:
    return max(0.0, (now_ns - moment) / 1e9) if moment else 0.0

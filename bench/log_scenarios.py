"""A million logs: what questions about them take, what asking does to calls, and how fast they are priced again."""

import json
import time
from typing import Final

from bench import figures as f
from bench.console_questions import await_console
from bench.gantry import start_gantry
from bench.jobs import Job, percentiles
from bench.measure import cpu_ns
from bench.scenarios import checked
from bench.systems import Road
from bench.traffic import Shape
from bench.workshop import Workshop

_QUESTIONS_SECONDS: Final = 1200.0
# By budget in seconds.
_WARM: Final = {"0.1": f.INDEXED_QUESTION, "0.2": f.DASHBOARD_QUESTION, "1.5": f.OTHER_QUESTION}
_COLD: Final = {"0.1": f.INDEXED_COLD, "0.2": f.DASHBOARD_COLD, "1.5": f.OTHER_COLD}
# What disturbs calls: arguments of `bench.rows`.
_DISTURBANCES: Final = {
    f.P99_EXPORT: ("export", "jsonl"),
    f.P99_CSV: ("export", "csv"),
    f.P99_PAGES: ("pages",),
    f.P99_SCAN: ("scan",),
}
_REPRICED: Final = {"all moved": f.REPRICED, "none moved": f.LOOKED_AT}
_ROUNDS: Final = 6
_WINDOW: Final = 4.0  # seconds
_SETTLING: Final = 0.7
_WATCHERS: Final = 4


def calls_among_logs(shop: Workshop, figures: f.Figures, rows: int) -> None:
    """Compare the p99 of calls while a client exports, pages through or scans the logs with the p99 without.

    Short windows with and without take turns, and percentiles are taken over all windows of a kind: what the machine
    does beside this falls on all of them. Between its windows a client is held, and with it what it asked for. Nothing
    is pinned.
    """
    gantry = start_gantry(shop, spread=True)
    target = gantry.roads[Road.RELAY]
    key = target.headers["authorization"].removeprefix("Bearer ")
    job = Job(targets=[target], connections=8, seconds=_WINDOW, shape=Shape(delay=5000), samples=True)
    gantry.wait_for_clerk(60)
    shop.helper("rows", "fill", str(gantry.home), str(rows)).read_line(1200)
    clients = {}
    for metric, (name, *arguments) in _DISTURBANCES.items():
        clients[metric] = shop.helper("rows", name, str(target.port), key, *arguments)
        clients[metric].read_line(120)
        clients[metric].pause()
    latencies: dict[f.Metric, list[int]] = {metric: [] for metric in (f.P99_QUIET, *_DISTURBANCES)}
    for _ in range(_ROUNDS):
        for metric, sample in latencies.items():
            client = clients.get(metric)
            time.sleep(_SETTLING)
            if client is not None:
                client.resume()
            sample += checked(shop.perform(job))[0].latencies
            if client is not None:
                client.pause()
    for metric, sample in latencies.items():
        figures.put(metric, f.GANTRY, percentiles(sample).p99 / 1e6)
    exporting = clients[f.P99_EXPORT]
    exporting.resume()
    exporting.write_line(b"")
    figures.put(f.EXPORTED, f.CONSOLE, int(exporting.read_line(60)) / (_ROUNDS * _WINDOW))
    gantry.stop()


def calls_while_watched(shop: Workshop, figures: f.Figures, _rows: int) -> None:
    """Compare the worker's CPU per call while some watch the tail with the CPU while none does, in turns.

    Events of the tail pass through the worker as well, so what it takes for those counts as if calls took it.
    """
    gantry = start_gantry(shop)
    target = gantry.roads[Road.RELAY]
    key = target.headers["authorization"].removeprefix("Bearer ")
    job = Job(targets=[target], connections=8, seconds=_WINDOW, shape=Shape(delay=5000))
    checked(shop.perform(job))
    await_console(target.port)
    for _ in range(_ROUNDS):
        for metric, watchers in ((f.UNWATCHED, 0), (f.WATCHED, _WATCHERS)):
            watching = [shop.helper("rows", "watch", str(target.port), key) for _ in range(watchers)]
            for watcher in watching:
                watcher.read_line(60)
            before = cpu_ns(gantry.pids())
            calls = checked(shop.perform(job))[0].calls
            figures.put(metric, f.GANTRY, (cpu_ns(gantry.pids()) - before) / 1e3 / calls)
            for watcher in watching:
                shop.children.stop(watcher, grace=0)
    gantry.stop()


def questions_about_logs(shop: Workshop, figures: f.Figures, rows: int) -> None:
    """Time each kind of question: its slowest one, by the median of several times, and once from a cold disk."""
    arguments = ("--home", str(shop.folder / "log_queries"), "--logs", str(rows), "--json")
    for metrics, cold in ((_WARM, ()), (_COLD, ("--cold",))):
        asked = shop.helper("log_queries", *arguments, *cold)
        slowest: dict[str, float] = json.loads(asked.read_line(_QUESTIONS_SECONDS))
        for budget, metric in metrics.items():
            figures.put(metric, f.CONSOLE, slowest[budget] * 1000)
    by_http = shop.helper("console_questions", *arguments)
    medians: dict[str, dict[str, float]] = json.loads(by_http.read_line(_QUESTIONS_SECONDS))
    figures.put(f.BY_HTTP, f.CONSOLE, max(medians["alone"].values()))
    figures.put(f.BY_HTTP_WATCHED, f.CONSOLE, max(medians["watched"].values()))


def prices_again(shop: Workshop, figures: f.Figures, rows: int) -> None:
    """Price all logs again: first where each has moved, then where none has."""
    asked = shop.helper("recompute", "--rows", str(rows), "--json")
    rates: dict[str, float] = json.loads(asked.read_line(_QUESTIONS_SECONDS))
    for what, metric in _REPRICED.items():
        figures.put(metric, f.CLERK, rates[what])

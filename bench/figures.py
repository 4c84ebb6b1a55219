"""The figures of a run, and the budgets of DESIGN §6 they are held against.

Each figure is the best of several short rounds, because the noise of the machine only ever adds. Base units are those
of `Unit`, and bytes for memory.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from msgspec import Struct

NGINX, RESPAN, LITELLM = "nginx", "respan-gateway", "LiteLLM"
GANTRY, ADAPT, TRANSLATE = "gantry", "gantry adapt", "gantry translate"
WITH_CLERK, CLERK = "gantry worker + clerk", "gantry clerk"
SERVE, CONSOLE = "gantry serve, 2 workers", "gantry console"
COPYING = "copying alone"


class Unit(Enum):
    MICROSECONDS = "µs"
    MILLISECONDS = "ms"
    SECONDS = "s"
    MEGABYTES = "MB"
    PER_SECOND = "/s"
    SHARE = "%"
    RATIO = "x"


class Metric(Struct, frozen=True):
    """One column. `more_is_better` turns round what the best of several rounds is."""

    title: str
    unit: Unit
    more_is_better: bool = False


CALL = Metric("CPU per call", Unit.MICROSECONDS)
STEADY = Metric("CPU per call at a steady 1,500/s", Unit.MICROSECONDS)
TLS = Metric("CPU per call, TLS upstream", Unit.MICROSECONDS)
EVENT = Metric("CPU per stream event", Unit.MICROSECONDS)
BODY_10K = Metric("CPU per call, 10 KB body", Unit.MICROSECONDS)
BODY_100K = Metric("CPU per call, 100 KB body", Unit.MICROSECONDS)
BODY_1M = Metric("CPU per call, 1 MB body", Unit.MICROSECONDS)
ADDED_P50 = Metric("added latency p50", Unit.MILLISECONDS)
ADDED_P99 = Metric("added latency p99", Unit.MILLISECONDS)
FIRST_EVENT_P50 = Metric("added time to first event p50", Unit.MILLISECONDS)
FIRST_EVENT_RESTED = Metric("the same after 0.2 s without a call", Unit.MILLISECONDS)
EVENT_DELAY_P50 = Metric("added delay of an event p50", Unit.MILLISECONDS)
MERGED = Metric("events merged with another", Unit.SHARE)
IDLE = Metric("RSS idle", Unit.MEGABYTES)
IDLE_IN_ALL = Metric("memory idle, shared pages once (PSS)", Unit.MEGABYTES)
AFTER_WARM_UP = Metric("RSS after 20,000 calls", Unit.MEGABYTES)
AFTER_CALLS = Metric("RSS after many calls", Unit.MEGABYTES)
OPEN_STREAMS = Metric("RSS with 1,000 open streams", Unit.MEGABYTES)
BOOT_EMPTY = Metric("first call, empty home", Unit.SECONDS)
BOOT_EXISTING = Metric("first call, existing home", Unit.SECONDS)
STORED = Metric("records stored per second", Unit.PER_SECOND, more_is_better=True)
STORED_PER_CPU = Metric("records stored per second of CPU", Unit.PER_SECOND, more_is_better=True)
P99_QUIET = Metric("p99 of calls", Unit.MILLISECONDS)
P99_EXPORT = Metric("p99 of calls during an export as JSON lines", Unit.MILLISECONDS)
P99_CSV = Metric("p99 of calls during an export as CSV", Unit.MILLISECONDS)
P99_PAGES = Metric("p99 of calls while all logs are paged through", Unit.MILLISECONDS)
P99_SCAN = Metric("p99 of calls during scans of all logs", Unit.MILLISECONDS)
EXPORTED = Metric("logs exported per second, while calls are made", Unit.PER_SECOND, more_is_better=True)
INDEXED_QUESTION = Metric("1,000,000 logs: slowest page, indexed filter, search or day", Unit.MILLISECONDS)
DASHBOARD_QUESTION = Metric("1,000,000 logs: slowest dashboard of 30 days", Unit.MILLISECONDS)
OTHER_QUESTION = Metric("1,000,000 logs: slowest other filter", Unit.MILLISECONDS)
BY_HTTP = Metric("1,000,000 logs, by HTTP: slowest of first page, filter, search, 30-day dashboard", Unit.MILLISECONDS)
BY_HTTP_WATCHED = Metric("the same while the tail is watched", Unit.MILLISECONDS)
UNWATCHED = Metric("CPU per call, at 8 connections and 5 ms, nobody watching the tail", Unit.MICROSECONDS)
WATCHED = Metric("the same while four watch it", Unit.MICROSECONDS)
INDEXED_COLD = Metric("from a cold disk: slowest page, indexed filter, search or day", Unit.MILLISECONDS)
DASHBOARD_COLD = Metric("from a cold disk: slowest dashboard of 30 days", Unit.MILLISECONDS)
OTHER_COLD = Metric("from a cold disk: slowest other filter", Unit.MILLISECONDS)
REPRICED = Metric("1,000,000 logs: priced again per second, all moved", Unit.PER_SECOND, more_is_better=True)
LOOKED_AT = Metric("1,000,000 logs: priced again per second, none moved", Unit.PER_SECOND, more_is_better=True)


class Limit(Enum):
    AT_MOST = auto()
    AT_LEAST = auto()


class Figures:
    """What was measured, by metric and system; keeps the best of repeated measurements."""

    def __init__(self) -> None:
        self._values: dict[Metric, dict[str, float]] = {}

    def put(self, metric: Metric, system: str, value: float) -> None:
        row = self._values.setdefault(metric, {})
        best = max if metric.more_is_better else min
        row[system] = best(row[system], value) if system in row else value

    def get(self, metric: Metric, system: str) -> float | None:
        return self._values.get(metric, {}).get(system)

    def metrics(self) -> list[Metric]:
        return list(self._values)

    def systems(self) -> list[str]:
        seen = dict.fromkeys(system for row in self._values.values() for system in row)
        order = (NGINX, GANTRY, ADAPT, TRANSLATE, WITH_CLERK, RESPAN, LITELLM)
        return sorted(seen, key=lambda name: order.index(name) if name in order else len(order))

    def as_json(self) -> Mapping[str, Mapping[str, float]]:
        return {metric.title: row for metric, row in self._values.items()}


class Budget(Struct, frozen=True):
    """A promise: a figure, or its ratio to another one, against a limit."""

    promise: str
    metric: Metric
    system: str
    limit: float
    kind: Limit = Limit.AT_MOST
    over: tuple[Metric, str] | None = None

    def value(self, figures: Figures) -> float | None:
        """Return what was measured in the budget's own unit, None when it was not."""
        figure = figures.get(self.metric, self.system)
        if figure is None or self.over is None:
            return figure
        base = figures.get(*self.over)
        return figure / base if base else None

    @property
    def unit(self) -> Unit:
        return Unit.RATIO if self.over else self.metric.unit

    def holds(self, value: float) -> bool:
        return value <= self.limit if self.kind is Limit.AT_MOST else value >= self.limit


MB = 1e6
BUDGETS: Sequence[Budget] = (
    Budget("relay ≤ 3 x nginx", CALL, GANTRY, 3, over=(CALL, NGINX)),
    Budget("relay ≤ ¼ of respan-gateway", CALL, GANTRY, 0.25, over=(CALL, RESPAN)),
    Budget("relay over TLS ≤ 3 x nginx over TLS", TLS, GANTRY, 3, over=(TLS, NGINX)),
    Budget("adapt ≤ 5 x nginx", CALL, ADAPT, 5, over=(CALL, NGINX)),
    Budget("translate ≤ 9 x nginx", CALL, TRANSLATE, 9, over=(CALL, NGINX)),
    Budget("translated first event p50 ≤ 0.3 ms", FIRST_EVENT_P50, TRANSLATE, 0.3),
    Budget("stream event ≤ 0.6 x respan-gateway", EVENT, GANTRY, 0.6, over=(EVENT, RESPAN)),
    Budget("worker and clerk, until its lag is 0 ≤ ½ of respan-gateway", CALL, WITH_CLERK, 0.5, over=(CALL, RESPAN)),
    Budget("added latency p50 ≤ 0.3 ms", ADDED_P50, GANTRY, 0.3),
    Budget("added latency p99 ≤ 1 ms", ADDED_P99, GANTRY, 1),
    Budget("added time to first event p50 ≤ 0.3 ms", FIRST_EVENT_P50, GANTRY, 0.3),
    Budget("an event is not held back: p50 ≤ 0.3 ms", EVENT_DELAY_P50, GANTRY, 0.3),
    Budget("events are not merged: ≤ 1 %", MERGED, GANTRY, 1),
    Budget("10 KB body ≤ 3 x nginx", BODY_10K, GANTRY, 3, over=(BODY_10K, NGINX)),
    # Not over nginx: it keeps no body, and writing one to the journal is the dearest copy of all.
    Budget("100 KB body ≤ 2.5 x its copying", BODY_100K, GANTRY, 2.5, over=(BODY_100K, COPYING)),
    Budget("1 MB body ≤ 2.5 x its copying", BODY_1M, GANTRY, 2.5, over=(BODY_1M, COPYING)),
    Budget("worker idle ≤ 60 MB", IDLE, GANTRY, 60 * MB),
    Budget("worker after many calls ≤ 60 MB", AFTER_CALLS, GANTRY, 60 * MB),
    Budget("worker flat over many calls: ≤ 1.1 x after 20,000", AFTER_CALLS, GANTRY, 1.1, over=(AFTER_WARM_UP, GANTRY)),
    Budget("worker with 1,000 open streams ≤ 150 MB", OPEN_STREAMS, GANTRY, 150 * MB),
    Budget("serve with 2 workers ≤ 300 MB idle in all", IDLE_IN_ALL, SERVE, 300 * MB),
    Budget("first call on an existing home ≤ 1 s", BOOT_EXISTING, GANTRY, 1),
    Budget("first call on an empty home ≤ 3 s", BOOT_EMPTY, GANTRY, 3),
    Budget("clerk ≥ 10,000 records/s", STORED, CLERK, 10_000, Limit.AT_LEAST),
    Budget("p99 during an export ≤ 1.5 x without", P99_EXPORT, GANTRY, 1.5, over=(P99_QUIET, GANTRY)),
    Budget("p99 during an export as CSV ≤ 1.5 x without", P99_CSV, GANTRY, 1.5, over=(P99_QUIET, GANTRY)),
    Budget("p99 while all logs are paged through ≤ 1.5 x without", P99_PAGES, GANTRY, 1.5, over=(P99_QUIET, GANTRY)),
    Budget("p99 during scans of all logs ≤ 1.5 x without", P99_SCAN, GANTRY, 1.5, over=(P99_QUIET, GANTRY)),
    Budget("1,000,000 logs: page, indexed filter, search, day ≤ 100 ms", INDEXED_QUESTION, CONSOLE, 100),
    Budget("1,000,000 logs: a dashboard of 30 days ≤ 200 ms", DASHBOARD_QUESTION, CONSOLE, 200),
    Budget("1,000,000 logs, by HTTP: page, filter, search, dashboard ≤ 200 ms", BY_HTTP, CONSOLE, 200),
    Budget("1,000,000 logs, by HTTP and watched: the same ≤ 200 ms", BY_HTTP_WATCHED, CONSOLE, 200),
    Budget("calls while four watch the tail ≤ 1.1 x the CPU", WATCHED, GANTRY, 1.1, over=(UNWATCHED, GANTRY)),
    Budget("1,000,000 logs: any other filter ≤ 1.5 s", OTHER_QUESTION, CONSOLE, 1500),
    Budget("1,000,000 logs: priced again ≥ 20,000/s", REPRICED, CLERK, 20_000, Limit.AT_LEAST),
)

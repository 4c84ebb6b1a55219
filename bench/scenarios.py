"""What is measured, one function per scenario. Systems take turns in short rounds, so that noise falls on all alike."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from msgspec import Struct

from bench import figures as f
from bench.children import ChildError
from bench.gantry import Gantry, add_key_and_provider, gantry_environment, roads, serve, start_gantry
from bench.jobs import Job, Target, TargetResult
from bench.measure import cpu_ns, memory, tree
from bench.systems import Road, Running, fresh_folder
from bench.traffic import Shape
from bench.workshop import Workshop

_CONNECTIONS = 32
_STREAMS = Shape(events=50, pace=10_000)
_OPEN_STREAMS = 1000
_SIZES = ((10_000, f.BODY_10K), (100_000, f.BODY_100K), (1_000_000, f.BODY_1M))
_STEADY_DELAY = 20_000  # µs: 32 connections then make some 1,500 calls a second, whatever the system


class Effort(Struct, frozen=True):
    """How long to measure."""

    rounds: int
    seconds: float  # of a round
    turns: int  # calls per target where targets alternate
    memory_calls: int
    backlog: int


class Lane(NamedTuple):
    """A figure's name, the system behind it, the way through it, and the clerk that counts too until all is stored."""

    name: str
    system: Running
    target: Target
    clerk: int | None = None  # its process


def lanes(systems: Sequence[Running], road: Road = Road.RELAY) -> list[Lane]:
    """Return a lane for each system that has the road."""
    return [Lane(s.roads[road].name, s, s.roads[road]) for s in systems if road in s.roads]


def cpu_per_call(
    shop: Workshop, figures: f.Figures, metric: f.Metric, contenders: Sequence[Lane], job: Job, rounds: int
) -> None:
    """Measure the CPU of each contender per call, or per event where the job streams."""
    for number in range(rounds + 1):
        for name, system, target, clerk in contenders:
            pids = system.pids() if clerk is None else [*system.pids(), clerk]
            before = cpu_ns(pids)
            result = checked(shop.perform(_aimed(job, target)))[0]
            if clerk is not None:
                system.finish()
            spent = cpu_ns(pids) - before
            system.finish()
            if number:  # the first round warms up
                figures.put(metric, name, spent / 1e3 / (result.events or result.calls))


def plain_calls(shop: Workshop, figures: f.Figures, systems: Sequence[Running], effort: Effort) -> None:
    contenders = lanes(systems) + lanes(systems, Road.ADAPT) + lanes(systems, Road.TRANSLATE)
    for one in systems:
        if isinstance(one, Gantry):
            contenders.append(Lane(f.WITH_CLERK, one, one.roads[Road.RELAY], one.clerk_pid()))
    job = Job(targets=[], connections=_CONNECTIONS, seconds=effort.seconds)
    cpu_per_call(shop, figures, f.CALL, contenders, job, effort.rounds)


def steady_calls(shop: Workshop, figures: f.Figures, systems: Sequence[Running], effort: Effort) -> None:
    job = Job(targets=[], connections=_CONNECTIONS, seconds=effort.seconds, shape=Shape(delay=_STEADY_DELAY))
    cpu_per_call(shop, figures, f.STEADY, lanes(systems), job, effort.rounds)


def tls_calls(shop: Workshop, figures: f.Figures, systems: Sequence[Running], effort: Effort) -> None:
    job = Job(targets=[], connections=_CONNECTIONS, seconds=effort.seconds)
    cpu_per_call(shop, figures, f.TLS, lanes(systems), job, effort.rounds)


def streams(shop: Workshop, figures: f.Figures, systems: Sequence[Running], effort: Effort) -> None:
    job = Job(targets=[], connections=64, seconds=effort.seconds, shape=_STREAMS, stagger=0.5)
    cpu_per_call(shop, figures, f.EVENT, lanes(systems, Road.STREAM), job, effort.rounds)


def body_sizes(shop: Workshop, figures: f.Figures, systems: Sequence[Running], effort: Effort) -> None:
    for size, metric in _SIZES:
        job = Job(targets=[], connections=8, seconds=effort.seconds, size=size)
        cpu_per_call(shop, figures, metric, lanes(systems), job, effort.rounds)
    copying = shop.helper("copying", *map(str, (min(shop.system_cpus), min(shop.bench_cpus), shop.folder / "copied")))
    for size, metric in _SIZES * effort.rounds:
        copying.write_line(b"%d %d" % (size, effort.seconds))
        figures.put(metric, f.COPYING, int(copying.read_line(effort.seconds + 30)) / 1e3)
    shop.children.stop(copying)


def added_latency(shop: Workshop, figures: f.Figures, systems: Sequence[Running], effort: Effort) -> None:
    """Compare single calls through each system with calls past all of them, taking turns."""
    contenders = lanes(systems) + lanes(systems, Road.ADAPT) + lanes(systems, Road.TRANSLATE)
    targets = [shop.direct(), *(lane.target for lane in contenders)]
    job = Job(targets=targets, calls=effort.turns * len(targets))
    for _ in range(effort.rounds):
        direct, *others = checked(shop.perform(job))
        for result in others:
            figures.put(f.ADDED_P50, result.name, (result.latency.p50 - direct.latency.p50) / 1e6)
            figures.put(f.ADDED_P99, result.name, (result.latency.p99 - direct.latency.p99) / 1e6)


def stream_delays(shop: Workshop, figures: f.Figures, systems: Sequence[Running], effort: Effort) -> None:
    """Compare the first and the following events of single streams with those of streams past all systems.

    Short streams of one system after the other take turns without a pause, as calls do for the added latency: where
    one ends late (respan-gateway's do, by 40 ms, for the last segment waits for an ACK), it would be a rest for the
    next. Between two paced ones each system has a rest of 0.2 s, in which others have its CPU: what a first event takes
    then is told apart.
    """
    streamed = lanes(systems, Road.STREAM) + lanes(systems, Road.TRANSLATE)
    targets = [shop.direct(), *(lane.target for lane in streamed)]
    paced = Job(targets=targets, calls=effort.turns // 20 * len(targets), shape=Shape(events=20, pace=2000))
    for _ in range(min(effort.rounds, 3)):
        for system in systems:
            taking_turns = [shop.direct(), *(lane.target for lane in streamed if lane.system is system)]
            short = Job(targets=taking_turns, calls=effort.turns * len(taking_turns), seconds=5, shape=Shape(events=3))
            _put_first_events(figures, f.FIRST_EVENT_P50, checked(shop.perform(short)))
        results = checked(shop.perform(paced))
        _put_first_events(figures, f.FIRST_EVENT_RESTED, results)
        direct, *others = results
        for result in others:
            if result.event_delay is not None and direct.event_delay is not None:
                figures.put(f.EVENT_DELAY_P50, result.name, (result.event_delay.p50 - direct.event_delay.p50) / 1e6)
            pieces = result.events + result.calls  # each stream has its [DONE] beside its events
            figures.put(f.MERGED, result.name, 100 * max(0, pieces - result.reads) / pieces)


def _put_first_events(figures: f.Figures, metric: f.Metric, results: Sequence[TargetResult]) -> None:
    direct, *others = results
    for result in others:
        if result.first_event is not None and direct.first_event is not None:
            figures.put(metric, result.name, (result.first_event.p50 - direct.first_event.p50) / 1e6)


def memory_over_calls(shop: Workshop, figures: f.Figures, systems: Sequence[Running], effort: Effort) -> None:
    """Measure memory after some calls, and after many."""
    for name, system, target, _ in lanes(systems):
        for metric, calls in ((f.AFTER_WARM_UP, 20_000), (f.AFTER_CALLS, effort.memory_calls)):
            checked(shop.perform(Job(targets=[target], connections=_CONNECTIONS, calls=calls, seconds=120)))
            figures.put(metric, name, memory(system.pids()).rss)


def memory_with_streams(shop: Workshop, figures: f.Figures, systems: Sequence[Running]) -> None:
    """Measure memory while a thousand streams are open."""
    shape = Shape(events=30, pace=200_000)
    for name, system, target, _ in lanes(systems, Road.STREAM):
        shop.begin(Job(targets=[target], connections=_OPEN_STREAMS, calls=_OPEN_STREAMS, shape=shape, stagger=2.0))
        time.sleep(6)
        figures.put(f.OPEN_STREAMS, name, memory(system.pids()).rss)
        checked(shop.results(90))


def idle_memory(figures: f.Figures, systems: Sequence[Running]) -> None:
    for name, system, *_ in lanes(systems):
        figures.put(f.IDLE, name, memory(system.pids()).rss)


def serve_memory(shop: Workshop, figures: f.Figures) -> None:
    """Measure all processes of `gantry serve` with two workers, once they have loaded what they need."""
    gantry = start_gantry(shop, workers=2)
    held, before = memory(tree(gantry.process.pid)), 0
    while held.rss > before * 1.01:  # the console goes on loading after calls are answered
        time.sleep(3)
        held, before = memory(tree(gantry.process.pid)), held.rss
    figures.put(f.IDLE, f.SERVE, held.rss)
    figures.put(f.IDLE_IN_ALL, f.SERVE, held.pss)
    gantry.stop()


def boot(shop: Workshop, figures: f.Figures, rounds: int) -> None:
    """Time from the start of `gantry serve` to the first answered call.

    On an empty home that includes creating the key and the credential with the CLI.
    """
    environment = gantry_environment(shop)
    for _ in range(rounds):
        home = fresh_folder(shop, "boot", tls=False)
        started = time.monotonic()
        process, port = serve(shop, home, environment)
        key = add_key_and_provider(shop, home, environment)
        _first_answer(shop, roads(port, key)[Road.RELAY])
        figures.put(f.BOOT_EMPTY, f.GANTRY, time.monotonic() - started)
        shop.children.stop(process)
        started = time.monotonic()
        process, port = serve(shop, home, environment)
        _first_answer(shop, roads(port, key)[Road.RELAY])
        figures.put(f.BOOT_EXISTING, f.GANTRY, time.monotonic() - started)
        shop.children.stop(process)


def clerk_rate(shop: Workshop, figures: f.Figures, gantry: Gantry, effort: Effort) -> None:
    """Let a backlog grow while the clerk is held, and time how it catches up."""
    gantry.wait_for_clerk(120)
    job = Job(targets=[gantry.roads[Road.RELAY]], connections=_CONNECTIONS, calls=effort.backlog, seconds=60)
    with gantry.paused_clerk() as clerk:
        calls = checked(shop.perform(job))[0].calls
        before = cpu_ns([clerk])
    started = time.monotonic()
    looks = gantry.wait_for_clerk(300)
    spent = (cpu_ns([clerk]) - before) / 1e9
    under_way = [(calls - lag) / (moment - started) for moment, lag in looks if 0 < lag < calls]
    finished = calls / (looks[-1][0] - started)
    figures.put(f.STORED, f.CLERK, max(finished, under_way[-1] if under_way else 0.0))
    figures.put(f.STORED_PER_CPU, f.CLERK, calls / spent)


def checked(results: list[TargetResult]) -> list[TargetResult]:
    """Return results of which every call was right. Raises ChildError saying what was not."""
    for result in results:
        if result.failures or not result.calls:
            raise ChildError(f"{result.name}: {result.failures} of {result.calls} calls failed: {result.first_failure}")
    return results


def _aimed(job: Job, target: Target) -> Job:
    return Job(
        targets=[target],
        connections=job.connections,
        seconds=job.seconds,
        calls=job.calls,
        size=job.size,
        shape=job.shape,
        stagger=job.stagger,
    )


def _first_answer(shop: Workshop, target: Target) -> None:
    deadline = time.monotonic() + 20
    while True:
        result = shop.perform(Job(targets=[target], calls=1))[0]
        if not result.failures:
            return
        if time.monotonic() > deadline:
            raise ChildError(f"{target.name} gave no answer in 20 s: {result.first_failure}")
        time.sleep(0.01)

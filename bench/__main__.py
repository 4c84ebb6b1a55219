"""`scripts/bench`: measure this checkout and its peers in one run, and print the table.

Whatever happens (an error, a signal, the deadline), every process that was started is ended before this one.
"""

import argparse
import datetime
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import msgspec

from bench import log_scenarios, routing_scenarios, scenarios
from bench.children import ChildError, Children
from bench.figures import Figures
from bench.gantry import Gantry, start_gantry
from bench.long_soak import long_soak, write_course
from bench.report import Setting, render, to_json
from bench.scenarios import Effort
from bench.soak import soak
from bench.systems import Running, Unavailable, start_litellm, start_nginx, start_respan
from bench.workshop import ROOT, Workshop, output_of
from compiled.build import CannotCompile, compiled_copy

_QUICK = Effort(rounds=3, seconds=0.8, turns=0, memory_calls=0, backlog=0)
_NORMAL = Effort(rounds=5, seconds=1.0, turns=2000, memory_calls=200_000, backlog=60_000)
_FULL = Effort(rounds=5, seconds=2.0, turns=5000, memory_calls=1_000_000, backlog=200_000)
_DEADLINES = {"quick": 180, "normal": 900, "full": 3600}

_ROWS = 1_000_000
_STREAMS = 1000
_SCENARIOS = {
    "export": log_scenarios.calls_among_logs,
    "questions": log_scenarios.questions_about_logs,
    "watched": log_scenarios.calls_while_watched,
    "recompute": log_scenarios.prices_again,
}
_ROUTING, _SOAK = "routing", "soak"  # they print tables of their own


class Interrupted(Exception):
    """A signal or the deadline ended the run."""


class Session:
    """One run: what was asked for, what was measured, what had to be left out."""

    def __init__(self, options: argparse.Namespace, shop: Workshop) -> None:
        self.shop = shop
        self.effort: Effort = {"quick": _QUICK, "normal": _NORMAL, "full": _FULL}[options.effort]
        self.quick: bool = options.effort == "quick"
        self.full: bool = options.effort == "full"
        self.only: set[str] = set(options.only or ())
        self.with_litellm: bool = "litellm" in options.with_
        self.scenarios: list[str] = options.scenario or list(_SCENARIOS)
        self.alone = options.scenario is not None
        self.rows: int = options.rows
        self.minutes: float = options.minutes
        self.streams: int | None = options.streams
        self.graphs: Path | None = options.graphs
        self.pages: list[str] = []
        self.violations: list[str] = []
        self.load_before = "/".join(f"{load:.1f}" for load in os.getloadavg())
        self.figures = Figures()
        self.versions: dict[str, str] = {}
        self.left_out: list[str] = []

    def measure(self) -> None:
        if self.alone:
            self._among_logs()
            self._of_routing()
            return
        systems = self._start_all(tls=False)
        shop, figures, effort = self.shop, self.figures, self.effort
        if not self.quick:
            self._step("idle memory", lambda: scenarios.idle_memory(figures, systems))
        self._step("calls", lambda: scenarios.plain_calls(shop, figures, systems, effort))
        self._step("streams", lambda: scenarios.streams(shop, figures, systems, effort))
        if not self.quick:
            self._more(systems)
        for system in systems:
            system.stop()
        if not self.quick:
            self._apart()

    def _more(self, systems: Sequence[Running]) -> None:
        gantry = next((system for system in systems if isinstance(system, Gantry)), None)
        shop, figures, effort = self.shop, self.figures, self.effort
        self._step("memory over calls", lambda: scenarios.memory_over_calls(shop, figures, systems, effort))
        self._step("steady calls", lambda: scenarios.steady_calls(shop, figures, systems, effort))
        self._step("added latency", lambda: scenarios.added_latency(shop, figures, systems, effort))
        self._step("stream delays", lambda: scenarios.stream_delays(shop, figures, systems, effort))
        self._step("body sizes", lambda: scenarios.body_sizes(shop, figures, systems, effort))
        if gantry is not None:
            self._step("clerk rate", lambda: scenarios.clerk_rate(shop, figures, gantry, effort))
        self._step("memory with streams", lambda: scenarios.memory_with_streams(shop, figures, systems))

    def _apart(self) -> None:
        """Measure what needs systems of its own."""
        shop, figures, effort = self.shop, self.figures, self.effort
        systems = self._start_all(tls=True)
        self._step("calls over TLS", lambda: scenarios.tls_calls(shop, figures, systems, effort))
        for system in systems:
            system.stop()
        if self.with_litellm:
            self._litellm()
        if "gantry" in self.versions:
            self._step("boot", lambda: scenarios.boot(shop, figures, effort.rounds))
            self._step("serve memory", lambda: scenarios.serve_memory(shop, figures))
            if self.full:
                self._among_logs()

    def _among_logs(self) -> None:
        """Measure with a store of many logs."""
        for name in self.scenarios:
            if name in (_ROUTING, _SOAK):
                continue
            self._step(name, lambda name=name: _SCENARIOS[name](self.shop, self.figures, self.rows))  # type: ignore[misc]

    def _of_routing(self) -> None:
        """Play what shows where calls go, and what is left of them."""
        if _ROUTING in self.scenarios:
            self._step(_ROUTING, lambda: self.pages.extend(routing_scenarios.pages(self.shop)))
        if _SOAK in self.scenarios:
            self._step(_SOAK, self._soak)

    def _soak(self) -> None:
        if self.graphs is None:
            remains = soak(self.shop, self.minutes * 60, self.streams or _STREAMS)
            self.pages.append("\n".join(remains.lines()))
        else:
            remains, course = long_soak(self.shop, self.minutes * 60, self.streams)
            self.pages += ["\n".join(part.lines()) for part in (remains, course)]
            self.violations += course.violations()
            command = " ".join(["scripts/bench", *sys.argv[1:]])
            write_course(course, remains, self.graphs, command, self._where())
            _keep("soak", msgspec.json.encode(course))
        self.violations += remains.violations()

    def _where(self) -> str:
        cpus, day = len(os.sched_getaffinity(0)), datetime.datetime.now(datetime.UTC).date()
        return f"on {day}, on a machine of {cpus} CPUs, {self.shop.build}; load average before: {self.load_before}"

    def _litellm(self) -> None:
        """Measure LiteLLM alone: its own background work would disturb the others on their CPU."""
        shop, figures, effort = self.shop, self.figures, self.effort
        try:
            systems = [start_litellm(shop)]
        except Unavailable as reason:
            self._leave_out(f"LiteLLM: {reason}")
            return
        self.versions["LiteLLM"] = systems[0].version
        few = msgspec.structs.replace(effort, rounds=2, turns=effort.turns // 20)
        self._step("LiteLLM idle memory", lambda: scenarios.idle_memory(figures, systems))
        self._step("LiteLLM calls", lambda: scenarios.plain_calls(shop, figures, systems, few))
        self._step("LiteLLM streams", lambda: scenarios.streams(shop, figures, systems, few))
        self._step("LiteLLM added latency", lambda: scenarios.added_latency(shop, figures, systems, few))
        systems[0].stop()

    def _leave_out(self, reason: str) -> None:
        self.left_out.append(reason)
        _say(reason)

    def _start_all(self, *, tls: bool) -> list[Running]:
        starters: dict[str, Callable[..., Running]] = {
            "nginx": start_nginx,
            "gantry": start_gantry,
            "respan-gateway": start_respan,
        }
        systems = []
        for name, start in starters.items():
            if self.only and name not in self.only:
                continue
            try:
                systems.append(start(self.shop, tls=tls))
                self.versions[name] = systems[-1].version
            except Unavailable as reason:
                self._leave_out(f"{name}{' over TLS' if tls else ''}: {reason}")
        return systems

    def _step(self, name: str, action: Callable[[], None]) -> None:
        """Run a scenario; one that fails is reported and does not take the others with it."""
        started = time.monotonic()
        try:
            action()
            _say(f"{name}: {time.monotonic() - started:.1f} s")
        except ChildError as error:
            self._leave_out(f"{name}: {error}")


def main() -> int:
    options = _parse(sys.argv[1:])
    package = _package(options)
    _arm(_DEADLINES[options.effort] + (round(60 * options.minutes) if _SOAK in (options.scenario or ()) else 0))
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder:
        children = Children(Path(folder))
        try:
            session = Session(options, Workshop(Path(folder), children, pinned=not options.unpinned, package=package))
            session.measure()
        except Interrupted as reason:
            _say(f"stopped: {reason}")
            return 1
        finally:
            _disarm()
            children.stop_all()
    setting = _setting(options, session)
    print("\n\n".join(session.pages) or render(setting, session.figures))
    _keep(setting.date.replace(" ", "-").replace(":", ""), to_json(setting, session.figures))
    for violation in session.violations:
        _say(f"violated: {violation}")
    return 1 if session.violations or (session.alone and session.left_out) else 0


def _package(options: argparse.Namespace) -> Path | None:
    """Return the folder of the compiled package; None where this checkout is measured as it is."""
    if options.plain:
        return None
    try:
        return compiled_copy()
    except CannotCompile as error:
        _say(f"not compiled: {error}")
        return None


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", dest="effort", action="store_const", const="quick", help="CPU ratios only, < 90 s")
    effort.add_argument("--full", dest="effort", action="store_const", const="full", help="a million calls, < 1 h")
    parser.add_argument("--with", dest="with_", action="append", default=[], choices=["litellm"], help="more peers")
    parser.add_argument("--only", action="append", choices=["nginx", "gantry", "respan-gateway"], help="these systems")
    parser.add_argument("--scenario", action="append", choices=[*_SCENARIOS, _ROUTING, _SOAK], help="this part alone")
    parser.add_argument("--rows", type=int, default=_ROWS, help="logs in the store of these parts")
    parser.add_argument("--minutes", type=float, default=10, help="of the soak")
    parser.add_argument(
        "--streams", type=int, help=f"of the soak, at a time ({_STREAMS}; with --graphs: half of capacity)"
    )
    parser.add_argument(
        "--graphs", type=Path, metavar="PAGE", help="soak with a household, and write PAGE.md and PAGE/"
    )
    parser.add_argument("--plain", action="store_true", help="this checkout as it is, its hot path not compiled")
    parser.add_argument("--unpinned", action="store_true", help="let all processes run on all CPUs")
    parser.set_defaults(effort="normal")
    options = parser.parse_args(arguments)
    if options.scenario is not None:
        options.effort = "full"
    return options


def _arm(seconds: int) -> None:
    """Let signals and the deadline end the run in an orderly way, and raise the limit of open files."""
    signal.signal(signal.SIGALRM, lambda number, frame: _interrupt(f"took longer than {seconds} s", frame))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: _interrupt(signal.Signals(number).name, frame))
    signal.alarm(seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _interrupt(reason: str, frame: FrameType | None) -> None:
    raise Interrupted(reason)


def _disarm() -> None:
    signal.alarm(0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _setting(options: argparse.Namespace, session: Session) -> Setting:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "unknown CPU",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return Setting(
        date=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S"),
        commit=output_of("git", "describe", "--always", "--dirty") or "none yet",
        machine=f"{len(os.sched_getaffinity(0))} CPUs ({model}), {memory:.0f} GB",
        layout=session.shop.layout,
        effort=options.effort,
        load_average=session.load_before,
        versions=session.versions,
        left_out=session.left_out,
    )


def _keep(name: str, data: bytes) -> None:
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_bytes(data)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

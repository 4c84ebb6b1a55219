"""How a long soak went: samples over time, what must hold of them, and their graphs.

Law: the first tenth of the time is warming up. What must be flat is compared by medians of the first and the last fifth
of the rest, and the probe's p99 by all of its calls in the first and the last third.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from msgspec import Struct

from bench.graphs import Panel, Points, draw
from bench.household import JOBS, Deed
from bench.ledger import Stored
from bench.measure import cpu_ns, memory
from bench.soak import GROWTH

_WARM: Final = 0.1
_STEADY: Final = 1.5
_STRAY: Final = 4  # descriptors that come and go: a file that is written, a connection that is checked
_MINUTE: Final = 60.0


class Sample(Struct, frozen=True, kw_only=True):
    """One look. Processes by name; `busy` is the share of all CPUs that was used since the last one."""

    at: float  # seconds since the beginning
    rss: Mapping[str, int]
    descriptors: Mapping[str, int]
    cpu: Mapping[str, float]  # seconds since it started
    journal: int  # bytes
    store: int  # bytes of `logs.db` with its write-ahead log
    lag: int  # records that the clerk has not stored
    rows: int  # stored so far, deleted or not
    left: int  # of those, not deleted
    busy: float
    waits: Sequence[float]  # ms, of the probe


class Capacity(Struct, frozen=True):
    """How many streams would take all CPUs of the machine, by what some took."""

    streams: float
    calls: float  # a second, of so many


class Course(Struct, frozen=True, kw_only=True):
    """The whole of it. `open_before` and `open_after` are descriptors while nobody calls; None where it was short."""

    seconds: float
    capacity: Capacity
    streams: int
    samples: Sequence[Sample]
    deeds: Sequence[Deed]
    stored: Stored
    rows: int
    open_before: Mapping[str, int]
    open_after: Mapping[str, int] | None
    probe_calls: int
    probe_failures: Sequence[str]
    restarts: int

    def violations(self) -> Iterator[str]:
        """Yield what does not hold. What takes its time to be flat is asked only of a long one."""
        if self.stored.summed != self.rows:
            yield f"{self.rows} rows were stored, and the sums by day count {self.stored.summed} calls"
        if self.restarts:
            yield f"{self.restarts} processes of the gateway were restarted"
        if self.probe_failures:
            yield f"{len(self.probe_failures)} looks at the probe found failures, the first: {self.probe_failures[0]}"
        for job in JOBS:
            done = [deed for deed in self.deeds if deed.job == job]
            if not done:
                yield f"{job}: not done once"
            yield from (f"{job}, after {deed.at:.0f} s: {deed.problem}" for deed in done if deed.problem)
        if self.stored.rows + self.stored.deleted != self.rows:
            yield f"{self.stored.rows} rows are left and {self.stored.deleted} were deleted of {self.rows}"
        if not self.stored.deleted:
            yield "retention deleted nothing"
        if self.open_after is not None:
            yield from self._drift(self.open_after)

    def _drift(self, open_after: Mapping[str, int]) -> Iterator[str]:
        for name in self.samples[0].rss:
            early, late = self.ends(number_of("rss", name))
            if late > early * GROWTH:
                yield f"{name} grew from {early / 1e6:.1f} to {late / 1e6:.1f} MB"
            early, late = self.ends(number_of("descriptors", name))
            if late > early * GROWTH + _STRAY:
                yield f"{name} had {early:.0f} descriptors open, and {late:.0f} at the end"
            if open_after[name] > self.open_before[name] + _STRAY:
                yield (
                    f"{name} had {self.open_before[name]} descriptors open before the calls, "
                    f"and {open_after[name]} after them"
                )
        first, last = self.probe_thirds()
        if last > first * _STEADY:
            yield f"the probe's p99 went from {first:.1f} to {last:.1f} ms"

    def ends(self, value: Callable[[Sample], float]) -> tuple[float, float]:
        """Return the medians of the first and the last fifth."""
        warm = [sample for sample in self.samples if sample.at >= self.seconds * _WARM] or list(self.samples)
        part = max(len(warm) // 5, 1)
        return median(map(value, warm[:part])), median(map(value, warm[-part:]))

    def probe_thirds(self) -> tuple[float, float]:
        part = max(len(self.samples) // 3, 1)
        first, last = (
            [wait for sample in samples for wait in sample.waits]
            for samples in (self.samples[:part], self.samples[-part:])
        )
        return quantile(first, 0.99), quantile(last, 0.99)

    def lines(self) -> list[str]:
        """Return the table."""
        busy = median(sample.busy for sample in self.samples)
        waits = [wait for sample in self.samples for wait in sample.waits]
        first, last = self.probe_thirds()
        rows = [
            ("capacity of this machine, clients and providers included", self._said_capacity()),
            ("streams at a time", f"{self.streams:,}"),
            ("calls a second, stored", f"{self.rows / self.seconds:.0f} ({busy:.0%} of the CPUs in use, median)"),
            ("calls that the sums by day count", f"{self.stored.summed:,}"),
            ("rows left, and deleted by retention", f"{self.stored.rows:,} and {self.stored.deleted:,}"),
            (
                "probe: calls, p50, p99",
                f"{self.probe_calls:,}, {quantile(waits, 0.5):.1f} ms, {quantile(waits, 0.99):.1f} ms",
            ),
            ("probe: p99 of the first third → of the last", f"{first:.1f} → {last:.1f} ms"),
            ("most records that the clerk was behind", f"{max(sample.lag for sample in self.samples):,}"),
        ]
        for job in JOBS:
            done = [deed for deed in self.deeds if deed.job == job]
            failed = sum(bool(deed.problem) for deed in done)
            told = f"; the last: {done[-1].told}" if done else ""
            rows.append((f"household: {job}", f"{len(done)} times, {failed} failed{told}"))
        for name in self.samples[0].rss:
            early, late = self.ends(number_of("rss", name))
            opened, still = self.ends(number_of("descriptors", name))
            after = "" if self.open_after is None else f"; idle {self.open_before[name]} → {self.open_after[name]}"
            text = f"{early / 1e6:.1f} → {late / 1e6:.1f} MB; {opened:.0f} → {still:.0f} descriptors{after}"
            rows.append((f"{name}, first fifth → last", text))
        return ["| course | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows)]

    def _said_capacity(self) -> str:
        return f"{self.capacity.streams:,.0f} streams at a time, {self.capacity.calls:.0f} calls a second"

    def graphs(self, name: str) -> str:
        """Return the SVG file."""
        processes = list(self.samples[0].rss)
        panels = [
            Panel("Memory by process", "MB", {one: self._line(number_of("rss", one, 1e6)) for one in processes}),
            Panel(
                "Open descriptors by process",
                "count",
                {one: self._line(number_of("descriptors", one)) for one in processes},
            ),
            Panel(
                "CPU by process",
                "% of one CPU",
                {one: self._rates(number_of("cpu", one, 0.01)) for one in processes},
            ),
            Panel("Calls recorded", "calls a second", {"calls": self._rates(lambda s: s.rows)}),
            Panel("A call that no provider delays, to its first token", "ms", self._probe_lines()),
            Panel("Journal", "MB", {"journal": self._line(lambda s: s.journal / 1e6)}),
            Panel("Store of logs", "MB", {"logs.db": self._line(lambda s: s.store / 1e6)}),
            Panel(
                "Logs in the store",
                "thousands",
                {
                    "stored so far": self._line(lambda s: s.rows / 1e3),
                    "not deleted": self._line(lambda s: s.left / 1e3),
                },
            ),
        ]
        return draw(name, panels, {job: [deed.at / _MINUTE for deed in self.deeds if deed.job == job] for job in JOBS})

    def _line(self, value: Callable[[Sample], float]) -> Points:
        return [(sample.at / _MINUTE, value(sample)) for sample in self.samples]

    def _rates(self, value: Callable[[Sample], float]) -> Points:
        """Return what was added each second, over about a minute or three samples."""
        step = max(len(self.samples) // 60, 3)
        chosen = self.samples[::step]
        return [
            (late.at / _MINUTE, (value(late) - value(early)) / (late.at - early.at)) for early, late in pairwise(chosen)
        ]

    def _probe_lines(self) -> dict[str, Points]:
        """Return its quantiles by minute."""
        windows: dict[int, list[float]] = {}
        for sample in self.samples:
            windows.setdefault(int((sample.at - 1) // _MINUTE), []).extend(sample.waits)
        return {
            f"p{share}": [(minute + 1, quantile(waits, share / 100)) for minute, waits in windows.items() if waits]
            for share in (50, 99)
        }


class Watch:
    """Looks at the processes of a gateway and at the files of its home."""

    def __init__(self, home: Path, processes: Mapping[str, int]) -> None:
        self._home, self._processes = home, processes
        self._clock = _machine_clock()

    def descriptors(self) -> dict[str, int]:
        return {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in self._processes.items()}

    def look(self, at: float, *, lag: int, rows: int, left: int, waits: Sequence[float]) -> Sample:
        """Take a sample. Raises FileNotFoundError for a process that has ended."""
        return Sample(
            at=at,
            rss={name: memory([pid]).rss for name, pid in self._processes.items()},
            descriptors=self.descriptors(),
            cpu={name: cpu_ns([pid]) / 1e9 for name, pid in self._processes.items()},
            journal=_bytes_of(self._home / "journal"),
            store=sum(_size_of(self._home / f"logs.db{end}") for end in ("", "-wal")),
            lag=lag,
            rows=rows,
            left=left,
            busy=self.busy(),
            waits=[round(wait, 3) for wait in waits],
        )

    def busy(self) -> float:
        """Return the share of all CPUs that was used since this was asked last."""
        before, self._clock = self._clock, _machine_clock()
        idle, every = (now - then for now, then in zip(self._clock, before, strict=True))
        return 1 - idle / every if every else 0.0


def number_of(field: str, process: str, unit: float = 1) -> Callable[[Sample], float]:
    """Return what reads a number of one process from a sample."""

    def read(sample: Sample) -> float:
        numbers: Mapping[str, float] = getattr(sample, field)
        return numbers[process] / unit

    return read


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else 0.0


def _machine_clock() -> tuple[int, int]:
    numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)


def _bytes_of(folder: Path) -> int:
    """Return what the files of a folder take on the disk: a segment is made in its full length."""
    return sum(_size_of(path, taken=True) for path in folder.rglob("*"))


def _size_of(path: Path, *, taken: bool = False) -> int:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0
    return status.st_blocks * 512 if taken else status.st_size

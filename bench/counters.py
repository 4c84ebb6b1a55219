"""What the board's counters cost: `python -m bench.counters`.

CPU of holding and settling one call, by how many counters it stacks; how long single calls wait while four processes do
nothing else; and a million customers: filling, the file, looking one up, and the memory of a process that has met all.
"""

import argparse
import multiprocessing
import os
import random
import resource
import tempfile
import time
from pathlib import Path

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.core.limits import CounterKind, CounterTerms, CustomerTerms, LimitUnit, counter_key
from gantry.core.periods import Period

CUSTOMERS = 1_000_000
CONTENDERS = 4
_ROOM = 1 << 60
_SLOT = 3


def stack(count: int) -> tuple[CounterTerms, ...]:
    """Return so many counters as calls stack them: a key's budget and tokens, a month's budget, a minute's requests."""
    forms = (
        (CounterKind.WINDOW, LimitUnit.COST, Period.DAY),
        (CounterKind.WINDOW, LimitUnit.TOKENS, Period.HOUR),
        (CounterKind.WINDOW, LimitUnit.COST, Period.MONTH),
        (CounterKind.RATE, LimitUnit.REQUESTS, Period.MINUTE),
    )
    return tuple(
        CounterTerms(counter_key("org", str(number)), kind, unit, 1 << 30 if kind else _ROOM, True, "l", "l", period)
        for number, (kind, unit, period) in enumerate(forms[:count])
    )


def measure_hot(path: Path, count: int, calls: int = 50_000, rounds: int = 7) -> float:
    """Return the best of several rounds, in microseconds of CPU for holding and settling a call."""
    counters, terms = Counters(path, slot=_SLOT), stack(count)
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(calls):
            now = time.time_ns()
            held = counters.hold(terms, 1_200_000, 900, now)
            assert isinstance(held, Held)
            counters.settle(held, 1_000_000, 800, now)
        best = min(best, (time.process_time_ns() - began) / calls / 1000)
    counters.close()
    return best


def measure_waits(path: Path, pause: int, calls: int = 30_000) -> list[float]:
    """Return how long each call took while four processes contend, in microseconds, sorted.

    Between two calls each computes for `pause` microseconds, as a worker does.
    """
    with multiprocessing.get_context("spawn").Pool(CONTENDERS) as pool:
        answers = pool.starmap(contend, [(path, _SLOT + number, pause, calls) for number in range(CONTENDERS)])
    return sorted(wait for waits in answers for wait in waits)


def measure_waits_apart(folder: Path, pause: int) -> list[float]:
    """Return the same of processes with a file each: what is left is the wait for a processor."""
    with multiprocessing.get_context("spawn").Pool(CONTENDERS) as pool:
        paths = [folder / f"apart {number}" for number in range(CONTENDERS)]
        answers = pool.starmap(contend, [(path, _SLOT, pause, 30_000) for path in paths])
    return sorted(wait for waits in answers for wait in waits)


def contend(path: Path, slot: int, pause: int, calls: int) -> list[float]:
    counters, terms = Counters(path, slot=slot), stack(4)
    waits = []
    for _ in range(calls):
        until = time.perf_counter_ns() + pause * 1000
        while time.perf_counter_ns() < until:
            pass
        began = time.perf_counter_ns()
        now = time.time_ns()
        held = counters.hold(terms, 1_200_000, 900, now)
        assert isinstance(held, Held)
        counters.settle(held, 1_000_000, 800, now)
        waits.append((time.perf_counter_ns() - began) / 1000)
    return waits


def measure_customers(path: Path, customers: int) -> str:
    """Fill the file with customers, each with a row of terms and a counter, and return what that took."""
    counters = Counters(path, slot=_SLOT)
    before, began, longest = _resident(), time.process_time(), 0.0
    for number in range(customers):
        step = time.perf_counter()
        counters.put_customer(_key("customer", number), CustomerTerms(period_budget=number))
        now = time.time_ns()
        counters.settle(_held(counters, number, now), 1, 1, now)
        longest = max(longest, time.perf_counter() - step)
    took = time.process_time() - began
    resident = _resident() - before
    chosen = [random.randrange(customers) for _ in range(20_000)]
    began_ns = time.process_time_ns()
    for number in chosen:
        now = time.time_ns()
        counters.settle(_held(counters, number, now), 1, 1, now)
    strange = (time.process_time_ns() - began_ns) / len(chosen) / 1000
    began_ns = time.process_time_ns()
    for number in chosen:
        counters.customer(_key("customer", number))
    looked_up = (time.process_time_ns() - began_ns) / len(chosen) / 1000
    stat = os.stat(path)
    return (
        f"{customers:,} customers: met in {took:.1f} s of CPU ({took / customers * 1e6:.1f} µs each), the longest step "
        f"{longest * 1000:.1f} ms; file {stat.st_blocks * 512 / 1e6:.0f} MB; resident +{resident / 1e6:.0f} MB, pages "
        f"of the file with it; a call of any of them {strange:.1f} µs, its terms {looked_up:.1f} µs"
    )


def _held(counters: Counters, number: int, now: int) -> Held:
    terms = CounterTerms(
        _key("budget", number),
        CounterKind.WINDOW,
        LimitUnit.COST,
        _ROOM,
        True,
        "c",
        "c",
        Period.MONTH,
        86_400_000_000_000,
    )
    held = counters.hold((terms,), 1, 1, now)
    assert isinstance(held, Held)
    return held


def _key(name: str, number: int) -> bytes:
    return counter_key("org", name, f"customer-{number}", "prod")


def _resident() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for count in (1, 2, 4):
            print(f"{count} counters: {measure_hot(Path(folder, 'hot'), count):.2f} µs of CPU to hold and settle")
        for pause in (0, 60):
            print(f"{CONTENDERS} processes, {pause} µs of other work between two calls:")
            for how, waits in (
                ("one file", measure_waits(Path(folder, "contended"), pause)),
                ("a file each", measure_waits_apart(Path(folder), pause)),
            ):
                p50, p99, p999 = (waits[int(len(waits) * share)] for share in (0.5, 0.99, 0.999))
                print(f"  {how}: p50 {p50:.1f} µs, p99 {p99:.1f} µs, p99.9 {p999:.0f} µs")
        print(measure_customers(Path(folder, "customers"), options.customers))


if __name__ == "__main__":
    main()

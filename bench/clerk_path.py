"""The clerk without processes: CPU per record from a journal of typical calls into SQLite.

Frames are what the gateway writes of a chat call of 0.3 KB in and 0.5 KB out. Each round stores the same journal in a
home of its own, with real metering, pricing, compression and fsync, and with all that a clerk does beside: alerts,
figures, what sets the board right. Run it before and after a change: `python -m bench.clerk_path`; `--frames 400` is a
live load of 2,000 calls a second, where batches are small. `--profile` shows where the time goes. `--instructions`
counts instructions a record with valgrind, within some 2 %, whatever else the machine does.
"""

import argparse
import cProfile
import gc
import os
import pstats
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.traffic import ANSWER
from gantry.board.board import CLERK_SLOT, Board
from gantry.board.counters import Counters
from gantry.clerk.alert_book import AlertBook
from gantry.clerk.correct import Corrections
from gantry.clerk.custom_prices import CustomPrices
from gantry.clerk.erase import Forgotten
from gantry.clerk.figures import Tally
from gantry.clerk.process import GARBAGE_THRESHOLD
from gantry.clerk.rated_meter import RatedMeter
from gantry.clerk.record import MAX_FRAMES, Recorder
from gantry.clerk.watch import Watch
from gantry.core.ids import ENTROPY_BITS, format_id
from gantry.home import Home, load_keyring
from gantry.journal.frames import AttemptRecord, CallClosed, CallOpened, FrameKind, encode_payload
from gantry.journal.writer import JournalWriter
from gantry.prices.load import load_rates
from gantry.store.logs import LogStore

_MODEL = "mistral-small-latest"
_STARTED_AT = 1_763_800_000_000_000_000
_MS = 1_000_000
_IN_FLIGHT = 32
_WORDS = (
    "a the gantry road toll vehicle traffic speed of under over passes while every is counted bridge frame night "
    "morning charge ticket camera lane driver country border paper coin number plate time never stops always asks"
).split()


@dataclass
class Round:
    """CPU and wall microseconds per record of one round, and the CPU of its parts."""

    cpu: float
    wall: float
    build: float  # joined frames to request logs
    store: float  # request logs to committed rows
    bytes: float

    def __str__(self) -> str:
        rest = self.cpu - self.build - self.store
        return (
            f"CPU {self.cpu:.1f} µs per record (build {self.build:.1f}, store {self.store:.1f}, rest {rest:.1f}), "
            f"wall {self.wall:.1f}, {self.bytes:.0f} bytes in the database"
        )


class Stopwatch:
    """CPU spent within the calls that it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*args)
            finally:
                self.seconds += time.thread_time() - began

        return timed


def write_journal(folder: Path, calls: int) -> None:
    """Write `calls` calls as one worker with a few of them in flight at once would."""
    chance = random.Random(7)
    writer = JournalWriter(folder)
    ends: list[bytes] = []
    for number in range(calls):
        opened, closed = _frames_of(number, chance)
        writer.append(FrameKind.CALL_OPENED, encode_payload(opened))
        ends.append(encode_payload(closed))
        if len(ends) >= _IN_FLIGHT:
            writer.append(FrameKind.CALL_CLOSED, ends.pop(0))
    for end in ends:
        writer.append(FrameKind.CALL_CLOSED, end)
    writer.close()


def _frames_of(number: int, chance: random.Random) -> tuple[CallOpened, CallClosed]:
    said = " ".join(chance.choices(_WORDS, k=20)).encode()
    request = (
        b'{"model":"%s","temperature":0.3,"max_tokens":256,"messages":[{"role":"system","content":"Be brief."},'
        b'{"role":"user","content":"%s"}]}' % (_MODEL.encode(), said)
    )
    answer = ANSWER.replace(b"A gantry is a bridge-like frame over a road.", said[:60])
    answer = answer.replace(b"6b1f0e2d9c8a4f57b3e1d0c9a8b7f6e5", chance.randbytes(16).hex().encode())
    started_at = _STARTED_AT + number * _MS
    log_id = format_id(started_at // _MS, chance.getrandbits(ENTROPY_BITS))
    opened = CallOpened(
        log_id,
        "0199f0b0c0de7000800000000000000a",
        f"0199f0b0c0de70008000000000000{number % 5:03x}",
        "prod",
        started_at,
        "POST",
        "/v1/chat/completions",
        "mistral",
        "chat",
        _MODEL,
        False,
        "full",
        7,
        "mistral-client-python/1.12.4",
        "application/json",
        b"",
        b"",
        request,
    )
    took = chance.randrange(200 * _MS, 900 * _MS)
    attempt = AttemptRecord(
        "mistral", "0199f0b0c0de70008000000000000c01", "main", _MODEL, "relay", 200, "success", None, None, took, took
    )
    closed = CallClosed(
        log_id,
        started_at + took,
        "success",
        200,
        None,
        [attempt],
        took - 50_000,
        90_000,
        "application/json",
        "",
        chance.randbytes(16).hex(),
        len(request),
        len(answer),
        False,
        answer,
    )
    return opened, closed


class Timed:
    """A builder of batches whose building is timed. Compiled, it lets nobody put something in place of its methods."""

    def __init__(self, builder: Any, watch: Stopwatch) -> None:
        self._builder = builder
        self.take = watch.around(builder.take)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._builder, name)


def run_round(calls: int, frames: int, profiler: cProfile.Profile | None, journal: Path | None = None) -> Round:
    """Store a journal, which is written first where none is given."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        home.prepare()
        if journal is None:
            write_journal(home.journal, calls)
        else:
            shutil.copytree(journal, home.journal, dirs_exist_ok=True)
        store = LogStore(home.logs_db)
        building, storing = Stopwatch(), Stopwatch()
        store.record = storing.around(store.record)  # type: ignore[method-assign]
        recorder = _recorder_of(home, store, frames)
        owner: Any = recorder
        owner._builder = Timed(recorder._builder, building)  # once a batch: this clock is a system call
        wall, cpu = time.perf_counter(), time.process_time()
        if profiler is not None:
            profiler.enable()
        while recorder.run_once():
            pass
        if profiler is not None:
            profiler.disable()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        store.close()
        size = home.logs_db.stat().st_size
    each = 1e6 / calls
    return Round(cpu * each, wall * each, building.seconds * each, storing.seconds * each, size / calls)


def _recorder_of(home: Home, store: LogStore, frames: int) -> Recorder:
    """Return a recorder with what the clerk's process gives it. The board is older than the calls."""
    keyring = load_keyring(home, create=True)
    counters = Counters(home.counters, clock=lambda: _STARTED_AT)
    meter = RatedMeter(load_rates(), CustomPrices(home.control_db))
    meter.call(*_one_call())  # which reads the custom models
    return Recorder(
        home.journal,
        home.rejected,
        store,
        meter,
        Board(home.board).slot(CLERK_SLOT),
        max_frames=frames,
        watcher=Watch(AlertBook(home, keyring, home.control_db), counters, meter.is_priced),
        corrections=Corrections(home.corrected, counters, store, time.time_ns),
        tally=Tally(home.figures),
        forgotten=Forgotten(keyring.pepper),
    )


def _one_call() -> tuple[CallOpened, bytes, bytes, CallClosed]:
    opened, closed = _frames_of(0, random.Random(1))
    return opened, opened.request_body, closed.response_body, closed


def count_instructions(frames: int) -> int:
    """Return the instructions of one record: what more records take more, by callgrind."""
    few, many = 500, 2000

    def collected(calls: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            write_journal(Path(folder), calls)
            one = [sys.executable, "-m", "bench.clerk_path", "--rounds", "1", "--frames", str(frames)]
            argv = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *one, "--journal", folder]
            environment = {**os.environ, "PYTHONHASHSEED": "0"}
            done = subprocess.run(
                [*argv, "--calls", str(calls)], capture_output=True, text=True, check=True, env=environment
            )
        return int(done.stderr.rpartition("Collected : ")[2].split()[0])

    return (collected(many) - collected(few)) // (many - few)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=MAX_FRAMES, help="most frames of one transaction")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--journal", type=Path, help="a journal of so many calls, instead of writing one")
    options = parser.parse_args()
    if options.instructions:
        print(f"{count_instructions(options.frames):,} instructions per record")
        return
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    profiler = cProfile.Profile() if options.profile else None
    rounds = [
        run_round(options.calls, options.frames, profiler, options.journal)
        for _ in range(1 if profiler else options.rounds)
    ]
    print(min(rounds, key=lambda one: one.cpu))
    if profiler is not None:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()

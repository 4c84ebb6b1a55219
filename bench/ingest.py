"""How fast logs are stored: `python -m bench.ingest --database URL --rows 100000 --writers 2`.

The logs are those of `bench.log_queries`, as ten thousand a second would begin: batches of them are stored by the
clerk's own way into the store, without the journal before it. Each writer is a process, as a clerk is. On a machine
that is shared, rows a second are a figure of its neighbours; so the CPU that a row took stands beside it, here and in
the server where that runs on this machine too.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct, structs
from sqlalchemy import text

from bench.log_queries import Corpus
from gantry.core.ids import format_id
from gantry.core.request_log import RequestLog
from gantry.store.logs import LogStore, RecordBatch

BATCH = 4000
_A_SECOND = 10_000
_MICRO = 1e6


class Stored(Struct, frozen=True):
    """What one writer did."""

    rows: int
    began: float  # of the machine's monotonic clock
    ended: float
    here: float  # seconds of CPU
    there: float | None  # in the server's process for this writer


def batches_of(count: int, writer: int) -> list[RecordBatch]:
    corpus, now = Corpus(max(count, 1_000_000)), time.time_ns()

    def dense(number: int) -> RequestLog:
        log, at = corpus.log(number), now + number * (1_000_000_000 // _A_SECOND)
        log_id = format_id(at // 1_000_000, writer << 40 | number)
        return structs.replace(log, log_id=log_id, started_at=at, ended_at=at + (log.latency or 0))

    starts = range(0, count + BATCH, BATCH)
    return [RecordBatch(logs=[dense(number) for number in range(start, start + BATCH)]) for start in starts]


def store(database: str, count: int, writer: int) -> Stored:
    """Store the logs of one writer, once a line on standard input says that all are there."""
    batches = batches_of(count, writer)
    logs = LogStore(database)
    logs.record(batches.pop(0))  # makes the day
    there = cpu_of_server(logs)
    print("ready", flush=True)
    sys.stdin.readline()
    began, here, before = time.monotonic(), time.process_time(), there()
    rows = sum(len(logs.record(batch)) for batch in batches)
    after, here, ended = there(), time.process_time() - here, time.monotonic()
    logs.close()
    return Stored(rows, began, ended, here, None if before is None or after is None else after - before)


def cpu_of_server(logs: LogStore) -> Callable[[], float | None]:
    """Return a clock of the CPU that the server's process for this store has used, if it is to be seen from here."""
    with logs.reading() as connection:
        pid = connection.scalar(text("SELECT pg_backend_pid()"))
    place = Path(f"/proc/{pid}/schedstat")
    return lambda: int(place.read_text().split()[0]) / 1e9 if place.exists() else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True, help="postgresql://…, that may be filled")
    parser.add_argument("--rows", type=int, default=100_000, help="of each writer")
    parser.add_argument("--writers", type=int, default=1)
    parser.add_argument("--writer", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.writer is not None:
        print(msgspec.json.encode(store(asked.database, asked.rows, asked.writer)).decode(), flush=True)
        return 0
    command = (sys.executable, "-m", "bench.ingest", "--database", asked.database, "--rows", str(asked.rows))
    writers = [
        subprocess.Popen((*command, "--writer", str(number)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(asked.writers)
    ]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:  # all begin before any is waited for
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    found = [msgspec.json.decode(writer.communicate()[0], type=Stored) for writer in writers]
    rows = sum(one.rows for one in found)
    took = max(one.ended for one in found) - min(one.began for one in found)
    here, there = (sum(part or 0.0 for part in parts) / rows * _MICRO for parts in zip(*cpu(found), strict=True))
    print(f"{rows:,} rows, {asked.writers} writers: {rows / took:,.0f} rows/s in {took:.1f} s")
    print(f"CPU of a row: {here:.0f} µs here, {there:.0f} µs in the server")
    return 0


def cpu(found: list[Stored]) -> list[tuple[float, float | None]]:
    return [(one.here, one.there) for one in found]


if __name__ == "__main__":
    sys.exit(main())

"""Pricing history again: logs a second, of a million rows on SQLite, or on the database at `--database`.

Rows are copies of one metered call, as `bench.rows` makes them. All prices have moved: first as a dry run, then
written, then once more, when nothing is left to write: `python -m bench.recompute --rows 1000000`.
"""

import argparse
import tempfile
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from bench.clerk_path import write_journal
from bench.rows import copies_of
from gantry.board.board import CLERK_SLOT, Board
from gantry.clerk.rated_meter import RatedMeter
from gantry.clerk.recompute import Recompute
from gantry.clerk.record import Recorder
from gantry.core.custom_model import CustomModel
from gantry.core.request_log import RequestLog
from gantry.prices.load import load_rates
from gantry.prices.rates import Rates
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.repricing import PricedQuery

_BATCH = 2000
_ORGANIZATION = "0199f0b0c0de7000800000000000000a"
_DAY = 86_400 * 1_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--database", help="postgresql://…, an empty one")
    parser.add_argument("--json", action="store_true", help="only logs a second, by what moved")
    asked = parser.parse_args()
    rates = load_rates()
    with tempfile.TemporaryDirectory() as folder:
        store = LogStore(asked.database or Path(folder) / "logs.db")
        log = _metered(Path(folder), store, rates)
        for start in range(0, asked.rows, _BATCH):
            store.record(RecordBatch(logs=copies_of(log, start, min(start + _BATCH, asked.rows), asked.rows, _DAY)))
        dearer = CustomModel(
            organization_id=_ORGANIZATION, name=log.requested_model or "", input_price=10**9, output_price=10**9
        )
        measured: dict[str, Measured] = {}
        for what, dry_run in (
            ("all moved, a dry run", True),
            ("all moved", False),
            ("none moved", False),
        ):
            measured[what] = _measure(store, rates, dearer, dry_run=dry_run)
            if not asked.json:
                print(f"{what:24} {measured[what]}", flush=True)
        store.close()
    if asked.json:
        print(msgspec.json.encode({what: one.rate for what, one in measured.items()}).decode(), flush=True)


def _metered(folder: Path, store: LogStore, rates: Rates) -> RequestLog:
    """Store one call as the clerk does, and return its log."""
    journal, rejected = folder / "journal", folder / "rejected"
    journal.mkdir()
    rejected.mkdir()
    write_journal(journal, 1)
    Recorder(journal, rejected, store, RatedMeter(rates), Board(folder / "board").slot(CLERK_SLOT)).run_once()
    logs, _ = store.tail(_ORGANIZATION, limit=1)
    return msgspec.structs.replace(logs[0], log_id="first")


class Measured(Struct, frozen=True):
    rate: float  # logs a second
    cpu: float  # seconds a log
    changed: int

    def __str__(self) -> str:
        return f"{self.rate:8,.0f} logs/s, CPU {self.cpu * 1e6:.1f} µs a log, {self.changed:,} changed"


def _measure(store: LogStore, rates: Rates, custom: CustomModel, *, dry_run: bool) -> Measured:
    query = PricedQuery(organization_id=_ORGANIZATION, since=0, until=2**62)
    job = Recompute(store, query, rates, lambda _organization, _name: custom, dry_run=dry_run)
    began, cpu = time.perf_counter(), time.process_time()
    while job.step():
        pass
    took, busy = time.perf_counter() - began, time.process_time() - cpu
    total = job.drift.total()
    return Measured(total.logs / took, busy / total.logs, total.changed)


if __name__ == "__main__":
    main()

"""A board that was lost, filled from the store: a million customers with budgets, and what they spent on some days.

`python -m bench.refill --customers 1000000` says how long it takes, and how much memory the clerk needs for it beyond
the board's file, which is mapped.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from gantry.board.counters import Counters
from gantry.clerk.refill import fill_board
from gantry.core.credits import DAY
from gantry.store.logs import LogStore

_DAYS = 3  # on which each was there
_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
_CUSTOMERS = """
    INSERT INTO customers (organization_id, environment, customer_identifier, first_seen, last_seen, active_days,
    requests, errors, input_tokens, output_tokens, total_tokens, cost, customer_cost, latency_sum, latency_count,
    time_to_first_token_sum, time_to_first_token_count, period_budget, budget_duration, total_budget, updated_at)
    SELECT 'o', 'prod', printf('customer_%07d', i), :now, :now, :days, 30, 0, 9, 9, 18, 3000, 3000, 1, 1, 1, 1,
    5000000, 'month', 90000000, :now FROM n
"""
_CUSTOMER_DAYS = """
    INSERT INTO customer_days (organization_id, day, environment, customer_identifier, requests, errors, input_tokens,
    output_tokens, total_tokens, cost, customer_cost, unpriced, latency_sum, latency_count)
    SELECT 'o', :day, 'prod', printf('customer_%07d', i), 10, 0, 3, 3, 6, 1000, 1000, 0, 1, 1 FROM n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = LogStore(Path(folder) / "logs.db")
        now = time.time_ns()
        with store.writing() as connection:
            values = {"last": asked.customers - 1, "now": now, "days": _DAYS}
            connection.execute(text(_NUMBERS + _CUSTOMERS), values)
            for day in range(_DAYS):
                connection.execute(text(_NUMBERS + _CUSTOMER_DAYS), values | {"day": now // DAY - day})
        counters = Counters(Path(folder) / "counters", clock=lambda: now)
        before, mapped = _resident(), _size_of(Path(folder) / "counters")
        began, cpu = time.perf_counter(), time.process_time()
        with store.reading() as connection:
            fill_board(counters, connection, {}, {}, time.time_ns)
        took, busy = time.perf_counter() - began, time.process_time() - cpu
        mapped = _size_of(Path(folder) / "counters") - mapped
        grown = _resident() - before
        print(
            f"{asked.customers:,} customers in {took:.1f} s, CPU {busy:.1f} s; the board's file grew by "
            f"{mapped / 1e6:.0f} MB, the process by {grown / 1e6:.0f} MB with it"
        )
        store.close()


def _size_of(path: Path) -> int:
    return path.stat().st_size


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()

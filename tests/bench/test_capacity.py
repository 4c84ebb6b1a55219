"""The model of how many machines it takes: it adds and multiplies, and leaves half of each CPU free."""

import pytest
from msgspec.structs import replace

from bench.capacity import Costs, Demand, plan

COSTS = Costs(
    worker_call=100,
    worker_event=20,
    clerk_record=80,
    clerk_event=5,
    database_record=60,
    database_event=1,
    stored_bytes=4000,
    worker_idle=4000,
    clerk_idle=8000,
    database_idle=2000,
)
DEMAND = Demand(calls=1000, streamed=0.5, events=100, days=30, mean=0.25, nodes=2)


def test_costs_add_up() -> None:
    found = plan(DEMAND, COSTS)
    assert found.workers == pytest.approx(1000 * 100e-6 + 50_000 * 20e-6 + 2 * 0.004)
    assert found.clerks == pytest.approx(1000 * 80e-6 + 50_000 * 5e-6 + 2 * 0.008)
    assert found.database == pytest.approx(1000 * 60e-6 + 50_000 * 1e-6 + 2 * 0.002)
    assert found.stored == pytest.approx(250 * 30 * 86_400 * 4000)


def test_half_of_each_cpu_is_left() -> None:
    words = plan(DEMAND, COSTS).lines(cpus=2)
    assert "workers use 1.11 CPUs, clerks 0.35" in words[0]
    assert "2.9 CPUs of gateways: 2 machines of 2 CPUs" in words[1]
    assert "2,592 GB of logs" in words[2]


def test_one_machine_is_the_least() -> None:
    assert "1 machine of 8 CPUs" in plan(replace(DEMAND, calls=1.0), COSTS).lines(cpus=8)[1]

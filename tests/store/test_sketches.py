"""Quantiles by hour and by day are those of the values, whatever batches they came in, on both engines."""

import random

import pytest
from sqlalchemy import select

from gantry.core.log_figures import tokens_per_second
from gantry.core.sketch import ACCURACY, quantile
from gantry.store.database import Address, open_database
from gantry.store.log_tables import day_sketches, hour_sketches
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.sketches import merged
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import HOUR, ORGANIZATION, make_log

__all__ = ["address"]


def test_stored_sketches_tell_the_quantiles_of_all_logs(logs: LogStore, address: Address) -> None:
    chance = random.Random(3)
    some = [
        make_log(
            str(number),
            key_id=chance.choice(("one", "two", None)),
            model=chance.choice(("a", "b\0")),  # which PostgreSQL refuses
            status_code=chance.choice((200, 201)),
            started_at=chance.randrange(50 * HOUR),
            latency=chance.choice((None, chance.randrange(1, 10**10))),
            time_to_first_token=chance.choice((None, 10**8)),
        )
        for number in range(600)
    ]
    for start in range(0, 600, 150):
        logs.record(RecordBatch(logs=some[start : start + 150]))
    logs.record(RecordBatch(logs=some[:20]))  # which are there

    latencies = sorted(log.latency for log in some if log.latency is not None)
    assert not any(map(tokens_per_second, some))
    database = open_database(address)
    with database.reading() as connection:
        for table in (hour_sketches, day_sketches):
            rows = connection.execute(select(table).where(table.c.organization_id == ORGANIZATION)).all()
            sketch = merged(row.latency for row in rows)
            assert sum(sketch.values()) == len(latencies)
            for part in (0, 0.5, 0.9, 0.99, 1):
                exact = latencies[int(part * (len(latencies) - 1))]
                assert quantile(sketch, part) == pytest.approx(exact, rel=ACCURACY)
            firsts = sum(log.time_to_first_token is not None for log in some)
            assert sum(merged(row.time_to_first_token for row in rows).values()) == firsts
            assert all(row.speed is None for row in rows)
    database.close()

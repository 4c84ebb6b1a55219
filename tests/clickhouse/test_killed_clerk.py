"""A clerk killed between the two stores, and elsewhere: no log is missing, and none is there or counted twice."""

import signal
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from gantry.journal.reader import list_incarnations
from gantry.store.log_query import LogQuery
from gantry.store.log_tables import request_logs
from tests.clerk.samples import ORGANIZATION, log_id_of
from tests.clerk.test_killed_clerk import CALLS, fill_journal, run_clerk
from tests.clerk.test_record import House

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("point", "occurrence"),
    [
        ("INTO log_ids", 2),
        ("INTO journal_checkpoints", 2),
        ("sending", 1),
        ("sent", 1),
        ("sent", 3),
        ("COMMIT", 3),
        ("advance", 1),
    ],
)
def test_a_clerk_killed_anywhere_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path, logs_url: str, point: str, occurrence: int
) -> None:
    house = House(tmp_path, logs_url)
    fill_journal(house)

    assert run_clerk(tmp_path, point, occurrence, logs_url) == -signal.SIGKILL
    assert run_clerk(tmp_path, point, occurrence + 1, logs_url) in (-signal.SIGKILL, 0)
    house.record()

    page = house.store.page(LogQuery(organization_id=ORGANIZATION, page_size=1000))
    assert Counter(log.log_id for log in page.logs) == Counter(log_id_of(number) for number in range(2 * CALLS))
    assert page.count == 2 * CALLS
    assert house.requests_in_rollups() == house.count("log_ids") == 2 * CALLS
    assert len({number for number, _ in numbered(house)}) == 2 * CALLS, "no number is given out twice"
    for number in (1, 10, 119, 130, 239):
        log = house.find(number)
        assert (log.full_response or b"").startswith(b"first second "), number
        assert (log.outcome == "gateway_crashed") == (number % 10 == 0)
    assert list_incarnations(house.journal) == []
    for table in ("open_calls", "open_parts", "journal_checkpoints", "request_logs"):
        assert house.count(table) == 0, table
    house.store.close()


def numbered(house: House) -> list[tuple[int, str]]:
    with house.store.reading() as connection:
        return [(one.seq, one.log_id) for one in connection.execute(select(request_logs.c.seq, request_logs.c.log_id))]

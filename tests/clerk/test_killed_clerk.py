"""A clerk killed with SIGKILL at any point, again and again: its successors store everything, and nothing twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from gantry.board.counters import Counters
from gantry.board.held import Held
from gantry.core.limits import CounterKind, CounterTerms, LimitUnit, counter_key
from gantry.journal.frames import Frame, HoldNote
from gantry.journal.reader import list_incarnations
from tests.clerk.samples import ORGANIZATION, STARTED_AT, append, closed, log_id_of, open_journal, opened, part, posted
from tests.clerk.test_record import NOW, House
from tests.clickhouse.homes import needs_logs_in_sql
from tests.postgresql import needs_postgresql, needs_sqlite

ROOT = Path(__file__).resolve().parents[2]
CALLS = 120
FRAMES_OF_A_CALL = 4


def fill_journal(house: House) -> None:
    """Write, as two workers that are gone since: calls that overlap, posted logs, and one in ten left open."""
    for worker in range(2):
        writer = open_journal(house.journal, segment_bytes=16 << 10)
        numbers = range(worker * CALLS, (worker + 1) * CALLS)
        frames: list[list[Frame]] = [
            [opened(n), part(n, b"first "), part(n, b"second "), closed(n)] if n % 3 else [posted(n)] for n in numbers
        ]
        for step in range(CALLS + FRAMES_OF_A_CALL):
            for late in range(FRAMES_OF_A_CALL):
                index = step - late
                if 0 <= index < CALLS and late < len(frames[index]) and (late < 3 or numbers[index] % 10):
                    append(writer, [frames[index][late]])
        writer.close()


def run_clerk(home: Path, point: str, occurrence: int, *logs_url: str) -> int:
    command = [sys.executable, "-m", "tests.clerk.killed_clerk", str(home), point, str(occurrence), *logs_url]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "occurrence"),
    [
        pytest.param("BEGIN IMMEDIATE", 2, marks=needs_sqlite),
        ("INTO open_calls", 3),
        pytest.param("INTO request_logs", 1, marks=(needs_sqlite, needs_logs_in_sql)),
        pytest.param("INTO request_logs", 30, marks=(needs_sqlite, needs_logs_in_sql)),
        pytest.param("INTO request_log_bodies", 2, marks=(needs_sqlite, needs_logs_in_sql)),
        pytest.param("COPY request_logs", 1, marks=(needs_postgresql, needs_logs_in_sql)),
        pytest.param("COPY request_logs", 3, marks=(needs_postgresql, needs_logs_in_sql)),
        pytest.param("COPY request_log_bodies", 2, marks=(needs_postgresql, needs_logs_in_sql)),
        ("INTO minute_sums", 1),
        ("INTO hour_sums", 2),
        ("INTO day_sketches", 1),
        ("INTO journal_checkpoints", 1),
        ("INTO journal_checkpoints", 2),
        ("COMMIT", 2),
        ("advance", 1),
        ("advanced", 2),
        ("removed", 1),
        ("FROM journal_checkpoints WHERE", 1),
    ],
)
def test_a_clerk_killed_anywhere_loses_nothing_and_counts_nothing_twice(
    tmp_path: Path, point: str, occurrence: int
) -> None:
    house = House(tmp_path)
    fill_journal(house)

    assert run_clerk(tmp_path, point, occurrence) == -signal.SIGKILL
    assert run_clerk(tmp_path, point, occurrence + 1) in (-signal.SIGKILL, 0)
    house.record()

    ids = sorted(str(log_id) for (log_id,) in house.query("SELECT log_id FROM request_logs"))
    assert ids == [log_id_of(number) for number in range(2 * CALLS)]
    assert house.requests_in_rollups() == 2 * CALLS
    for number in (1, 10, 119, 130, 239):
        crashed = number % 10 == 0
        log = house.find(number)
        assert (log.full_response or b"").startswith(b"first second "), number
        assert (log.outcome == "gateway_crashed") == crashed
    assert list_incarnations(house.journal) == []
    for table in ("open_calls", "open_parts", "journal_checkpoints"):
        assert house.count(table) == 0, table
    house.store.close()


BUDGETS = [
    CounterTerms(counter_key(ORGANIZATION, name), CounterKind.WINDOW, LimitUnit.COST, 10**12, True, name, name)
    for name in ("one", "two")
]
SETTLED, COST = 400, 1000  # the worker's guess, and what `PlainMeter` says


def fill_with_holds(house: House, counters: Counters) -> None:
    """Write calls that were held and settled on two budgets, and count them there."""
    writer = open_journal(house.journal)
    for number in range(CALLS):
        at = STARTED_AT + number * 1_000_000
        held = counters.hold(BUDGETS, 5000, 0, at)
        assert isinstance(held, Held)
        opening = replace(opened(number), hold=HoldNote(5000, 0, list(held.counted)))
        counted = counters.settle(held, SETTLED, 0, at).counted
        append(writer, [opening, replace(closed(number), settled=HoldNote(SETTLED, 0, list(counted)))])
    writer.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "occurrence", "repeated"),
    [
        ("INTO board_differences", 2, 0),
        ("COMMIT", 2, 0),
        ("FROM board_differences", 3, 0),
        ("correct", 1, 0),
        ("correct", 33, 0),
        ("corrected", 1, 1),
        ("corrected", 50, 1),
        ("advance", 2, 0),
    ],
)
def test_a_clerk_killed_while_it_sets_the_board_right_repeats_one_difference_at_most(
    tmp_path: Path, point: str, occurrence: int, repeated: int
) -> None:
    """Pain 7: what is settled is settled once. Between a step on the board and its note, that step is done again."""
    made = Counters(tmp_path / "counters", clock=lambda: STARTED_AT - 1)
    made.mark_filled()
    house = House(tmp_path)
    fill_with_holds(house, made)
    assert [made.read(term, NOW) for term in BUDGETS] == [CALLS * SETTLED] * 2

    assert run_clerk(tmp_path, point, occurrence) == -signal.SIGKILL
    assert run_clerk(tmp_path, "never", 1) == 0

    assert house.count("request_logs") == CALLS
    assert house.count("board_differences") <= 1, "what is applied goes with the next batch that notes some"
    right = CALLS * COST
    counted = [made.read(term, NOW) for term in BUDGETS]
    assert sum(counted) - 2 * right == repeated * (COST - SETTLED)
    house.store.close()

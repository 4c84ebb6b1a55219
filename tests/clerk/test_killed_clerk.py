"""A clerk killed with SIGKILL at any point, again and again: its successors store everything, and nothing twice."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gantry.journal.frames import Frame
from gantry.journal.reader import list_incarnations
from tests.clerk.samples import append, closed, log_id_of, open_journal, opened, part, posted
from tests.clerk.test_record import House

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


def run_clerk(home: Path, point: str, occurrence: int) -> int:
    command = [sys.executable, "-m", "tests.clerk.killed_clerk", str(home), point, str(occurrence)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "occurrence"),
    [
        ("BEGIN IMMEDIATE", 2),
        ("INTO open_calls", 3),
        ("INTO request_logs", 1),
        ("INTO request_logs", 30),
        ("INTO request_log_bodies", 2),
        ("INTO rollups", 2),
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

"""The board: what one process writes, another one reads."""

import subprocess
import sys
from pathlib import Path

from gantry.board.board import FIRST_WORKER_SLOT, LATENCY_BOUNDS_US, Board, State, Word

OTHER_PROCESS = """
import sys
from pathlib import Path
from gantry.board.board import Board, Word
slot = Board(Path(sys.argv[1])).slot(3)
slot.claim(4242, 1)
slot.add(Word.REQUESTS, 5)
"""


def test_another_process_sees_what_was_written(tmp_path: Path) -> None:
    board = Board(tmp_path / "board")
    assert list(board.workers()) == []
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, str(tmp_path / "board")], check=True)
    (worker,) = board.workers()
    assert worker[Word.PID] == 4242
    assert worker[Word.REQUESTS] == 5
    assert worker[Word.STATE] == State.STARTING


def test_counters_outlive_their_process_and_states_do_not(tmp_path: Path) -> None:
    slot = Board(tmp_path / "board").slot(FIRST_WORKER_SLOT)
    slot.claim(1, 1)
    slot.add(Word.REQUESTS)
    slot.add(Word.IN_FLIGHT)
    slot[Word.SNAPSHOT_VERSION] = 9
    slot.release()
    slot.claim(2, 2)
    assert slot[Word.REQUESTS] == 1
    assert slot[Word.IN_FLIGHT] == 0
    assert slot[Word.SNAPSHOT_VERSION] == 0


def test_a_file_of_another_format_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "board").write_bytes(b"x" * 10)
    board = Board(tmp_path / "board")
    assert list(board.slots()) == []
    board.slot(3).claim(1, 1)
    assert list(Board(tmp_path / "board", reset=True).slots()) == []


def test_latency_falls_into_its_bucket(tmp_path: Path) -> None:
    slot = Board(tmp_path / "board").slot(3)
    slot.claim(1, 1)
    for microseconds in (0, LATENCY_BOUNDS_US[0], LATENCY_BOUNDS_US[0] + 1, LATENCY_BOUNDS_US[-1] + 1):
        slot.open_call()
        slot.close_call(Word.SUCCEEDED, microseconds)
    buckets = slot.latency_buckets()
    assert buckets[:2] == [2, 1]
    assert buckets[-1] == 1
    assert sum(buckets) == 4


def test_every_block_is_reserved_so_that_a_full_disk_kills_nobody(tmp_path: Path) -> None:
    Board(tmp_path / "board")
    made = (tmp_path / "board").stat()
    assert made.st_blocks * 512 >= made.st_size

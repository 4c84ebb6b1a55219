"""Reading ahead: the end of a file, bounded, and no longer than somebody may use it."""

import threading
from pathlib import Path

import pytest

from gantry.store import warming

PIECE = 16 << 20


class Never:
    """Counts the pauses and takes none."""

    def __init__(self) -> None:
        self.pauses = 0

    def wait(self, timeout: float) -> bool:
        self.pauses += 1
        return False


def make_file(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_whole_file_piece_by_piece(tmp_path: Path) -> None:
    never = Never()
    assert warming.read_ahead(make_file(tmp_path / "logs.db", 2 * PIECE + 1), never) == 2 * PIECE + 1
    assert never.pauses == 3


def test_the_end_of_a_large_file_and_nothing_of_a_missing_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "MOST_BYTES", PIECE)
    assert warming.read_ahead(make_file(tmp_path / "logs.db", 5 * PIECE), Never()) == PIECE
    assert warming.read_ahead(tmp_path / "nowhere", Never()) == 0


def test_it_stops_when_it_is_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert warming.read_ahead(make_file(tmp_path / "logs.db", 3 * PIECE), stop) == PIECE

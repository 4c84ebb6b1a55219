"""The memory of turns: shared, sealed, bounded, and nobody else's."""

import os
from pathlib import Path

import pytest

from gantry.board.turns import MAX_VALUE, TurnMemory
from gantry.core.sealing import Sealer

KEY = b"k" * 32


def memory(folder: Path, limit: int = 1 << 20, key: bytes = KEY) -> TurnMemory:
    return TurnMemory(folder / "turns", Sealer(key, nonce=lambda: os.urandom(12)), key, limit)


def test_another_worker_recalls_what_one_kept(tmp_path: Path) -> None:
    assert memory(tmp_path).keep("org", "call_1", b"signed")
    assert memory(tmp_path).recall("org", "call_1") == b"signed"
    assert memory(tmp_path).keep("org", "call_1", b"signed again")
    assert memory(tmp_path).recall("org", "call_1") == b"signed again"


def test_another_organization_another_name_and_another_home_recall_nothing(tmp_path: Path) -> None:
    memory(tmp_path).keep("org", "call_1", b"signed")
    assert memory(tmp_path).recall("other", "call_1") is None
    assert memory(tmp_path).recall("org", "call_2") is None
    assert memory(tmp_path, key=b"x" * 32).recall("org", "call_1") is None


def test_the_folder_tells_nothing(tmp_path: Path) -> None:
    memory(tmp_path).keep("organization", "call_1", b"a secret thought")
    (path,) = (tmp_path / "turns").iterdir()
    assert b"thought" not in path.read_bytes()
    assert "call_1" not in path.name
    assert path.stat().st_mode & 0o077 == 0


def test_a_value_moved_to_another_name_does_not_open(tmp_path: Path) -> None:
    turns = memory(tmp_path)
    turns.keep("org", "a", b"of a")
    turns.keep("org", "b", b"of b")
    first, second = (tmp_path / "turns").iterdir()
    first.write_bytes(second.read_bytes())
    assert {turns.recall("org", "a"), turns.recall("org", "b")} in ({None, b"of a"}, {None, b"of b"})


def test_what_is_too_large_is_not_kept(tmp_path: Path) -> None:
    assert not memory(tmp_path).keep("org", "a", bytes(MAX_VALUE + 1))
    assert memory(tmp_path).recall("org", "a") is None


def test_a_sweep_deletes_the_oldest_beyond_the_bound(tmp_path: Path) -> None:
    turns = memory(tmp_path, limit=10_000)
    for number in range(20):
        turns.keep("org", str(number), bytes(1000))
        (changed,) = [path for path in (tmp_path / "turns").iterdir() if path.stat().st_mtime > 1_000_000]
        os.utime(changed, (number, number))
    assert turns.sweep(now=100.0) == 11
    assert [number for number in range(20) if turns.recall("org", str(number)) is not None] == list(range(11, 20))


def test_a_sweep_deletes_what_is_a_month_old(tmp_path: Path) -> None:
    turns = memory(tmp_path)
    turns.keep("org", "a", b"x")
    (path,) = (tmp_path / "turns").iterdir()
    assert turns.sweep(now=path.stat().st_mtime + 29 * 86_400) == 0
    assert turns.sweep(now=path.stat().st_mtime + 31 * 86_400) == 1
    assert turns.recall("org", "a") is None


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    turns = memory(tmp_path)
    turns.keep("org", "a", b"x")
    assert turns.forget("org", "a")
    assert not turns.forget("org", "a")
    assert turns.recall("org", "a") is None


@pytest.mark.parametrize("length", [0, 1, 4, 5, 15, 16, 17, 31])
def test_a_file_that_was_cut_off_is_forgotten(tmp_path: Path, length: int) -> None:
    turns = memory(tmp_path)
    turns.keep("org", "a", b"x")
    (path,) = (tmp_path / "turns").iterdir()
    path.write_bytes(path.read_bytes()[:length])
    assert turns.recall("org", "a") is None


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_memory(tmp_path: Path) -> None:
    (tmp_path / "turns").write_text("in the way")
    turns = memory(tmp_path)
    assert not turns.keep("org", "a", b"x")
    assert turns.recall("org", "a") is None
    with pytest.raises(NotADirectoryError):
        turns.sweep()

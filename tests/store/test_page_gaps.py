"""Gaps of SQLite's pages: nothing that was deleted stays in them, and nothing that is there is touched."""

import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from gantry.store.page_gaps import FIRST_PAGE, blank_gaps, gaps_in

WORD = b"canaryword9d1c"
ROWS = 1200


def open_file(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    for pragma in ("page_size = 4096", "journal_mode = WAL", "secure_delete = ON", "wal_autocheckpoint = 50"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def fill(connection: sqlite3.Connection, chance: random.Random) -> None:
    """Make rows of all lengths in any order, every third of which says the word, in a cell or in pages of its own."""
    connection.execute("CREATE TABLE said (seq INTEGER PRIMARY KEY, who TEXT, content BLOB)")
    connection.execute("CREATE INDEX said_by ON said (who)")
    numbers = list(range(ROWS))
    chance.shuffle(numbers)
    for number in numbers:
        text = WORD if number % 3 == 0 else b"good morning"
        length = chance.choice((1, 5, 20, 60, 700))
        who = f"{text.decode()} {chance.random()}"
        connection.execute("INSERT INTO said VALUES (?, ?, ?)", (number, who, text * length))


def blank_all(path: Path, pages: int = 7) -> int:
    """Blank slice after slice, and say how many."""
    page, slices = FIRST_PAGE, 0
    while True:
        following = blank_gaps(path, page, pages)
        slices += 1
        if following is None:
            return slices
        page = following


def is_said(path: Path) -> bool:
    return WORD in path.read_bytes()


def test_what_was_moved_and_then_deleted_is_gone(tmp_path: Path) -> None:
    left_something = [_delete_and_blank(tmp_path / f"{seed}.db", random.Random(seed)) for seed in range(8)]
    assert any(left_something), "SQLite leaves nothing in gaps: this module is needless"


def _delete_and_blank(path: Path, chance: random.Random) -> bool:
    """Say whether the word was in the file when no row said it, and see that it is not after that."""
    with closing(open_file(path)) as connection:
        fill(connection, chance)
        connection.execute("DELETE FROM said WHERE seq % 3 = 0")
        left = connection.execute("SELECT * FROM said ORDER BY seq").fetchall()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        was_said = is_said(path)
        assert blank_all(path) > 10
        assert not is_said(path)
        # Through the connection that had its own picture of the pages, and through one that has none.
        connection.execute("UPDATE said SET content = content || 'x'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert not is_said(path)
        assert connection.execute("SELECT seq, who FROM said ORDER BY seq").fetchall() == [row[:2] for row in left]
    with closing(open_file(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        contents = connection.execute("SELECT CAST(content AS BLOB) FROM said ORDER BY seq").fetchall()
        assert contents == [(row[2] + b"x",) for row in left]
    return was_said


def test_the_first_slice_again_while_somebody_reads_or_writes(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    with closing(open_file(path)) as connection, closing(open_file(path)) as other:
        fill(connection, random.Random(1))
        other.execute("BEGIN")
        other.execute("SELECT * FROM said").fetchone()
        connection.execute("DELETE FROM said WHERE seq = 1")
        assert blank_gaps(path, FIRST_PAGE) == FIRST_PAGE
        other.execute("COMMIT")
        other.execute("BEGIN IMMEDIATE")
        assert blank_gaps(path, FIRST_PAGE) == FIRST_PAGE
        other.execute("COMMIT")
        assert blank_gaps(path, FIRST_PAGE) is None


def test_beside_a_writer_and_a_reader_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    with closing(open_file(path)) as connection:
        fill(connection, random.Random(2))
        connection.execute("DELETE FROM said WHERE seq % 3 = 0")
    written: list[int] = []
    faults: list[object] = []
    over = threading.Event()

    def write() -> None:
        with closing(open_file(path)) as writer:
            while not over.is_set():
                number = ROWS + len(written)
                writer.execute("INSERT INTO said VALUES (?, ?, ?)", (number, f"{number % 97}", b"new" * (number % 900)))
                written.append(number)

    def read() -> None:
        with closing(open_file(path)) as reader:
            while not over.is_set():
                found = reader.execute("PRAGMA quick_check").fetchall()
                faults.extend([] if found == [("ok",)] else found)

    threads = [threading.Thread(target=work) for work in (write, read)]
    for thread in threads:
        thread.start()
    page: int | None = FIRST_PAGE
    rounds = 0
    while rounds < 3 or len(written) < 200:
        page = blank_gaps(path, page or FIRST_PAGE, 50)
        rounds += page is None
    over.set()
    for thread in threads:
        thread.join()
    with closing(open_file(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        of_writer = "SELECT seq, content FROM said WHERE seq >= ? ORDER BY seq"
        assert connection.execute(of_writer, (ROWS,)).fetchall() == [(n, b"new" * (n % 900)) for n in written]
    assert (faults, is_said(path)) == ([], False)


def test_a_file_whose_pages_are_moved_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = FULL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE said (content)")
        assert blank_gaps(path, FIRST_PAGE) is None


def test_of_a_page_only_what_the_format_gives_no_meaning_to() -> None:
    # A leaf of two cells from 80 on, and free blocks at 90 and 95 of 4 and 5 bytes.
    leaf = bytearray(100)
    leaf[:12] = bytes((13, 0, 90, 0, 2, 0, 80, 0, 0, 80, 0, 99))
    leaf[90:94] = bytes((0, 95, 0, 4))
    leaf[95:99] = bytes((0, 0, 0, 5))
    assert list(gaps_in(bytes(leaf), 100)) == [(12, 80), (94, 94), (99, 100)]
    for kind in (0, 1, 3, 4, 6, 255):
        assert list(gaps_in(bytes((kind,)) + bytes(leaf[1:]), 100)) == []
    assert list(gaps_in(bytes(leaf), 70)) == [], "cells beyond the end: it is no page of a tree"


def test_a_free_block_shorter_than_its_own_head_is_none() -> None:
    for length in (0, 1, 2, 3):
        leaf = bytearray(b"x" * 100)
        leaf[:8] = bytes((13, 0, 90, 0, 0, 0, 80, 0))
        leaf[90:94] = bytes((0, 95, 0, length))
        assert list(gaps_in(bytes(leaf), 100)) == [(8, 80)], length

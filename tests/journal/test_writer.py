"""The writer: what is on the disk after each step, and what a full disk leaves behind."""

import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gantry.journal.frames import FrameKind
from gantry.journal.reader import START, JournalReader, is_alive, list_incarnations
from gantry.journal.segments import HEAD_BYTES, segment_name
from gantry.journal.writer import JournalFull, JournalLevel, JournalWriter, allocated_bytes, level_of

KIND = FrameKind.PART_CAPTURED
ROOMY = 1 << 50

WriterOf = Callable[..., JournalWriter]


@pytest.fixture
def open_writer(tmp_path: Path) -> Iterator[WriterOf]:
    writers: list[JournalWriter] = []

    def build(**options: int) -> JournalWriter:
        # The thread's turn never comes on its own: each test says when to sync and to measure.
        writer = JournalWriter(tmp_path, sync_interval=3600, free=lambda _: ROOMY, **options)
        writers.append(writer)
        return writer

    yield build
    for writer in writers:
        writer.close()


def payloads(root: Path, incarnation: str) -> list[bytes]:
    reader, found = JournalReader(root, incarnation, START), []
    while True:
        reading = reader.read(1000, 1 << 30)
        found += [frame.payload for frame in reading.frames]
        if reading.position == reader.position:
            return found
        reader.position = reading.position


def segments(root: Path, writer: JournalWriter) -> list[str]:
    return sorted(name for name in os.listdir(root / writer.incarnation) if name.endswith(".seg"))


def test_what_is_appended_is_read_in_order(tmp_path: Path, open_writer: WriterOf) -> None:
    writer = open_writer()
    for number in range(100):
        writer.append(KIND, b"%d" % number)

    assert payloads(tmp_path, writer.incarnation) == [b"%d" % number for number in range(100)]


def test_large_frames_and_small_ones_are_read_alike(tmp_path: Path, open_writer: WriterOf) -> None:
    writer = open_writer()
    large = [bytes([size % 251]) * size for size in (1, 65_519, 65_520, 65_521, 1 << 20, 2)]
    for payload in large:
        writer.append(KIND, payload)

    assert payloads(tmp_path, writer.incarnation) == large


def test_incarnations_are_fresh_sortable_and_locked_for_life(tmp_path: Path, open_writer: WriterOf) -> None:
    first, second = open_writer(), open_writer()

    assert list_incarnations(tmp_path) == sorted({first.incarnation, second.incarnation})
    assert first.incarnation[:8] <= second.incarnation[:8]
    assert is_alive(tmp_path / first.incarnation)
    first.close()
    assert not is_alive(tmp_path / first.incarnation)
    assert is_alive(tmp_path / second.incarnation)


def test_a_segment_is_preallocated_and_sealed_to_its_length_on_close(tmp_path: Path, open_writer: WriterOf) -> None:
    writer = open_writer(segment_bytes=1 << 20)
    writer.append(KIND, b"x" * 100)
    path = tmp_path / writer.incarnation / segment_name(1)

    assert path.stat().st_size == 1 << 20
    writer.close()
    assert path.stat().st_size == HEAD_BYTES + 100
    assert sorted(os.listdir(path.parent)) == [segment_name(1), "lock"]


def test_a_full_segment_is_followed_by_the_one_made_ahead_or_by_a_growing_one(
    tmp_path: Path, open_writer: WriterOf
) -> None:
    writer = open_writer(segment_bytes=4096)
    sent = [bytes([number]) * 1500 for number in range(9)]
    for payload in sent:
        writer.append(KIND, payload)

    assert segments(tmp_path, writer) == [segment_name(number) for number in range(1, 6)]
    assert payloads(tmp_path, writer.incarnation) == sent
    writer.sync()
    assert payloads(tmp_path, writer.incarnation) == sent


def test_a_payload_bigger_than_a_segment_gets_one_of_its_own(tmp_path: Path, open_writer: WriterOf) -> None:
    writer = open_writer(segment_bytes=4096)
    sent = [b"small", b"b" * 1_000_000, b"after", b"c" * 300_000, b"last"]
    for payload in sent:
        writer.append(KIND, payload)

    assert payloads(tmp_path, writer.incarnation) == sent
    assert segments(tmp_path, writer) == [segment_name(number) for number in range(1, 6)]


@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
def test_a_payload_in_pieces_is_read_as_one(tmp_path: Path, open_writer: WriterOf, size: int) -> None:
    writer = open_writer()
    writer.append(KIND, b"before")
    writer.append(KIND, b"head", b"b" * size, b"", b"tail")
    writer.append(KIND, b"after")

    assert payloads(tmp_path, writer.incarnation) == [b"before", b"head" + b"b" * size + b"tail", b"after"]


@pytest.mark.plain
def test_the_sync_thread_rests_until_something_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = threading.Semaphore(0)
    monkeypatch.setattr("gantry.journal.writer._datasync", lambda fd: synced.release())
    writer = JournalWriter(tmp_path, sync_interval=0.001, free=lambda _: ROOMY)
    try:
        for number in range(3):
            assert synced.acquire(timeout=30), f"what was appended {number} times is not on the disk"
            writer.append(KIND, b"a call")
        assert synced.acquire(timeout=30)
        assert not synced.acquire(timeout=0.05), "it syncs what is on the disk already"
    finally:
        writer.close()


def test_closing_twice_is_closing_once(open_writer: WriterOf, tmp_path: Path) -> None:
    writer = open_writer()
    writer.append(FrameKind.CALL_OPENED, b"kept")
    writer.close()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.seg")}
    writer.close()
    assert before
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.seg")} == before


@pytest.mark.parametrize(
    ("used", "level"),
    [
        (0, JournalLevel.NORMAL),
        (699, JournalLevel.NORMAL),
        (700, JournalLevel.NO_BODIES),
        (899, JournalLevel.NO_BODIES),
        (900, JournalLevel.MONEY_ONLY),
        (999, JournalLevel.MONEY_ONLY),
        (1000, JournalLevel.FULL),
        (5000, JournalLevel.FULL),
    ],
)
def test_the_ladder(used: int, level: JournalLevel) -> None:
    assert level_of(used, 1000) is level


def test_the_level_counts_all_journals_under_the_root_and_falls_when_they_are_deleted(
    tmp_path: Path, open_writer: WriterOf
) -> None:
    other = tmp_path / "older"
    other.mkdir()
    budget = 1 << 20
    writer = open_writer(budget=budget)
    seen = [writer.level]
    for share in (70, 90, 100):
        missing = budget * share // 100 - allocated_bytes(tmp_path)
        (other / segment_name(share)).write_bytes(bytes(missing + 4096))
        writer.refresh_level()
        seen.append(writer.level)
    for path in other.iterdir():
        path.unlink()
    writer.refresh_level()
    seen.append(writer.level)

    assert seen == [
        JournalLevel.NORMAL,
        JournalLevel.NO_BODIES,
        JournalLevel.MONEY_ONLY,
        JournalLevel.FULL,
        JournalLevel.NORMAL,
    ]


def test_a_disk_with_less_room_than_the_budget_is_the_budget(tmp_path: Path) -> None:
    free = [1 << 30]
    writer = JournalWriter(tmp_path, sync_interval=3600, segment_bytes=1 << 20, free=lambda _: free[0])
    seen = [writer.level]
    for left in (writer.used // 5, 0):
        free[0] = left
        writer.refresh_level()
        seen.append(writer.level)
    writer.append(KIND, b"the end of a call that was admitted still goes in")
    writer.close()

    assert seen == [JournalLevel.NORMAL, JournalLevel.NO_BODIES, JournalLevel.FULL]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond `size`: a write across it is cut short, and one beyond it fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_a_write_cut_short_leaves_nothing_and_a_later_one_works(
    tmp_path: Path, open_writer: WriterOf, size: int
) -> None:
    writer = open_writer(segment_bytes=4096)
    writer.append(KIND, b"before")
    with largest_file(8192):
        with pytest.raises(JournalFull, match=rf"only 8192 of {size + HEAD_BYTES} bytes fit.*Free some disk space"):
            writer.append(KIND, b"c" * size)
        assert writer.level is JournalLevel.FULL
        with pytest.raises(JournalFull):
            writer.append(KIND, b"d" * size)
        writer.append(KIND, b"small enough")
    writer.append(KIND, b"c" * size)
    writer.append(KIND, b"after")

    assert payloads(tmp_path, writer.incarnation) == [b"before", b"small enough", b"c" * size, b"after"]


def test_a_write_that_fails_whole_leaves_nothing(tmp_path: Path, open_writer: WriterOf) -> None:
    writer = open_writer(segment_bytes=4096)
    writer.append(KIND, b"before")
    with largest_file(0), pytest.raises(JournalFull, match="File too large"):
        writer.append(KIND, b"lost")
    writer.append(KIND, b"after")

    assert payloads(tmp_path, writer.incarnation) == [b"before", b"after"]


_FILLING = """
import sys
from pathlib import Path
from gantry.journal.frames import FrameKind
from gantry.journal.reader import JournalReader
from gantry.journal.writer import JournalFull, JournalLevel, JournalWriter
root = Path(sys.argv[1])
writer = JournalWriter(root, segment_bytes=64 << 10, sync_interval=0.002)
sent, seen = [], {writer.level}
try:
    while True:
        payload = b"%d " % len(sent) + b"x" * 1000
        writer.append(FrameKind.PART_CAPTURED, payload)
        sent.append(payload)
        writer.refresh_level()
        seen.add(writer.level)
except JournalFull as error:
    assert "Free some disk space" in str(error), error
assert seen == set(JournalLevel), seen
reader = JournalReader(root, writer.incarnation)
reading = reader.read(len(sent) // 2, 1 << 30)
reader.advance(reading)
found = [frame.payload for frame in reading.frames]
writer.append(FrameKind.PART_CAPTURED, b"there is room again")
writer.close()
found += [frame.payload for frame in reader.read(10_000, 1 << 30).frames]
assert found == [*sent, b"there is room again"]
print(len(sent), "frames")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a file system of its own")
def test_a_full_disk_climbs_the_ladder_and_loses_nothing(tmp_path: Path) -> None:
    script = tmp_path / "filling.py"
    script.write_text(_FILLING)
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = 'mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" "$3" "$1"'
    command = ["unshare", "--mount", "sh", "-c", mounted, "sh", str(disk), sys.executable, str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 1000


_APPENDING = """
import os, sys
from pathlib import Path
from gantry.journal.frames import FrameKind
from gantry.journal.writer import JournalWriter
writer = JournalWriter(Path(sys.argv[1]), segment_bytes=64 << 10)
number = 0
while True:
    writer.append(FrameKind.PART_CAPTURED, b"%d " % number + b"x" * (number % 3000))
    os.write(1, b"%d\\n" % number)
    number += 1
"""


@pytest.mark.slow
@pytest.mark.parametrize("lines", [1, 500, 5000])
def test_kill_9_loses_nothing_that_was_appended(tmp_path: Path, lines: int) -> None:
    with subprocess.Popen([sys.executable, "-c", _APPENDING, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
        acknowledged = lines + process.stdout.read().count(b"\n")
    (incarnation,) = list_incarnations(tmp_path)

    assert not is_alive(tmp_path / incarnation)
    found = [int(payload.split()[0]) for payload in payloads(tmp_path, incarnation)]
    assert found == list(range(len(found)))
    assert acknowledged <= len(found) <= acknowledged + 1

"""The reader: of a live writer, of one that is gone, of damage, and in small steps."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gantry.journal.frames import FrameKind
from gantry.journal.reader import START, JournalReader, Position, Reading, is_alive, list_incarnations
from gantry.journal.segments import HEAD_BYTES, encode_frame, mark_of, segment_name
from gantry.journal.writer import JournalWriter

KIND = FrameKind.CALL_CLOSED
INCARNATION = "0" * 32
ALL = (1_000_000, 1 << 30)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "journal").mkdir()
    return tmp_path / "journal"


@pytest.fixture
def writer(root: Path) -> Iterator[JournalWriter]:
    writer = JournalWriter(root, segment_bytes=1 << 20, sync_interval=3600, free=lambda _: 1 << 50)
    yield writer
    writer.close()


def crash_image(root: Path, tmp_path: Path) -> Path:
    """Return a copy of the journals as they would be found if their writers were gone now."""
    image = tmp_path / "image"
    shutil.copytree(root, image)
    return image


def read(reading: Reading) -> list[bytes]:
    return [frame.payload for frame in reading.frames]


def reader_of(root: Path, position: Position = START) -> JournalReader:
    (incarnation,) = list_incarnations(root)
    return JournalReader(root, incarnation, position)


def hand_made(root: Path, *contents: bytes) -> Path:
    """Make a journal of segments with these contents, its worker gone."""
    folder = root / INCARNATION
    folder.mkdir()
    for number, content in enumerate(contents, start=1):
        (folder / segment_name(number)).write_bytes(content)
    return folder


def frame(payload: bytes, segment: int = 1) -> bytes:
    return encode_frame(KIND, payload, mark_of(INCARNATION, segment))


def test_a_live_journal_is_read_up_to_where_it_is_written(root: Path, writer: JournalWriter) -> None:
    reader = reader_of(root)
    assert reader.read(*ALL) == Reading([], START, 0)

    writer.append(KIND, b"one")
    first = reader.read(*ALL)
    assert read(first) == [b"one"]
    assert first.position == Position(1, HEAD_BYTES + 3)
    assert not first.finished
    assert reader.read(*ALL) == first, "reading changes nothing"

    reader.advance(first)
    writer.append(KIND, b"two")
    assert read(reader.read(*ALL)) == [b"two"]


def test_a_frame_being_written_is_not_there_yet(root: Path, writer: JournalWriter) -> None:
    writer.append(KIND, b"whole")
    (incarnation,) = list_incarnations(root)
    path = root / incarnation / segment_name(1)
    start = HEAD_BYTES + len(b"whole")
    coming = encode_frame(KIND, b"coming" * 50, mark_of(incarnation, 1))
    for length in range(0, len(coming), 7):
        with path.open("r+b") as file:
            file.seek(start)
            file.write(coming[:length])
        reading = reader_of(root).read(*ALL)

        assert (read(reading), reading.position, reading.skipped) == ([b"whole"], Position(1, start), 0)

    with path.open("r+b") as file:
        file.seek(start)
        file.write(coming)
    assert read(reader_of(root).read(*ALL)) == [b"whole", b"coming" * 50]


def test_of_a_live_journal_a_damaged_frame_is_given_up_once_a_later_one_is_whole(
    root: Path, writer: JournalWriter
) -> None:
    for payload in (b"one", b"two", b"three"):
        writer.append(KIND, payload)
    (incarnation,) = list_incarnations(root)
    with (root / incarnation / segment_name(1)).open("r+b") as file:
        file.seek(HEAD_BYTES + 3 + HEAD_BYTES)
        file.write(b"?")

    reading = reader_of(root).read(*ALL)

    assert read(reading) == [b"one", b"three"]
    assert reading.skipped == HEAD_BYTES + 3


@pytest.mark.parametrize("zeros", [0, 500])
def test_a_tail_torn_at_any_byte_is_skipped_when_the_writer_is_gone(tmp_path: Path, zeros: int) -> None:
    last = frame(b"the last, torn")
    for cut in range(len(last)):
        root = tmp_path / str(cut)
        root.mkdir()
        hand_made(root, frame(b"first") + last[:cut] + bytes(zeros))

        reading = reader_of(root).read(*ALL)

        assert read(reading) == [b"first"], cut
        assert reading.finished
        assert reading.skipped == len(last[:cut].rstrip(b"\0"))
        again = reader_of(root, reading.position).read(*ALL)
        assert (again.frames, again.finished, again.skipped) == ([], True, 0)


def test_damage_in_the_middle_costs_what_it_hit(root: Path) -> None:
    middle = bytearray(frame(b"two") + frame(b"three"))
    middle[HEAD_BYTES] ^= 0xFF
    hand_made(
        root,
        frame(b"one") + bytes(middle) + frame(b"four"),
        b"\xf5rubbish" + frame(b"five", 2) + bytes(4096) + frame(b"six", 2) + b"more rubbish",
        frame(b"seven", 3),
    )

    reading = reader_of(root).read(*ALL)

    assert read(reading) == [b"one", b"three", b"four", b"five", b"six", b"seven"]
    assert reading.finished
    assert reading.skipped == HEAD_BYTES + 3 + len(b"\xf5rubbish") + 4096 + len(b"more rubbish")


def test_small_reads_come_to_the_same(root: Path) -> None:
    contents = [
        b"".join(frame(b"%d/%d" % (segment, number) * number, segment) for number in range(40)) for segment in (1, 2, 3)
    ]
    hand_made(root, *(content + bytes(300) for content in contents))
    whole = reader_of(root).read(*ALL)
    for limit in ((1, 1 << 30), (7, 1 << 30), (1000, 1)):
        reader = reader_of(root)
        found: list[bytes] = []
        for _ in range(1000):
            reading = reader.read(*limit)
            found += read(reading)
            reader.position = reading.position
            if reading.finished:
                break

        assert found == read(whole)


def test_frames_bigger_than_a_chunk(root: Path) -> None:
    sent = [b"a" * 10, b"b" * 700_000, b"c", b"d" * 300_000]
    hand_made(root, b"".join(frame(payload) for payload in sent))

    reader = reader_of(root)
    assert read(reader.read(*ALL)) == sent
    assert reader.count_unread() == 4


def test_advancing_deletes_the_segments_that_lie_behind_and_no_other(root: Path) -> None:
    folder = hand_made(root, frame(b"one"), frame(b"two", 2), frame(b"three", 3))
    reader = reader_of(root)

    reader.advance(reader.read(2, 1 << 30))
    assert sorted(os.listdir(folder)) == [segment_name(2), segment_name(3)]

    reading = reader.read(*ALL)
    assert read(reading) == [b"three"]
    reader.advance(reading)
    assert sorted(os.listdir(folder)) == [segment_name(3)]
    assert reading.finished
    reader.remove()
    assert list_incarnations(root) == []
    assert reader.read(*ALL).finished


def test_segments_that_a_predecessor_deleted_are_not_missed(root: Path) -> None:
    folder = hand_made(root, frame(b"one"), frame(b"two", 2), frame(b"three", 3))
    (folder / segment_name(1)).unlink()

    assert read(reader_of(root, Position(1, HEAD_BYTES + 3)).read(*ALL)) == [b"two", b"three"]


def test_counting_what_is_unread_follows_writer_and_reader(root: Path, writer: JournalWriter) -> None:
    reader = reader_of(root)
    counts = [reader.count_unread()]
    for number in range(5):
        writer.append(KIND, b"%d" % number)
    counts.append(reader.count_unread())
    reader.advance(reader.read(2, 1 << 30))
    counts.append(reader.count_unread())
    writer.append(KIND, b"x" * 600_000)
    writer.append(KIND, b"x" * 600_000)
    counts.append(reader.count_unread())
    reader.advance(reader.read(*ALL))
    counts.append(reader.count_unread())

    assert counts == [0, 5, 3, 5, 0]


def test_a_crash_image_reads_as_finished_and_a_live_one_does_not(
    root: Path, writer: JournalWriter, tmp_path: Path
) -> None:
    writer.append(KIND, b"one")
    image = crash_image(root, tmp_path)

    assert is_alive(root / writer.incarnation)
    assert not reader_of(root).read(*ALL).finished
    assert not is_alive(image / writer.incarnation)
    assert reader_of(image).read(*ALL).finished
    assert reader_of(image).last_written() > 0


def test_what_is_being_made_and_what_is_not_ours_is_not_listed(root: Path) -> None:
    (root / f".{INCARNATION}").mkdir()
    (root / "lost+found").mkdir()
    (root / "a file").write_bytes(b"")

    assert list_incarnations(root) == []
    assert list_incarnations(root / "nowhere") == []

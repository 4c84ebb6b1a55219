"""The memory of resources: remembered once, by all, for the first owner, whoever is killed and whenever."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.board.resources import ResourceBook, ResourcesUnreadable

PEPPER = b"p" * 32
MAGIC_BYTES = 8
FIRST_ROOM = 24_576  # three quarters of the first table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "resources"


def test_what_is_remembered_is_its_first_owners(path: Path) -> None:
    book = ResourceBook.open(path, PEPPER)
    assert book.owner("mistral", "f1") is None
    assert not book.is_foreign("mistral", "f1", "o1")
    assert book.remember("mistral", "f1", "o1")
    assert book.remember("mistral", "f1", "o2")
    assert book.owner("mistral", "f1") == book.mark("o1") != book.mark("o2")
    assert not book.is_foreign("mistral", "f1", "o1")
    assert book.is_foreign("mistral", "f1", "o2")
    assert not book.is_foreign("openai", "f1", "o2")
    assert book.entries == 1
    book.close()


def test_other_processes_see_it_and_the_next_start_too(path: Path) -> None:
    first, second = ResourceBook.open(path, PEPPER), ResourceBook.open(path, PEPPER)
    first.remember("mistral", "f1", "o1")
    second.remember("mistral", "f2", "o2")
    third = ResourceBook.open(path, PEPPER)
    for book in (first, second, third):
        assert [book.is_foreign("mistral", name, "o1") for name in ("f1", "f2", "f3")] == [False, True, False]


def test_the_file_tells_nothing(path: Path) -> None:
    ResourceBook.open(path, PEPPER).remember("mistral", "file-secret", "org-secret")
    data = path.read_bytes()
    assert b"secret" not in data
    assert b"mistral" not in data
    assert path.stat().st_mode & 0o077 == 0
    assert ResourceBook.open(path, b"q" * 32).owner("mistral", "file-secret") is None


def test_a_full_table_is_followed_by_another_and_all_who_mapped_the_file_notice(path: Path) -> None:
    writer, reader = ResourceBook.open(path, PEPPER), ResourceBook.open(path, PEPPER)
    size = path.stat().st_size
    for number in range(FIRST_ROOM + 1):
        writer.remember("p", str(number), "o1")
    assert path.stat().st_size == 4096 + 3 * (size - 4096)
    assert all(reader.owner("p", str(number)) for number in (0, FIRST_ROOM - 1, FIRST_ROOM))
    assert reader.owner("p", str(FIRST_ROOM + 1)) is None
    stale = ResourceBook.open(path, PEPPER)
    assert stale.remember("p", "0", "o2")  # in an older table
    assert stale.is_foreign("p", "0", "o2")
    assert stale.entries == FIRST_ROOM + 1


def test_a_writer_that_mapped_the_file_before_it_grew_writes_into_the_new_table(path: Path) -> None:
    early, late = ResourceBook.open(path, PEPPER), ResourceBook.open(path, PEPPER)
    for number in range(FIRST_ROOM + 1):
        late.remember("p", str(number), "o1")
    early.remember("p", "another", "o2")
    assert late.is_foreign("p", "another", "o1")
    assert not late.is_foreign("p", "another", "o2")


def test_beyond_its_limit_nothing_is_remembered_and_each_is_counted(path: Path) -> None:
    book = ResourceBook.open(path, PEPPER, limit=2)
    assert [book.remember("p", name, "o1") for name in ("a", "b", "c", "d", "a")] == [True, True, False, False, True]
    assert (book.entries, book.refused) == (2, 2)
    assert book.owner("p", "c") is None


def test_a_full_disk_is_a_refusal_that_is_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = ResourceBook.open(path, PEPPER)
    for number in range(FIRST_ROOM):
        book.remember("p", str(number), "o1")
    monkeypatch.setattr("os.pwrite", lambda *_: 0)
    assert not book.remember("p", "one more", "o1")
    monkeypatch.undo()
    assert book.refused == 1
    assert book.remember("p", "one more", "o1")
    assert book.owner("p", "0") == book.owner("p", "one more") == book.mark("o1")


def test_half_a_slot_is_never_believed_and_is_written_again(path: Path) -> None:
    """Whatever part of a slot's bytes arrived: in order, as a kill leaves them, or all but one."""
    empty = _image(path)
    ResourceBook.open(path, PEPPER).remember("p", "f", "o1")
    whole = path.read_bytes()
    places = [index for index, (old, new) in enumerate(zip(empty, whole, strict=True)) if old != new and index >= 4096]
    assert len(places) > 20
    written = sorted(places, key=lambda place: (place % 32 < 16, place))  # the owner and its check, then the key
    cuts = [set(written[:count]) for count in range(len(written))] + [set(written) - {place} for place in written]
    for present in cuts:
        half = bytearray(empty)
        for place in present:
            half[place] = whole[place]
        path.write_bytes(half)
        book = ResourceBook.open(path, PEPPER)
        assert book.owner("p", "f") is None
        assert book.remember("p", "f", "o2")
        assert book.owner("p", "f") == book.mark("o2")
        book.close()


def _image(path: Path) -> bytes:
    """Return an empty file."""
    ResourceBook.open(path, PEPPER).close()
    data = path.read_bytes()
    path.unlink()
    return data


def test_a_maker_that_was_killed_is_followed_by_another(path: Path) -> None:
    whole = _image(path)
    for size in (0, 4, 4096, len(whole) // 2, len(whole)):
        path.write_bytes(bytes(MAGIC_BYTES)[:size] + whole[MAGIC_BYTES:size])
        book = ResourceBook.open(path, PEPPER)
        assert book.remember("p", "f", "o1")
        assert book.entries == 1
        book.close()


def test_a_table_that_a_power_loss_cut_off_is_written_anew(path: Path) -> None:
    book = ResourceBook.open(path, PEPPER)
    for number in range(FIRST_ROOM + 10):
        book.remember("p", str(number), "o1")
    data = path.read_bytes()
    book.close()
    path.write_bytes(data[: len(data) // 2])
    again = ResourceBook.open(path, PEPPER)
    assert path.stat().st_size == len(data)
    assert again.owner("p", "0") is not None
    assert again.remember("p", "new", "o1")
    assert again.owner("p", "new") is not None


@pytest.mark.parametrize("head", [b"x" * 16, (0x47414E54_52533031).to_bytes(8, "little") + b"\xff" * 8])
def test_another_file_is_left_alone(path: Path, head: bytes) -> None:
    path.write_bytes(head + bytes(9000))
    with pytest.raises(ResourcesUnreadable, match="move the file away"):
        ResourceBook.open(path, PEPPER)
    assert path.read_bytes() == head + bytes(9000)


IDS = st.text(max_size=4)


@settings(deadline=None)  # it makes files
@given(st.lists(st.tuples(IDS, IDS, IDS)))
def test_it_is_a_dictionary_of_first_owners(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[str, ...]]
) -> None:
    book = ResourceBook.open(tmp_path_factory.mktemp("book") / "resources", PEPPER)
    owners: dict[tuple[str, str], str] = {}
    for provider, name, organization in made:
        book.remember(provider, name, organization)
        owners.setdefault((provider, name), organization)
    for (provider, name), organization in owners.items():
        assert book.owner(provider, name) == book.mark(organization)
    assert book.entries == len(owners)
    book.close()


WRITER = """
import sys, pathlib
from gantry.board.resources import ResourceBook
book = ResourceBook.open(pathlib.Path(sys.argv[1]), b"p" * 32)
for number in range(10**9):
    book.remember("p", f"{sys.argv[2]}-{number}", sys.argv[2])
    print(number, flush=True)
"""


@pytest.mark.slow
def test_writers_that_are_killed_lose_nothing_that_they_said(path: Path) -> None:
    writers = {
        name: subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name], stdout=subprocess.PIPE, text=True, bufsize=1
        )
        for name in ("o1", "o2")
    }
    said: dict[str, list[int]] = {name: [] for name in writers}
    for name, writer in writers.items():
        assert writer.stdout is not None
        while len(said[name]) < 500:
            said[name].append(int(writer.stdout.readline()))
    for name, writer in writers.items():
        writer.kill()
        assert writer.stdout is not None
        said[name] += [int(line) for line in writer.stdout.read().splitlines()[:-1]]
        writer.stdout.close()
        writer.wait()
    book = ResourceBook.open(path, PEPPER)
    for name, numbers in said.items():
        assert all(after == before + 1 for before, after in pairwise(numbers))
        assert all(book.owner("p", f"{name}-{number}") == book.mark(name) for number in numbers)
    assert book.entries >= sum(len(numbers) for numbers in said.values())
    assert book.remember("p", "after", "o3")

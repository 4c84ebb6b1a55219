"""The response cache's files: sealed, bounded, by organization, gone when they are deleted, never in a call's way."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from gantry.board.answers import LARGEST_ANSWER, AnswerCache, KeptAnswer
from gantry.core.sealing import Sealer

KEY = b"k" * 32
NOW = 1_795_000_000_000_000_000
SECOND = 1_000_000_000
HOUR = 3600


def cache(folder: Path, limit: int = 1 << 20, key: bytes = KEY, clock: Callable[[], int] = lambda: NOW) -> AnswerCache:
    return AnswerCache(folder / "responses", Sealer(key, nonce=lambda: os.urandom(12)), key, limit, clock=clock)


def answer(body: bytes = b"canary", kept_at: int = NOW, ttl: int = HOUR) -> KeptAnswer:
    return KeptAnswer("application/json", body, kept_at, kept_at + ttl * SECOND, "log", changes=("a: dropped",))


def kept(into: AnswerCache, asked: bytes, organization_id: str = "o1", given: KeptAnswer | None = None) -> str:
    name = into.name(organization_id, asked)
    assert into.keep(organization_id, name, given or answer())
    return name


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_is_kept_is_found_by_every_process_of_the_home(tmp_path: Path) -> None:
    name = kept(cache(tmp_path), b"q")
    other = cache(tmp_path)
    assert other.find("o1", other.name("o1", b"q"), HOUR) == answer()
    assert other.holds("o1", name)
    assert other.find("o1", other.name("o1", b"another"), HOUR) is None


def test_an_organization_finds_its_own_alone(tmp_path: Path) -> None:
    mine = cache(tmp_path)
    name = kept(mine, b"q")
    assert mine.name("o2", b"q") != name
    assert mine.find("o2", mine.name("o2", b"q"), HOUR) is None
    assert mine.find("o2", name, HOUR) is None
    assert not mine.holds("o2", name)
    assert mine.forget("o2", [name]) == 0
    assert mine.forget_all("o2") == 0
    assert mine.find("o1", name, HOUR) is not None


def test_the_disk_shows_neither_answer_nor_organization(tmp_path: Path) -> None:
    kept(cache(tmp_path), b"canary question", "canary-organization")
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert b"canary" not in str(path.relative_to(tmp_path)).encode()
    (file,) = files(tmp_path)
    assert b"canary" not in file.read_bytes()


def test_what_was_sealed_elsewhere_or_moved_or_cut_is_not_found(tmp_path: Path) -> None:
    mine = cache(tmp_path)
    name, other = kept(mine, b"q"), mine.name("o1", b"other")
    (file,) = files(tmp_path)
    file.with_name(other).write_bytes(file.read_bytes())
    assert mine.find("o1", other, HOUR) is None
    foreign = AnswerCache(tmp_path / "responses", Sealer(b"x" * 32, nonce=lambda: bytes(12)), KEY)
    assert foreign.find("o1", name, HOUR) is None
    whole = file.read_bytes()
    for cut in (b"", whole[:10], whole[:-1]):
        file.write_bytes(cut)
        assert mine.find("o1", name, HOUR) is None


def test_an_answer_expires_by_its_own_time_and_by_the_readers(tmp_path: Path) -> None:
    name = kept(cache(tmp_path), b"q")

    def later(seconds: int) -> AnswerCache:
        return cache(tmp_path, clock=lambda: NOW + seconds * SECOND)

    assert later(HOUR - 1).find("o1", name, 2 * HOUR) is not None
    assert later(HOUR).find("o1", name, 2 * HOUR) is None
    assert later(59).find("o1", name, 60) is not None
    assert later(60).find("o1", name, 60) is None


def test_sweeping_takes_what_expired_and_opens_nothing(tmp_path: Path) -> None:
    mine = cache(tmp_path)
    short, long = kept(mine, b"short", given=answer(ttl=60)), kept(mine, b"long", "o2")
    assert mine.sweep() == []
    blind = AnswerCache(
        tmp_path / "responses", Sealer(b"x" * 32, nonce=lambda: bytes(12)), KEY, clock=lambda: NOW + 61 * SECOND
    )
    assert blind.sweep() == [short]
    assert [file.name for file in files(tmp_path)] == [long]


def test_sweeping_takes_the_oldest_of_what_is_too_much(tmp_path: Path) -> None:
    generous = cache(tmp_path, limit=1 << 30)
    names = []
    for number in range(5):
        names.append(kept(generous, b"%d" % number, f"o{number % 2}", answer(b"x" * 10_000, ttl=HOUR - number)))
        newest = files(tmp_path)[-1].stat().st_ctime_ns
        while _moment(tmp_path) <= newest:  # the file system's clock has steps
            time.sleep(0.001)
    assert cache(tmp_path, limit=35_000).sweep() == names[:2]
    assert sorted(file.name for file in files(tmp_path)) == sorted(names[2:])


def _moment(folder: Path) -> int:
    """Return the time of a file that is made now."""
    probe = folder / "probe"
    probe.touch()
    moment = probe.stat().st_ctime_ns
    probe.unlink()
    return moment


def test_half_a_file_is_left_to_who_writes_it_and_swept_when_nobody_does(tmp_path: Path) -> None:
    mine = cache(tmp_path)
    kept(mine, b"q")
    half = files(tmp_path)[0].parent / ".half"
    half.write_bytes(b"x")
    written = half.stat().st_ctime_ns
    cache(tmp_path, clock=lambda: written + HOUR * SECOND // 2).sweep()
    assert half.exists()
    cache(tmp_path, clock=lambda: written + 2 * HOUR * SECOND).sweep()
    assert not half.exists()


def test_what_is_too_large_or_too_much_is_not_kept(tmp_path: Path) -> None:
    mine = cache(tmp_path, limit=1000)
    assert not cache(tmp_path, limit=1 << 30).keep("o1", "0" * 64, answer(b"x" * (LARGEST_ANSWER + 1)))
    due = [mine.is_due]
    kept(mine, b"1", given=answer(b"x" * 400))
    due.append(mine.is_due)
    assert due == [False, True]
    assert not mine.keep("o1", mine.name("o1", b"2"), answer(b"x" * 400)), "half of the limit since the last sweep"
    assert mine.sweep() == []
    kept(mine, b"2", given=answer(b"x" * 400))


def test_a_limit_of_nothing_keeps_and_finds_nothing(tmp_path: Path) -> None:
    name = kept(cache(tmp_path), b"q")
    off = cache(tmp_path, limit=0)
    assert not off.is_on
    assert not off.keep("o1", name, answer())
    assert off.find("o1", name, HOUR) is None


def test_a_disk_that_refuses_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "responses").write_bytes(b"where a folder should be")
    mine = cache(tmp_path)
    assert not mine.keep("o1", mine.name("o1", b"q"), answer())
    assert mine.find("o1", mine.name("o1", b"q"), HOUR) is None


def test_deleting_deletes(tmp_path: Path) -> None:
    mine = cache(tmp_path)
    one, two, three = (kept(mine, asked) for asked in (b"1", b"2", b"3"))
    kept(mine, b"1", "o2")
    assert mine.measure("o1")[0] == 3
    assert mine.forget("o1", [one, one, "f" * 64, "../o2", ""]) == 1
    assert mine.find("o1", one, HOUR) is None
    assert mine.forget_all("o1") == 2
    assert mine.find("o1", two, HOUR) is mine.find("o1", three, HOUR) is None
    assert mine.measure("o1") == (0, 0)
    assert mine.measure("o2")[0] == 1


def test_what_another_version_kept_is_not_found(tmp_path: Path) -> None:
    mine = cache(tmp_path)
    name = kept(mine, b"q")
    (file,) = files(tmp_path)
    sealer = Sealer(KEY, nonce=lambda: os.urandom(12))
    file.write_bytes(sealer.seal(b"\x93\x01\x02\x03", name.encode()))
    assert mine.find("o1", name, HOUR) is None

"""The health of deployments in one file: seen by every process, bounded, and never cut under a reader."""

import multiprocessing
import os
from pathlib import Path

import pytest

from gantry.board.health import ROWS, HealthBook
from gantry.core.standing import UNTOUCHED, Standing

SICK = Standing(failing=600, cooldowns=2, since=5, until=9, status=503, failed_at=1_800_000_000)


def test_what_nobody_complained_of_is_untouched_and_costs_no_row(tmp_path: Path) -> None:
    book = HealthBook(tmp_path / "health")
    assert not book.troubled
    assert book.standing("a/m") == UNTOUCHED
    assert book.change("a/m", lambda standing: standing) == UNTOUCHED
    assert not book.troubled
    assert list(book.all()) == []


def test_a_change_is_seen_through_every_mapping(tmp_path: Path) -> None:
    one, other = HealthBook(tmp_path / "health"), HealthBook(tmp_path / "health")
    assert other.standing("a/m") == UNTOUCHED
    one.change("a/m", lambda standing: SICK)
    assert other.troubled
    assert other.standing("a/m") == SICK
    other.change("b/m", lambda standing: SICK._replace(status=0))
    assert dict(one.all()) == {"a/m": SICK, "b/m": SICK._replace(status=0)}


def test_it_outlives_its_processes_but_not_another_format(tmp_path: Path) -> None:
    path = tmp_path / "health"
    HealthBook(path).change("a/m", lambda standing: SICK)
    assert HealthBook(path).standing("a/m") == SICK
    HealthBook(path, reset=True)
    assert HealthBook(path).standing("a/m") == UNTOUCHED
    path.write_bytes(b"something else")
    assert not HealthBook(path).troubled


@pytest.mark.parametrize("deployment", [None, "a/m"])
def test_it_can_be_forgotten(tmp_path: Path, deployment: str | None) -> None:
    book = HealthBook(tmp_path / "health")
    book.change("a/m", lambda standing: SICK)
    book.change("b/" + "long" * 100, lambda standing: SICK)
    assert book.reset(deployment) == (2 if deployment is None else 1)
    assert book.standing("a/m") == UNTOUCHED
    assert (book.standing("b/" + "long" * 100) == SICK) == (deployment is not None)
    assert book.reset("nobody/m") == 0


def test_rows_of_the_well_are_given_away_and_those_of_the_sick_are_not(tmp_path: Path) -> None:
    book, reader = HealthBook(tmp_path / "health"), HealthBook(tmp_path / "health")
    for number in range(ROWS):
        book.change(f"{number}/m", lambda standing: SICK)
    assert book.change("late/m", lambda standing: SICK) == SICK
    assert book.standing("late/m") == UNTOUCHED  # no room: as if nobody knew
    book.change("17/m", lambda standing: UNTOUCHED)
    assert reader.standing("17/m") == UNTOUCHED
    book.change("late/m", lambda standing: SICK)
    assert reader.standing("late/m") == SICK
    assert reader.standing("17/m") == UNTOUCHED
    assert reader.standing("18/m") == SICK
    assert book.change("later/m", lambda standing: SICK._replace(failed_at=SICK.failed_at + 3600)) != UNTOUCHED
    assert book.standing("later/m") == UNTOUCHED
    much_later = SICK._replace(failed_at=SICK.failed_at + 3601)  # nobody has complained of the others for so long
    book.change("much later/m", lambda standing: much_later)
    assert reader.standing("much later/m") == much_later


def _count_up(path: Path, times: int) -> None:
    book = HealthBook(path)
    for _ in range(times):
        book.change("a/m", lambda standing: standing._replace(cooldowns=standing.cooldowns + 1))


def test_no_change_of_another_process_is_lost(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_count_up, args=(tmp_path / "health", 500)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert HealthBook(tmp_path / "health").standing("a/m").cooldowns == 1500


def test_a_full_disk_is_said_and_leaves_no_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda fd, data, place: 0)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    with pytest.raises(OSError, match="No space left"):
        HealthBook(tmp_path / "health")
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    assert after == before

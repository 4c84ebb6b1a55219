"""What scrubbing leaves to others: while somebody reads the file, it looks seldom whether they still do."""

from pathlib import Path

import pytest

from gantry.store.logs import LogStore
from gantry.store.page_gaps import FIRST_PAGE
from gantry.store.scrub import scrub
from tests.postgresql import needs_sqlite


@needs_sqlite
def test_while_somebody_reads_it_is_looked_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = LogStore(tmp_path / "logs.db")
    plain = sum(1 for _ in scrub(store))
    answers: list[int | None] = [FIRST_PAGE, FIRST_PAGE, FIRST_PAGE, None]
    looks: list[int] = []

    def blank_gaps(page: int) -> int | None:
        looks.append(page)
        return answers.pop(0)

    monkeypatch.setattr(store, "blank_gaps", blank_gaps)
    pauses = sum(1 for _ in scrub(store))
    assert looks == [FIRST_PAGE] * 4
    assert pauses >= plain + 3 * 20
    store.close()

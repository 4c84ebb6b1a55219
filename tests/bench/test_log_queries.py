"""The questions about many logs, over few: each is answered, warm and from the disk, and says how it stands."""

from pathlib import Path

import pytest

from bench.log_queries import QUESTIONS, fill, line_of, measure, measure_cold
from gantry.store.logs import LogStore

pytestmark = pytest.mark.slow


def test_warm_and_cold_find_the_same(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    store = LogStore(path)
    fill(store, 400)
    warm = {question.name: measure(store, question, 1).found for question in QUESTIONS}
    store.close()
    assert warm["first page, all time"] > 300
    assert warm["search no such word"] == 0
    cold = {question.name: measure_cold(path, question) for question in QUESTIONS}
    assert {name: measured.found for name, measured in cold.items()} == warm
    assert sum(measured.bytes for measured in cold.values()) >= 0
    assert line_of(QUESTIONS[0], cold[QUESTIONS[0].name]._replace(median=9.0)).endswith("| **missed** |")

"""store/streamed: rows that are read a part at a time, by readers who go on to the end and by readers who do not."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Select, column, func, select, text

from gantry.store.database import Database
from gantry.store.streamed import streamed

_CURSORS = text("SELECT count(*) FROM pg_cursors")
_NUMBERS = " UNION ALL ".join(f"SELECT {number} AS number" for number in range(10))


@pytest.fixture
def reading(address: str | Path) -> Iterator[Connection]:
    database = Database(address)
    with database.reading() as connection:
        yield connection
    database.close()


NUMBERS: Select[Any] = select(column("number")).select_from(text(f"({_NUMBERS}) AS numbers"))


def test_all_rows_come(reading: Connection) -> None:
    assert [row.number for row in streamed(reading, NUMBERS, 3)] == list(range(10))


def test_whoever_stops_before_the_last_row_leaves_nothing_open(reading: Connection) -> None:
    assert next(streamed(reading, NUMBERS, 3)).number == 0
    for row in streamed(reading, NUMBERS, 3):
        if row.number == 4:
            break
    if reading.dialect.name == "postgresql":
        assert reading.scalar(_CURSORS) == 0


def test_later_questions_of_the_transaction_are_asked_at_once(reading: Connection) -> None:
    list(streamed(reading, NUMBERS, 3))
    assert "yield_per" not in reading.get_execution_options()
    assert reading.scalar(select(func.count()).select_from(text(f"({_NUMBERS}) AS numbers"))) == 10

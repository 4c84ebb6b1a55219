"""store/database: a question that takes too long is ended, and told apart from a database that is away."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from gantry.store.database import Database, TooMuchToRead
from tests.postgresql import needs_sqlite

ENDLESS = text("WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT max(n) FROM numbers")


@pytest.fixture
def database(address: str | Path) -> Database:
    return Database(address)


def test_a_statement_without_an_end_is_ended(database: Database) -> None:
    with pytest.raises(TooMuchToRead, match="took longer"), database.reading(patience=0.05) as connection:
        connection.execute(ENDLESS)
    with database.reading(patience=60) as connection:
        assert connection.scalar(text("SELECT 1")) == 1, "and the next question of the same connection is not"
    database.close()


def test_a_patience_that_is_used_up_is_none_and_not_endless(database: Database) -> None:
    for nothing in (0.0001, -1.0):
        with pytest.raises(TooMuchToRead), database.reading(patience=nothing) as connection:
            connection.execute(ENDLESS)
    database.close()


def test_so_are_short_ones_without_an_end(database: Database) -> None:
    def ask_without_an_end() -> None:
        with database.reading(patience=0.05) as connection:
            while True:
                connection.execute(text("SELECT 1"))

    with pytest.raises(TooMuchToRead):
        ask_without_an_end()
    with database.reading() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    database.close()


@needs_sqlite
def test_cutting_the_log_while_somebody_reads_holds_up_no_writer(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    cutting, writer = Database(path), Database(path, busy_timeout=1.0)
    with writer.writing() as connection:
        connection.execute(text("CREATE TABLE said (number)"))
    cut: list[bool] = []
    thread = threading.Thread(target=lambda: cut.append(cutting.cut_log()))
    with writer.reading() as reader:
        reader.execute(text("SELECT * FROM said")).all()
        with writer.writing() as connection:  # which the reader does not see: its log must be kept
            connection.execute(text("INSERT INTO said VALUES (0)"))
        thread.start()
        try:
            while thread.is_alive():
                with writer.writing() as connection:
                    connection.execute(text("INSERT INTO said VALUES (1)"))
        finally:
            thread.join()
    assert cut == [False]
    assert cutting.cut_log()
    cutting.close()
    writer.close()

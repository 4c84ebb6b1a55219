"""Rows in statements of many: the same rows, in the same order, as with a statement for each."""

import sqlite3
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.store.rows_at_once import AT_ONCE, RowsAtOnce

COLUMNS = tuple("abcdefghijkl")
ROWS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, len(COLUMNS) - 1)), max_size=5 * AT_ONCE)


@pytest.fixture(scope="module")
def cursor() -> Iterator[sqlite3.Cursor]:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE t (seq INTEGER PRIMARY KEY, a UNIQUE, b NOT NULL, {', '.join(COLUMNS[2:])})")
    yield connection.cursor()
    connection.close()


def rows_of(keys: Sequence[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return rows with these keys, each of so many values beside them."""
    return [(seq, key, *range(length)) for seq, (key, length) in enumerate(keys)]


@given(ROWS)
def test_rows_of_any_length_are_inserted_once(cursor: sqlite3.Cursor, keys: list[tuple[int, int]]) -> None:
    cursor.execute("DELETE FROM t")
    rows = rows_of(keys)
    inserted = RowsAtOnce("t", ("seq", *COLUMNS)).insert(cursor, rows)
    first = {row[1]: row for row in reversed(rows)}
    wanted = [(*row, *[None] * (len(COLUMNS) + 1 - len(row))) for row in sorted(first.values())]
    assert cursor.execute("SELECT * FROM t ORDER BY seq").fetchall() == wanted
    assert inserted == len(wanted)


@given(st.lists(st.sampled_from(((1, 2, 3), (1, 2, 4), (1, 5, None))), min_size=AT_ONCE, max_size=3 * AT_ONCE))
def test_values_that_rows_have_in_common_are_those_of_each_row(
    cursor: sqlite3.Cursor, common: list[tuple[int | None, ...]]
) -> None:
    cursor.execute("DELETE FROM t")
    rows = [(seq, seq, *some, -seq, *some, *(["end"] * (seq % 2))) for seq, some in enumerate(common)]
    statements = RowsAtOnce("t", ("seq", *COLUMNS), (("b", "d"), ("f", "g"), ("h", "l")))
    assert statements.insert(cursor, rows) == len(rows)
    wanted = [(*row, *[None] * (len(COLUMNS) + 1 - len(row))) for row in rows]
    assert cursor.execute("SELECT * FROM t ORDER BY seq").fetchall() == wanted


def test_a_text_that_all_rows_of_a_statement_have_is_given_once(cursor: sqlite3.Cursor) -> None:
    cursor.execute("DELETE FROM t")
    given: list[Sequence[object]] = []

    class Told:
        rowcount = AT_ONCE

        def execute(self, text: str, values: Sequence[object]) -> None:
            given.append(values)
            cursor.execute(text, values)

    rows = [(seq, seq, "POST", "/v1/chat/completions", seq % 2) for seq in range(AT_ONCE)]
    RowsAtOnce("t", ("seq", *COLUMNS), (("b", "c"), ("d", "d"))).insert(Told(), rows)
    assert [len(values) for values in given] == [3 * AT_ONCE + 2]
    assert cursor.execute("SELECT seq, a, b, c, d FROM t ORDER BY seq").fetchall() == rows


def test_a_row_that_the_table_refuses_is_not_counted(cursor: sqlite3.Cursor) -> None:
    cursor.execute("DELETE FROM t")
    rows = [(seq, seq, None if seq == 3 else 1) for seq in range(AT_ONCE)]
    assert RowsAtOnce("t", ("seq", *COLUMNS)).insert(cursor, rows) == AT_ONCE - 1


def test_many_rows_are_few_statements(cursor: sqlite3.Cursor) -> None:
    cursor.execute("DELETE FROM t")
    told: list[str] = []
    cursor.connection.set_trace_callback(told.append)
    RowsAtOnce("t", ("seq", *COLUMNS)).insert(cursor, rows_of([(key, 3 + key % 2) for key in range(2 * AT_ONCE)]))
    cursor.connection.set_trace_callback(None)
    assert len([text for text in told if text.startswith("INSERT")]) == 2

"""Rows that are given as arrays come out as they were."""

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

from gantry.store.columns_at_once import arrays_of, many_rows
from gantry.store.log_tables import customers, day_sketches, hour_sketches

_NAMES = ("name", "first_seen", "cost", "email")
_ARRAYS = arrays_of(customers, _NAMES, postgresql.dialect())  # type: ignore[no-untyped-call]
_TEXTS = st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.sampled_from(
    ["NULL", "None", "", '"', '","', "\\", '\\","', "{}", "a, b", " ", "\n"]
)  # fmt: skip
_SMALL = st.none() | st.integers(-(2**63), 2**63 - 1)
_LARGE = st.none() | st.integers(-(10**38) + 1, 10**38 - 1)


@pytest.mark.slow
@given(rows=st.lists(st.tuples(_TEXTS, _SMALL, _LARGE, _TEXTS), min_size=1))
def test_rows_come_out_as_they_were(
    postgres_server: str, rows: list[tuple[str | None, int | None, int | None, str | None]]
) -> None:
    with psycopg.connect(postgres_server) as connection:
        found = connection.execute(f"SELECT * FROM {_ARRAYS.given}", _ARRAYS.of(rows)).fetchall()  # type: ignore[arg-type, unused-ignore]
    assert found == rows


@pytest.mark.slow
def test_bytes_come_out_as_they_were(postgres_server: str) -> None:
    arrays = arrays_of(hour_sketches, ("latency", "key_id"), postgresql.dialect())  # type: ignore[no-untyped-call]
    rows = [(b"\0\\\xff", "one"), (None, "two"), (b"", "three")]
    with psycopg.connect(postgres_server) as connection:
        assert connection.execute(f"SELECT * FROM {arrays.given}", arrays.of(rows)).fetchall() == rows  # type: ignore[arg-type, unused-ignore]


def test_a_statement_for_another_table_is_refused() -> None:
    insert = "INSERT INTO hour_sketches (hour) VALUES (%s) ON CONFLICT DO NOTHING"
    with pytest.raises(ValueError, match="day_sketches"):
        many_rows(insert, day_sketches, postgresql.dialect())  # type: ignore[no-untyped-call]

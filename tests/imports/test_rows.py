"""Rows of an export, however it is cut into chunks; a bad one is told and stops no other."""

import csv
import io
import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gantry.imports.plan import ImportRefused
from gantry.imports.rows import BadRow, Form, Row, form_of, read_rows

ROWS: list[dict[str, Any]] = [
    {"id": "1", "text": 'a "quoted" } ] { [ \\ text'},
    {"id": "2", "inner": {"list": [1, [2, {"x": "]"}]]}},
    {"id": "3", "text": "ünïcode \u2028 and\nlines"},
]
TEXTS = {
    "lines": "\n".join(json.dumps(row) for row in ROWS),
    "windows lines": "\r\n".join(json.dumps(row) for row in ROWS) + "\r\n",
    "array": json.dumps(ROWS),
    "pretty array": json.dumps(ROWS, indent=2, ensure_ascii=False),
    "object around": json.dumps({"count": 3, "results": ROWS, "next": None}),
    "pretty object around": json.dumps({"meta": {"page": [1]}, "data": ROWS}, indent=1),
    "with a mark in front": "\ufeff" + json.dumps(ROWS),
}


def cut(text: bytes, size: int) -> Iterator[bytes]:
    return (text[start : start + size] for start in range(0, len(text), size))


def members(chunks: Iterator[bytes], form: Form | None = None) -> list[dict[str, Any]]:
    rows = list(read_rows(chunks, form))
    assert all(isinstance(row, Row) for row in rows), rows
    return [row.members for row in rows if isinstance(row, Row)]


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("size", [1, 7, 100, 1_000_000])
def test_rows_are_the_same_in_every_form_and_by_any_chunks(name: str, size: int) -> None:
    assert members(cut(TEXTS[name].encode(), size)) == ROWS


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), min_size=1, max_size=4),
    size=st.integers(1, 60),
)
def test_an_array_is_cut_anywhere(rows: list[dict[str, Any]], size: int) -> None:
    beginning = b"[" + b" " * 1024 * 1024  # that is looked at in one piece
    assert members(chain([beginning], cut(json.dumps(rows).encode()[1:], size))) == rows


def test_a_bad_row_of_lines_is_told_with_its_line() -> None:
    text = b'{"id": 1}\n{"id": 2\n\n[3]\n{"id": 4}\n'
    assert [(row.number, isinstance(row, BadRow)) for row in read_rows([text])] == [
        (1, False),
        (2, True),
        (4, True),
        (5, False),
    ]


def test_a_bad_row_of_an_array_is_told_with_its_place() -> None:
    rows = list(read_rows([b'[{"id": 1}, {"id": tru}, {"id": 3}]']))
    assert [(row.number, isinstance(row, BadRow)) for row in rows] == [(1, False), (2, True), (3, False)]


def test_a_file_that_was_cut_off_gives_what_is_whole() -> None:
    rows = list(read_rows([b'[{"id": 1}, {"id": 2, "text": "and th']))
    assert [type(row) for row in rows] == [Row, BadRow]


def test_csv_has_cells_with_lines_and_quotes() -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([["id", "text"], ["1", 'two\nlines, and "quotes"'], ["2", ""]])
    assert members(cut(text.getvalue().encode(), 3)) == [{"id": "1", "text": 'two\nlines, and "quotes"'}, {"id": "2"}]


def test_a_csv_row_of_another_length_is_told() -> None:
    rows = list(read_rows([b"id,text\n1,a,b\n2,c\n"]))
    assert isinstance(rows[0], BadRow)
    assert "3 cells" in rows[0].reason
    assert rows[1] == Row(3, {"id": "2", "text": "c"})


PARTS = [{"id": "a", "type": "SPAN"}, {"id": "b", "type": "GENERATION"}]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [7, 1_000_000])
@pytest.mark.parametrize(
    "document",
    [
        {"id": "t", "name": "n", "observations": PARTS, "scores": []},  # as the API answers for one trace
        {"trace": {"id": "t", "name": "n", "observations": PARTS, "scores": []}, "observations": PARTS},  # its download
    ],
)
def test_a_trace_is_a_row_and_so_is_each_of_its_observations(document: Any, size: int, indent: int | None) -> None:
    text = json.dumps(document, indent=indent).encode()
    assert members(cut(text, size)) == [{"id": "t", "name": "n", "scores": []}, *PARTS]


def test_the_ids_of_observations_stay_with_their_trace() -> None:
    trace = {"id": "t", "observations": ["a", "b"]}
    assert members(cut(json.dumps({"data": [trace]}).encode(), 100)) == [trace]


def test_bytes_that_are_no_text_stop_nothing() -> None:
    rows = list(read_rows([b'{"id": "1"}\n{"id": "\xff\xfe"}\n{"id": "3"}\n']))
    assert [type(row) for row in rows] == [Row, BadRow, Row]


@pytest.mark.parametrize(
    ("head", "form"),
    [
        (b' [{"a": 1}]', Form.JSON),
        (b'{"a": 1}', Form.JSONL),
        (b'{"embedding": {"data": [1]}}\n{"a": 1}', Form.JSONL),
        (b'{"data": [1], "id": 1}\n{"data": [2], "id": 2}', Form.JSONL),
        (b'{"data": [{"id": 1}]}\n', Form.JSON),
        (b'{\n "data": [', Form.JSON),
        (b'{"a": \n{"a": 2}', Form.JSONL),
        (b"id,text\n1,a\n", Form.CSV),
    ],
)
def test_a_form_is_told_by_how_a_file_begins(head: bytes, form: Form) -> None:
    assert form_of(head) is form


@pytest.mark.parametrize("text", [b"", b"  \n "])
def test_an_empty_file_is_refused(text: bytes) -> None:
    with pytest.raises(ImportRefused, match="empty"):
        list(read_rows([text]))


def test_a_form_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ImportRefused, match="no array"):
        list(read_rows([b"id,text\n1,a\n"], Form.JSON))

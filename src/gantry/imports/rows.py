"""The rows of an export: JSON lines, a JSON array (or an object around one), CSV. A chunk at a time. Pure.

Law: what cannot be read is a `BadRow` with its place, and the next row is read; memory holds one row and a chunk. A row
is cut out by its brackets before it is decoded, so one that is broken inside costs nothing but itself.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct

from gantry.imports.plan import ImportRefused

LONGEST_ROW: Final = 32 * 1024 * 1024
_NAMES: Final = ("data", "results", "logs", "observations", "traces", "keys", "items")  # of a list in an object
_LISTS: Final = rb'"(?:' + "|".join(_NAMES).encode() + rb')"\s*:\s*\['
_PARTS: Final = "observations"  # of a row that has others within it, and of the object around both
_WHOLE: Final = "trace"
_ROW_ITSELF: Final = re.compile(
    rb'[\s\xef\xbb\xbf]*\{\s*"(?:id|' + _WHOLE.encode() + rb')"\s*:'
)  # no object around rows
_SPACE: Final = b" \t\r\n\xef\xbb\xbf"
_LOOKED_AT: Final = 1024 * 1024  # of a file, to tell what it is
# A whole string at once, so that brackets inside it are none; one that is not closed yet matches the last branch.
_MARKS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]|"', re.DOTALL)

_decode = msgspec.json.Decoder().decode


class Form(StrEnum):
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"


class Row(Struct, frozen=True):
    """`number` is the line of JSON lines and CSV, the place among the others in a JSON array; both count from 1."""

    number: int
    members: dict[str, Any]


class BadRow(Struct, frozen=True):
    number: int
    reason: str


def read_rows(chunks: Iterable[bytes], form: Form | None = None) -> Iterator[Row | BadRow]:
    """Yield the rows of an export. Raises ImportRefused for one that is none."""
    stream = iter(chunks)
    looked_at, size = [], 0
    for chunk in stream:
        looked_at.append(chunk)
        size += len(chunk)
        if size >= _LOOKED_AT:
            break
    head = b"".join(looked_at)
    form = form or form_of(head)
    whole = _chained(head, stream)
    if form is Form.CSV:
        return _csv_rows(whole)
    if form is Form.JSONL:
        return _line_rows(whole)
    return _array_rows(whole)


def form_of(head: bytes) -> Form:
    """Return what an export is by how it begins. Raises ImportRefused."""
    text = head.lstrip(_SPACE)
    if not text:
        raise ImportRefused("the file is empty")
    if text.startswith(b"["):
        return Form.JSON
    if not text.startswith(b"{"):
        return Form.CSV
    first, _, rest = text.partition(b"\n")
    try:
        members = _decode(first)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # An object over several lines is one around a list; else its first line is a bad one among others.
        return Form.JSONL if re.search(_LISTS, text) is None else Form.JSON
    around = not rest.strip() and any(isinstance(members.get(name), list) for name in _NAMES)
    around = around and _ROW_ITSELF.match(head) is None
    return Form.JSON if around else Form.JSONL


def _chained(head: bytes, stream: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from stream


def _line_rows(chunks: Iterator[bytes]) -> Iterator[Row | BadRow]:
    for number, line in enumerate(_lines(chunks), 1):
        text = line.strip(_SPACE)
        if text:
            yield from _parted(_row(number, text))


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        yield from lines
        if len(rest) > LONGEST_ROW:
            raise ImportRefused(f"a line is longer than {LONGEST_ROW // 1024 // 1024} MB: is this JSON lines or CSV?")
    if rest:
        yield rest


def _array_rows(chunks: Iterator[bytes]) -> Iterator[Row | BadRow]:
    """Yield the elements of a file's array, which begins at its first bracket, or behind the name of a list."""
    text, at, number = bytearray(next(chunks, b"")), 0, 0
    found = re.search(rb"\A[\s\xef\xbb\xbf]*\[|" + _LISTS, text)
    if found is None:
        raise ImportRefused("no array of rows was found: give --format jsonl for a row on each line")
    at, start, depth = 0 if _ROW_ITSELF.match(text) else found.end(), -1, 0
    while True:
        for mark in _MARKS.finditer(text, at):
            token = mark.group()
            if token == b'"':
                break  # a string that goes on in the next chunk
            at = mark.end()
            if token in (b"{", b"["):
                if depth == 0:
                    start = mark.start()
                depth += 1
            elif token in (b"}", b"]"):
                depth -= 1
                if depth < 0:
                    return
                if depth == 0:
                    number += 1
                    yield from _parted(_row(number, bytes(text[start:at])))
                    start = -1
        keep = at if start < 0 else start
        del text[:keep]
        at, start = at - keep, -1 if start < 0 else 0
        more = next(chunks, None)
        if more is None:
            if start >= 0:
                yield BadRow(number + 1, "the file ends within this row")
            return
        text += more
        if len(text) > LONGEST_ROW + len(more):
            raise ImportRefused(f"a row is longer than {LONGEST_ROW // 1024 // 1024} MB, or the file is no JSON")


def _csv_rows(chunks: Iterator[bytes]) -> Iterator[Row | BadRow]:
    csv.field_size_limit(LONGEST_ROW)
    reader = csv.reader(_texts(chunks), strict=True)
    try:
        header = [name.strip() for name in next(reader)]
    except (StopIteration, csv.Error):
        raise ImportRefused("the file has no line of column names") from None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(reader.line_num, str(error))
            continue
        if not cells:
            continue
        if len(cells) != len(header):
            yield BadRow(reader.line_num, f"it has {len(cells)} cells, and the first line names {len(header)} columns")
        else:
            yield Row(reader.line_num, {name: cell for name, cell in zip(header, cells, strict=True) if cell != ""})


def _texts(chunks: Iterator[bytes]) -> Iterator[str]:
    for number, line in enumerate(_lines(chunks)):
        text = line.decode("utf-8", "replace").removesuffix("\r") + "\n"
        yield text.removeprefix("\ufeff") if number == 0 else text


def _parted(row: Row | BadRow) -> Iterator[Row | BadRow]:
    """Yield a row, and those that stand whole within it, as a trace's observations do."""
    if isinstance(row, BadRow):
        yield row
        return
    whole = row.members.get(_WHOLE)
    outer = whole if isinstance(whole, dict) else row.members
    parts = row.members.get(_PARTS) or outer.get(_PARTS)
    if not isinstance(parts, list) or not parts or not all(isinstance(one, dict) for one in parts):
        yield row
        return
    beside = row.members.items() if outer is whole else ()
    members = {**{name: value for name, value in beside if name != _WHOLE}, **outer}
    yield Row(row.number, {name: value for name, value in members.items() if name != _PARTS})
    yield from (Row(row.number, one) for one in parts)


def _row(number: int, text: bytes) -> Row | BadRow:
    if len(text) > LONGEST_ROW:
        return BadRow(number, f"it is longer than {LONGEST_ROW // 1024 // 1024} MB")
    try:
        members = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return BadRow(number, f"it is no JSON: {str(error).splitlines()[0]}")
    if not isinstance(members, dict):
        return BadRow(number, "it is no JSON object")
    return Row(number, members)

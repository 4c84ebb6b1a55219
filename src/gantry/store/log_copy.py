"""Rows of a batch on PostgreSQL: copied in, and once.

Law: what is copied is stored whole or not at all, and nothing tells which row stood in the way. So a batch is copied as
if all of it were new, which it nearly always is; only where the engine refuses it are the ids looked up that are there.

An id is unique within the day of its arrival by an index, and within all days by looking before: for those that may
have been stored on another day. An id of ours (UUIDv7) holds when it was made, so that is a question about the first
hour after midnight and about what lay in a journal overnight; one that a client's own id means (UUIDv8) holds nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from gantry.store.full_text import Entry
from gantry.store.lexemes import PROBE, lexemes_of
from gantry.store.log_days import COUNTER, NEXT_NUMBERS, day_of, first_number
from gantry.store.log_rows import COLUMNS, Row

_ID: Final = COLUMNS.index("log_id")
_OWNER: Final = COLUMNS.index("organization_id")
_TIMED: Final = "7"  # the version of a UUID that begins with its time
_VERSION: Final = 12  # the place of the version
_DAY_MS: Final = 86_400_000
_SKEW_MS: Final = 3_600_000  # by which clocks of machines differ, at the very most

_COPY_ROWS: Final = f"COPY request_logs (seq, {', '.join(COLUMNS)}) FROM STDIN"
_COPY_BODIES: Final = "COPY request_log_bodies (seq, content) FROM STDIN (FORMAT BINARY)"
_COPY_WORDS: Final = "COPY request_log_texts (seq, input, output) FROM STDIN"
_PUT_WORDS: Final = (
    "INSERT INTO request_log_texts (seq, input, output) "
    "SELECT seq, coalesce(input_words::tsvector, to_tsvector('simple', input)), "
    "coalesce(output_words::tsvector, to_tsvector('simple', output)) "
    "FROM unnest(%b::bigint[], %b::text[], %b::text[], %b::text[], %b::text[]) "
    "AS said(seq, input, output, input_words, output_words)"
)
_HAS_OUR_WORDS: Final = "SELECT to_tsvector('simple', %s) = %s::tsvector"
_PROBE: Final = (PROBE, (lexemes_of(PROBE) or b"").decode())
_FEW: Final = 40  # entries whose words the server finds in less time than it takes to copy them
_LINES: Final = 100  # of a copy that are written at once
_FIND_IDS: Final = (
    "SELECT log_id, organization_id FROM request_logs "  # noqa: S608 - constants
    f"WHERE log_id = ANY(%s) AND (seq >= %s OR seq <= {COUNTER})"
)

_Uncertain = tuple[Any, ...]  # the number, both texts, and the words of each that is certain
Identity = tuple[str, str]  # of a log: its id and its organization


def next_numbers(cursor: Any, count: int, day: int | None) -> list[int]:
    """Return so many new numbers, of a day or of the database's own."""
    cursor.execute(NEXT_NUMBERS, (day, count))
    return [number for (number,) in cursor.fetchall()]


def copy_new(cursor: Any, rows: Sequence[Row], numbers: Sequence[int], violation: type[Exception]) -> dict[int, int]:
    """Copy the rows that are new, and return of each its index and its number.

    `violation` is what the driver raises where a row is there already.
    """
    new = _once(rows, _stored_on_other_days(cursor, rows, day_of(numbers[-1])))
    while new:
        cursor.execute("SAVEPOINT rows_before")
        try:
            with cursor.copy(_COPY_ROWS) as copy:
                for index in new:
                    copy.write_row((numbers[index], *rows[index]))
        except violation:
            cursor.execute("ROLLBACK TO SAVEPOINT rows_before")
            known = _find(cursor, [rows[index] for index in new], 0)
            left = [index for index in new if _identity(rows[index]) not in known]
            if len(left) == len(new):
                raise  # not by an id that is there
            new = left
        else:
            break
    return {index: numbers[index] for index in new}


def copy_bodies(cursor: Any, bodies: Iterable[tuple[int, bytes | bytearray]]) -> None:
    with cursor.copy(_COPY_BODIES) as copy:
        copy.set_types(("int8", "bytea"))
        for body in bodies:
            copy.write_row(body)


def put_words(cursor: Any, entries: Iterable[Entry], count: int) -> None:
    """Put entries, of so many logs, into the index of words: texts that are certain as the words themselves."""
    if count > _FEW and cursor.execute(_HAS_OUR_WORDS, _PROBE).fetchone() == (True,):
        rest = _copy_words(cursor, entries)
    else:
        rest = [(number, said, answered, None, None) for said, answered, number in entries]
    if rest:
        cursor.execute(_PUT_WORDS, [*map(list, zip(*rest, strict=True))])


def _copy_words(cursor: Any, entries: Iterable[Entry]) -> list[_Uncertain]:
    """Copy the entries whose words are certain, and return the others."""
    others: list[_Uncertain] = []
    lines: list[bytes] = []
    with cursor.copy(_COPY_WORDS) as copy:
        for said, answered, number in entries:
            asked_for, told = lexemes_of(said), lexemes_of(answered)
            if asked_for is None or told is None:
                words = [None if some is None else some.decode() for some in (asked_for, told)]
                others.append((number, said, answered, *words))
                continue
            lines.append(b"%d\t%b\t%b\n" % (number, asked_for, told))
            if len(lines) >= _LINES:
                copy.write(b"".join(lines))
                lines.clear()
        copy.write(b"".join(lines))
    return others


def _once(rows: Sequence[Row], known: set[Identity]) -> list[int]:
    """Return the indexes of the rows that are not known, each id once."""
    seen = set(known)
    new = []
    for index, row in enumerate(rows):
        identity = _identity(row)
        if identity not in seen:
            seen.add(identity)
            new.append(index)
    return new


def _stored_on_other_days(cursor: Any, rows: Sequence[Row], day: int) -> set[Identity]:
    """Return the ids that were stored on another day than the one under whose numbers the rows will lie."""
    asked: list[Row] = []
    since = day
    for row in rows:
        made = _day_made(row[_ID])
        if made != day:
            asked.append(row)
            since = min(since, made if made < day else 0)  # a day that has not come says nothing, either
    return _find(cursor, asked, first_number(since) if since > 0 else 0) if asked else set()


def _day_made(log_id: str) -> int:
    """Return the first day on which this id can have been stored; 0 where the id does not say."""
    if len(log_id) != 32 or log_id[_VERSION] != _TIMED:
        return 0
    try:
        return max(int(log_id[:_VERSION], 16) - _SKEW_MS, 0) // _DAY_MS
    except ValueError:
        return 0


def _find(cursor: Any, rows: Sequence[Row], since: int) -> set[Identity]:
    cursor.execute(_FIND_IDS, ([row[_ID] for row in rows], since))
    return set(cursor.fetchall())


def _identity(row: Row) -> Identity:
    return row[_ID], row[_OWNER]

"""Full text: an index of the words in what was said, kept in the transaction that stores it.

Law: it holds what `said_words` returns for a stored text, and nothing besides; a log whose content was withheld has no
entry, and a deleted log's entry is deleted with it. SQLite's index keeps no copy of the text, so an entry is taken out
by naming its words again: `said_words` must go on returning the same for the same text, or come with a new index.

A word is a run of letters and digits, case aside, accents kept. A search is made of quoted words only, so nothing that
a caller writes has a meaning to the engine.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, select, text

from gantry.store.content import Content, unpack_content
from gantry.store.database import LOGS_APART
from gantry.store.log_tables import request_log_bodies
from gantry.store.plain_messages import PlainMessage, decode_plain

TABLE = "request_log_texts"
MOST_CHARACTERS: Final = 64 * 1024  # of an input or an output; PostgreSQL bounds an entry at 1 MB
MOST_WORDS = 32  # of a search
_SLICE: Final = 1000

_SQLITE = (
    f"CREATE VIRTUAL TABLE {TABLE} USING fts5("
    "input, output, content='', detail='full', columnsize=0, tokenize=\"unicode61 remove_diacritics 0\")"
)
_MERGE_SELDOM = f"INSERT INTO {TABLE}({TABLE}, rank) VALUES ('automerge', 12)"  # noqa: S608 - a constant
# Words that are taken out stay until segments with them and without them are merged. Merged seldom, as those who record
# want it, they gather to many times what is left; two by two, as here, to two or three times that, and it costs
# retention no time that could be measured.
_MERGE_PAIRS = f"INSERT INTO {TABLE}({TABLE}, rank) VALUES ('usermerge', 2)"  # noqa: S608 - a constant
_MERGE_SOME = f"INSERT INTO {TABLE}({TABLE}, rank) VALUES ('merge', 256)"  # noqa: S608 - pages, so nobody waits long
_POSTGRESQL = (
    f"CREATE TABLE {TABLE} (seq BIGINT PRIMARY KEY, input TSVECTOR NOT NULL, output TSVECTOR NOT NULL)",
    # Words gather before they are put in their places: more at once cost half, and 16 MB are searched in milliseconds.
    f"CREATE INDEX ix_{TABLE}_input ON {TABLE} USING gin (input) WITH (gin_pending_list_limit = 16384)",
    f"CREATE INDEX ix_{TABLE}_output ON {TABLE} USING gin (output) WITH (gin_pending_list_limit = 16384)",
)
# VALUES and not SELECT: around a statement that may write many rows SQLite sets a savepoint, and FTS5 then writes what
# it gathers in memory after each row: 19 µs instead of 5.
_PUT_SQLITE = f"INSERT INTO {TABLE}(input, output, rowid) VALUES (?, ?, ?)"  # noqa: S608 - constants
_TAKE_OUT_SQLITE = f"INSERT INTO {TABLE}({TABLE}, input, output, rowid) VALUES ('delete', ?, ?, ?)"  # noqa: S608
_PUT_POSTGRESQL = (
    "INSERT INTO request_log_texts(input, output, seq) "
    "VALUES (to_tsvector('simple', %s), to_tsvector('simple', %s), %s)"
)
_TAKE_OUT_POSTGRESQL = "DELETE FROM request_log_texts WHERE (%s::text, %s::text) IS NOT NULL AND seq = %s"
# Members whose text says how something was sent, and not what was said.
_SILENT = frozenset(
    """
    role type id object tool_call_id index format mime_type media_type data url image_url document_url input_audio
    file_id signature b64_json embedding encrypted_content finish_reason
    """.split()
)
_DATA_LENGTH: Final = 512  # of a text without a space: encoded bytes
_WORD = re.compile(r"(?:[^\W_]|[\u0300-\u036f])+")
_PHRASE = re.compile(r'"(?P<quoted>[^"]*)"?|(?P<plain>[^\s"]+)')

Entry = tuple[str, str, int]  # the words of input and output, the number of the log's row


class Phrase(Struct, frozen=True):
    """Words that must follow one another; of the last, with `open_end`, only the beginning."""

    words: tuple[str, ...]
    open_end: bool = False


def create_full_text(connection: Connection, *, by_days: bool = True) -> None:
    """Create the index, empty; on PostgreSQL by days, where those are made by `gantry.store.log_days`."""
    if connection.dialect.name == "sqlite":
        connection.execute(text(_SQLITE))
        connection.execute(text(_MERGE_SELDOM))
        return
    table, *indexes = _POSTGRESQL
    for statement in (f"{table} PARTITION BY RANGE (seq)" if by_days else table, *indexes):
        connection.execute(text(statement))


def index_again(connection: Connection) -> None:
    """Put all that is stored into an index that is empty."""
    statements = FullTextStatements(is_sqlite=connection.dialect.name == "sqlite")
    bodies: Any = connection.connection.cursor()
    writer: Any = connection.connection.cursor()
    bodies.execute("SELECT seq, content FROM request_log_bodies ORDER BY seq")
    while rows := bodies.fetchmany(_SLICE):
        if found := [*entries_of((seq, unpack_content(content)) for seq, content in rows)]:
            writer.executemany(statements.put, found)
    writer.close()
    bodies.close()


class FullTextStatements:
    """SQL with positional parameters; each takes an entry."""

    def __init__(self, *, is_sqlite: bool) -> None:
        self.put, self.take_out = (
            (_PUT_SQLITE, _TAKE_OUT_SQLITE) if is_sqlite else (_PUT_POSTGRESQL, _TAKE_OUT_POSTGRESQL)
        )


def take_out(connection: Connection, of: ColumnElement[bool]) -> None:
    """Take out the entries of some rows of bodies, before these are deleted."""
    if connection.get_execution_options().get(LOGS_APART):
        return  # there the words go with the row
    said = connection.execute(select(request_log_bodies).where(of)).all()
    entries = [*entries_of((row.seq, unpack_content(row.content)) for row in said)]
    if entries:
        cursor: Any = connection.connection.cursor()
        cursor.executemany(FullTextStatements(is_sqlite=connection.dialect.name == "sqlite").take_out, entries)
        cursor.close()


def merge_taken_out(connection: Connection) -> None:
    """Let go of some words that were taken out, where they are kept until then: for who takes out by the hundred."""
    if connection.dialect.name == "sqlite" and not connection.get_execution_options().get(LOGS_APART):
        connection.execute(text(_MERGE_PAIRS))
        connection.execute(text(_MERGE_SOME))


def entry_of(seq: int, said: Content) -> Entry | None:
    """Return a log's entry; None when there is nothing to find it by."""
    words = said_words(said.input), said_words(said.output)
    return (*words, seq) if words != ("", "") else None


def entries_of(said: Iterable[tuple[int, Content]]) -> Iterator[Entry]:
    """Yield the entries of logs, by their numbers and what was said in them."""
    for seq, content in said:
        entry = entry_of(seq, content)
        if entry is not None:
            yield entry


def said_words(said: str | None) -> str:
    """Return the text in a stored input or output: of JSON the strings that say something, of plain text all of it."""
    if not said:
        return ""
    if said[0] in "[{":
        try:
            said = " ".join(_texts_in(said))
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            pass
    return said[:MOST_CHARACTERS].replace("\0", " ")


def _texts_in(said: str) -> list[str]:
    """Return the texts in a JSON text. Raises msgspec.DecodeError."""
    try:
        plain = decode_plain(said)
    except msgspec.ValidationError:
        found: list[str] = []
        _gather(msgspec.json.decode(said), found)
        return found
    if type(plain) is PlainMessage:
        return [plain.content] if _is_text(plain.content) else []
    return [text for message in plain if _is_text(text := message.content)]


def _is_text(value: str) -> bool:
    return len(value) <= _DATA_LENGTH or " " in value[:_DATA_LENGTH] or not value[:_DATA_LENGTH].isascii()


def _gather(value: Any, into: list[str]) -> None:
    """Add the texts in a value. Not a generator: each of those costs as much as the text it returns."""
    if isinstance(value, str):
        if _is_text(value):
            into.append(value)
    elif isinstance(value, dict):
        for name, member in value.items():
            if name not in _SILENT:
                _gather(member, into)
    elif isinstance(value, list):
        for item in value:
            _gather(item, into)


def phrases_in(search: str) -> list[Phrase]:
    """Return what a search asks for: each word, `"words in this order"`, or the beginning of a word as `begin*`."""
    phrases = []
    for match in _PHRASE.finditer(search):
        given = match["plain"] or match["quoted"] or ""
        words = tuple(_WORD.findall(given))[:MOST_WORDS]
        if words:
            phrases.append(Phrase(words, open_end=match["plain"] is not None and given.endswith("*")))
    return phrases[:MOST_WORDS]


def begins(words: str) -> list[Phrase]:
    """Return these words as one phrase whose last word may go on."""
    found = tuple(_WORD.findall(words))[:MOST_WORDS]
    return [Phrase(found, open_end=True)] if found else []


def match_text(phrases: Iterable[Phrase]) -> str:
    """Return an expression of FTS5."""
    return " AND ".join(f'"{" ".join(one.words)}"' + (" *" if one.open_end else "") for one in phrases)


def tsquery_text(phrase: Phrase) -> str:
    """Return an expression of PostgreSQL's full text."""
    return " <-> ".join(f"'{word}'" for word in phrase.words) + (":*" if phrase.open_end else "")


def spaced_words(words: str) -> str:
    """Return words in lower case with a space around each, so that a phrase is a part of the text; '' for none."""
    found = _WORD.findall(words.lower())
    return f" {' '.join(found)} " if found else ""


def sought_text(phrase: Phrase) -> str:
    """Return a phrase as it stands in `spaced_words`."""
    return f" {' '.join(phrase.words).lower()}{'' if phrase.open_end else ' '}"

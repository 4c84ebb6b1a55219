"""The words that we find ourselves are those that PostgreSQL finds, whatever the text."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import psycopg
import pytest

from bench.log_queries import Corpus
from gantry.store.full_text import said_words
from gantry.store.lexemes import PROBE, lexemes_of
from gantry.store.log_copy import put_words

_DIFFERENT = (
    "SELECT said, to_tsvector('simple', said)::text, ours::tsvector::text "
    "FROM unnest(%s::text[], %s::text[]) AS texts(said, ours) "
    "WHERE to_tsvector('simple', said)::text <> ours::tsvector::text"
)
_CERTAIN = (
    "",
    'Hello, world! It\'s a test: (one) [two] {three} "four".',
    "**Bold**, `code`, # Head\n\n1. First.\n2. Second;\r\n- item\n--flag.",
    "A well-known state-of-the-art co-op's x-ray2, gpt4-turbo",
    "3.14, 1.2.3 (2.5) and/or /usr/lib e.g. foo.py: 24/7 2024-01-01, 10-20 gpt-4. The 2nd 3D 7b",
    "12 monkeys, 007, 1,000 and 12:30; 100% of $5",
    "snake_case _x x_ a=b a|b c:\\d ^ e",
    PROBE,
    "x" * 2046,
    "the " * 255,
    " ".join(f"w{number}" for number in range(4096)),
)
_UNCERTAIN = (
    "café",
    "www.example.com",
    "3.14.15.9",
    "example.com/path",
    "example.com:80",
    "me@example.com",
    "<b>bold</b>",
    "a & b",
    "gpt-4o",
    "-5",
    "foo.bar-baz",
    "1e5",
    "+5",
    "wait... what",
    "foo._ bar",
    "a\x1fb",
    "a\x0bb",
    "x" * 2047,
    "the " * 256,
    "a " * 4097,
)
_PIECES = (
    *"a B z1 12 007 e 1e5 http www com x86 NaN Word mailto html".split(),
    *"3.14 1.2.3 e.g. foo.py and/or /usr 24/7 10-20 2024-01-01 gpt-4 2nd 7eV well-known x-ray2".split(),
    *"' \" ( ) [ ] { } _ __ - -- : :: ; , , . . .. ! ? * # ` = $ % ^ | \\ / < > & @ ~ + é".split(),
    *(" ", " ", " ", "\n", "\t", ". ", ", ", " - "),
)


@pytest.fixture(name="server")
def _server(postgres_server: str) -> Iterator[Any]:
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        yield connection


def differences(server: Any, texts: Sequence[str]) -> tuple[int, list[Any]]:
    """Return of how many texts we are certain, and those of which we should not be."""
    certain = [(said, ours.decode()) for said in texts if (ours := lexemes_of(said)) is not None]
    found = server.execute(_DIFFERENT, tuple(map(list, zip(*certain, strict=True)))).fetchall()
    return len(certain), found


def test_plain_words_are_found_without_a_server(server: Any) -> None:
    assert differences(server, _CERTAIN) == (len(_CERTAIN), [])


@pytest.mark.parametrize("said", _UNCERTAIN)
def test_what_may_be_more_than_words_is_left_to_the_server(said: str) -> None:
    assert lexemes_of(said) is None


def test_whatever_we_are_certain_of_the_server_sees_likewise(server: Any) -> None:
    chance = random.Random(5)
    for _ in range(10):
        texts = ["".join(chance.choices(_PIECES, k=chance.randrange(12))) for _ in range(3000)]
        certain, found = differences(server, texts)
        assert (certain > 500, found) == (True, [])


def test_words_are_stored_as_the_server_would_have_made_them(server: Any) -> None:
    corpus = Corpus(100)
    texts = [(said_words(log.input), said_words(log.output)) for log in map(corpus.log, range(60))]
    texts += zip(_CERTAIN, reversed(_UNCERTAIN), strict=False)
    texts += zip(_UNCERTAIN, _UNCERTAIN, strict=True)
    server.execute("CREATE TEMP TABLE request_log_texts (seq bigint, input tsvector, output tsvector)")
    with server.cursor() as cursor:
        put_words(cursor, ((said, answered, number) for number, (said, answered) in enumerate(texts)), len(texts))
    stored = server.execute("SELECT seq, input::text, output::text FROM request_log_texts ORDER BY seq").fetchall()
    made = "SELECT to_tsvector('simple', %s)::text, to_tsvector('simple', %s)::text"
    assert stored == [(number, *server.execute(made, both).fetchone()) for number, both in enumerate(texts)]


def test_a_server_with_words_of_its_own_finds_them_itself(server: Any) -> None:
    server.execute("CREATE TEMP TABLE request_log_texts (seq bigint, input tsvector, output tsvector)")
    server.execute("BEGIN")
    server.execute("ALTER TEXT SEARCH CONFIGURATION simple ALTER MAPPING FOR asciiword WITH english_stem")
    with server.cursor() as cursor:
        put_words(cursor, (("stored words", "", number) for number in range(60)), 60)
    stored = server.execute("SELECT DISTINCT input::text FROM request_log_texts").fetchall()
    server.execute("ROLLBACK")
    assert stored == [("'store':1 'word':2",)]

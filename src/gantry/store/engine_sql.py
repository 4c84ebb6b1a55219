"""What the engines spell differently, as SQL elements with one meaning; `gantry.store.clickhouse` has its own words.

Law: each is a function of its arguments, and no stored value makes one fail: JSON is looked into only where it is JSON,
a number is read only where there is one.
"""

from typing import Any

from sqlalchemy import Boolean, ColumnClause, ColumnElement, Float, Integer, String, column, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from gantry.store.full_text import TABLE, Phrase, match_text, sought_text, tsquery_text
from gantry.store.log_days import COUNTER
from gantry.store.text_patterns import MATCHED_CHARACTERS, NUMBER


class member_of(FunctionElement[str]):  # noqa: N801 - named like the functions beside which it stands
    """(JSON, name): the text of one member of an object; NULL where there is none, or no object."""

    inherit_cache = True
    type = String()


class position_in(FunctionElement[int]):  # noqa: N801
    """(text, part): where the part begins, from 1; 0 when it does not occur."""

    inherit_cache = True
    type = Integer()


class folded(FunctionElement[str]):  # noqa: N801
    """(text): in lower case, of every script."""

    inherit_cache = True
    type = String()


class ordered(FunctionElement[str]):  # noqa: N801
    """(text): compared by its characters' numbers and not by a language's rules."""

    inherit_cache = True
    type = String()


class number_in(FunctionElement[float]):  # noqa: N801
    """(text): the number that it says; NULL when it says none."""

    inherit_cache = True
    type = Float()


class matches(FunctionElement[bool]):  # noqa: N801
    """(text, regular expression): whether it is found in the beginning of the text."""

    inherit_cache = True
    type = Boolean()


class arrived_since(FunctionElement[bool]):  # noqa: N801
    """(seq, number): whether a log arrived from this number on, or when there were no days; on SQLite all may have."""

    inherit_cache = True
    type = Boolean()


class found_by_words(FunctionElement[bool]):  # noqa: N801
    """(seq, which, FTS5 expression, …): whether the log of this number says all phrases.

    Each phrase is there as an expression of PostgreSQL's and as it stands in `full_text.spaced_words`.
    """

    inherit_cache = True
    type = Boolean()


def says(seq: ColumnElement[int], which: str, phrases: list[Phrase]) -> ColumnElement[bool]:
    """Return the condition that a log's `input`, `output` or either (`said`) has all phrases."""
    expression = match_text(phrases)
    if which != "said":
        expression = f"{which} : ({expression})"
    spelled = (literal(spell(one)) for one in phrases for spell in (tsquery_text, sought_text))
    return found_by_words(seq, column(which), literal(expression), *spelled)


def _texts(element: FunctionElement[Any], compiler: SQLCompiler, **options: Any) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


def _where_known(text: str, expression: str) -> str:
    """Return an expression that calls no function of ours for a text that is NULL, as most are: a third of the time."""
    return f"(CASE WHEN {text} IS NOT NULL THEN {expression} END)"


@compiles(member_of, "sqlite")
def _member_of_in_sqlite(element: member_of, compiler: SQLCompiler, **options: Any) -> str:
    text, name = _texts(element, compiler, **options)
    return _where_known(text, f"gantry_member({text}, {name})")


@compiles(member_of, "postgresql")
def _member_of_in_postgresql(element: member_of, compiler: SQLCompiler, **options: Any) -> str:
    text, name = _texts(element, compiler, **options)
    # An escaped NUL is valid JSON that PostgreSQL cannot turn into text.
    return f"(CASE WHEN {text} IS JSON OBJECT AND position('\\u0000' in {text}) = 0 THEN {text}::json ->> {name} END)"


@compiles(position_in, "sqlite")
def _position_in_sqlite(element: position_in, compiler: SQLCompiler, **options: Any) -> str:
    return "instr({}, {})".format(*_texts(element, compiler, **options))


@compiles(position_in, "postgresql")
def _position_in_postgresql(element: position_in, compiler: SQLCompiler, **options: Any) -> str:
    return "strpos({}, {})".format(*_texts(element, compiler, **options))


@compiles(folded, "sqlite")
def _folded_in_sqlite(element: folded, compiler: SQLCompiler, **options: Any) -> str:
    return "gantry_fold({})".format(*_texts(element, compiler, **options))


@compiles(folded, "postgresql")
def _folded_in_postgresql(element: folded, compiler: SQLCompiler, **options: Any) -> str:
    return "lower({})".format(*_texts(element, compiler, **options))


@compiles(ordered, "sqlite")
def _ordered_in_sqlite(element: ordered, compiler: SQLCompiler, **options: Any) -> str:
    return _texts(element, compiler, **options)[0]


@compiles(ordered, "postgresql")
def _ordered_in_postgresql(element: ordered, compiler: SQLCompiler, **options: Any) -> str:
    return '({} COLLATE "C")'.format(*_texts(element, compiler, **options))


@compiles(number_in, "sqlite")
def _number_in_sqlite(element: number_in, compiler: SQLCompiler, **options: Any) -> str:
    (inner,) = element.clauses
    (text,) = _texts(element, compiler, **options)
    if not isinstance(inner, member_of):
        return f"gantry_number({text})"
    known, name = _texts(inner, compiler, **options)
    return _where_known(known, f"gantry_number(gantry_member({known}, {name}))")


@compiles(number_in, "postgresql")
def _number_in_postgresql(element: number_in, compiler: SQLCompiler, **options: Any) -> str:
    (text,) = _texts(element, compiler, **options)
    return f"(CASE WHEN {text} ~ '{NUMBER}' THEN {text}::double precision END)"


@compiles(matches, "sqlite")
def _matches_in_sqlite(element: matches, compiler: SQLCompiler, **options: Any) -> str:
    inner, _ = element.clauses
    text, pattern = _texts(element, compiler, **options)
    matched = f"({text} REGEXP {pattern})"
    return _where_known(text, matched) if isinstance(inner, ColumnClause) else matched


@compiles(matches, "postgresql")
def _matches_in_postgresql(element: matches, compiler: SQLCompiler, **options: Any) -> str:
    text, pattern = _texts(element, compiler, **options)
    return f"(substr({text}, 1, {MATCHED_CHARACTERS}) ~ {pattern})"


@compiles(arrived_since, "sqlite")
def _arrived_in_sqlite(element: arrived_since, compiler: SQLCompiler, **options: Any) -> str:
    return "1"


@compiles(arrived_since, "postgresql")
def _arrived_in_postgresql(element: arrived_since, compiler: SQLCompiler, **options: Any) -> str:
    seq, number = _texts(element, compiler, **options)
    return f"({seq} >= {number} OR {seq} <= {COUNTER})"


@compiles(found_by_words, "sqlite")
def _found_in_sqlite(element: found_by_words, compiler: SQLCompiler, **options: Any) -> str:
    seq, _, expression, *_ = (clause for clause in element.clauses)
    seq_text, match = (compiler.process(clause, **options) for clause in (seq, expression))
    return f"({seq_text} IN (SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH {match}))"  # noqa: S608


@compiles(found_by_words, "postgresql")
def _found_in_postgresql(element: found_by_words, compiler: SQLCompiler, **options: Any) -> str:
    seq, which, _, *phrases = (clause for clause in element.clauses)
    assert isinstance(which, ColumnClause)
    columns = ("input", "output") if which.name == "said" else (which.name,)
    found = []
    for phrase in phrases[::2]:
        query = f"to_tsquery('simple', {compiler.process(phrase, **options)})"
        found.append("(" + " OR ".join(f"{name} @@ {query}" for name in columns) + ")")
    seq_text = compiler.process(seq, **options)
    return f"({seq_text} IN (SELECT seq FROM {TABLE} WHERE {' AND '.join(found)}))"  # noqa: S608

"""A filter as SQL, over request logs or over their sums.

Law: names are looked up and values are bound, so nothing that a caller writes becomes SQL. Unknown is not a match, and
so the negation of it is one (`log_filter`); a plain comparison is left plain, for the sake of indexes.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Float,
    FromClause,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    null,
    or_,
    true,
)

from gantry.core.request_log import CACHED_MODEL
from gantry.core.vocabulary import Outcome
from gantry.store.engine_sql import folded, matches, member_of, number_in, ordered, position_in, says
from gantry.store.full_text import begins, phrases_in
from gantry.store.log_filter import ORDERING, AllOf, AnyOf, Condition, Field, Filter, Kind, Operator, Value
from gantry.store.text_patterns import SIMILAR_SHARE, trigrams_of

_FINE: Final = tuple(outcome.value for outcome in (Outcome.SUCCESS, Outcome.LOGGED))
_ERROR_STATUS: Final = 400
_NANO: Final = 1e9
Expression = ColumnElement[Any]


def condition_of(filters: Filter, table: FromClause) -> ColumnElement[bool]:
    """Return the condition that rows of this table meet."""
    match filters:
        case Condition():
            plain = _plain(filters, table)
            return not_(func.coalesce(plain, false())) if filters.negated else plain
        case AllOf(parts):
            return and_(true(), *(condition_of(part, table) for part in parts))
        case AnyOf(parts):
            return or_(false(), *(condition_of(part, table) for part in parts))


def column_of(field: Field, table: FromClause) -> Expression:
    """Return a field's value: stored, a member of what is stored, or computed."""
    if field.member is not None:
        return member_of(table.c[field.column], field.member)
    stored = table.c.get(field.column)
    return _computed(field.column, table) if stored is None else stored


def _computed(name: str, table: FromClause) -> Expression:
    """Return what `gantry.core.log_item` computes from what is stored, so that what is found is what is shown."""
    column = table.c
    fine = and_(column.outcome.in_(_FINE), column.status_code < _ERROR_STATUS)
    match name:
        case "status":
            return case((fine, "success"), else_="error")
        case "failed":
            return not_(fine)
        case "all_tokens":  # in floating point: two numbers of 64 bits have a sum that no integer holds
            both = cast(column.input_tokens, Float) + cast(column.output_tokens, Float)
            return func.coalesce(cast(column.total_tokens, Float), both)
        case "tokens_per_second":
            return _speed(table)
        case "has_tool_calls":
            return column.tool_calls.is_not(None)
        case "is_root_span":
            return func.coalesce(column.span_parent_id, "") == ""
        case "cache_hit":
            return func.coalesce(column.model == CACHED_MODEL, false())
        case "kept_under":  # by us, or as it was posted
            return func.coalesce(column.cache_key, member_of(column.extra, "cache_key"))
        case "score":  # nothing is evaluated
            return cast(null(), Float)
    raise KeyError(name)


def _speed(table: FromClause) -> Expression:
    """Return output tokens by the time from the first one on, or by all of it."""
    column = table.c
    streamed = and_(column.stream, column.time_to_first_token.is_not(None))
    waited = case((streamed, column.time_to_first_token), else_=0)
    generating = case((column.latency > waited, column.latency - waited), else_=column.latency)
    generated = and_(column.output_tokens > 0, generating > 0, func.coalesce(column.model, "") != CACHED_MODEL)
    return case((generated, column.output_tokens * _NANO / generating))


def _plain(condition: Condition, table: FromClause) -> Expression:
    field, values = condition.field, condition.values
    if field.kind is Kind.SAID:
        phrases = phrases_in if condition.operator is Operator.WORDS else begins
        return or_(*(says(table.c.seq, field.column, phrases(str(value))) for value in values))
    column = column_of(field, table)
    match condition.operator:
        case Operator.ISNULL:
            return column.is_(None)
        case Operator.EMPTY:
            return _is_empty(field.kind, column)
        case Operator.HAS_KEY:
            return or_(*(member_of(column, value).is_not(None) for value in values))
    if condition.operator in ORDERING:
        return _ordering(condition.operator, column, field.kind, values[0])
    if field.kind is Kind.LIST:
        return or_(*(column.is_(None) if one is None else _has(column, condition.operator, one) for one in values))
    if condition.operator is Operator.EQUAL:
        return _equals_any(column, values)
    test = _TEXT_TESTS[condition.operator]
    return or_(*(test(column, str(value)) for value in values))


def _equals_any(column: Expression, values: tuple[Value, ...]) -> Expression:
    known = [value for value in values if value is not None]
    equal = [] if not known else [column == known[0] if len(known) == 1 else column.in_(known)]
    return or_(false(), *equal, *([] if len(known) == len(values) else [column.is_(None)]))


def _is_empty(kind: Kind, column: Expression) -> Expression:
    nothing = {Kind.TEXT: ("",), Kind.LIST: ("", "[]"), Kind.OBJECT: ("", "{}")}.get(kind)
    return column.is_(None) if nothing is None else or_(column.is_(None), column.in_(nothing))


def _ordering(operator: Operator, column: Expression, kind: Kind, value: Value) -> Expression:
    if kind is Kind.TEXT:
        column = number_in(column) if isinstance(value, float) else ordered(column)
    match operator:
        case Operator.LT:
            return column < value
        case Operator.LTE:
            return column <= value
        case Operator.GT:
            return column > value
        case _:
            return column >= value


def _has(column: Expression, operator: Operator, value: Value) -> Expression:
    """Return whether a JSON list of texts, as msgspec writes it, has one; or has it within one, for `icontains`."""
    written = msgspec.json.encode(str(value)).decode()
    if operator is Operator.ICONTAINS:
        return _contains_folded(column, written[1:-1])
    inside = literal(",") + func.substr(column, 2, func.length(column) - 2) + literal(",")
    return _contains(inside, f",{written},")


def _contains(text: Expression, part: str) -> Expression:
    return position_in(text, part) > 0


def _folded(text: Expression, value: str) -> tuple[Expression, str]:
    """Return both in lower case. SQLite's own function is ten times faster and knows ASCII only."""
    return (func.lower(text) if value.isascii() else folded(text)), value.lower()


def _contains_folded(text: Expression, part: str) -> Expression:
    return _contains(*_folded(text, part))


def _equals_folded(text: Expression, value: str) -> Expression:
    lower, wanted = _folded(text, value)
    return lower == wanted


def _starts_with(text: Expression, value: str) -> Expression:
    return func.substr(text, 1, len(value)) == value


def _ends_with(text: Expression, value: str) -> Expression:
    start = func.length(text) - len(value) + 1
    return and_(start > 0, func.substr(text, start) == value)


def _is_like(text: Expression, pattern: str) -> Expression:
    lower, wanted = _folded(text, pattern)
    return lower.like(wanted, escape="\\")


def _matches(text: Expression, pattern: str) -> Expression:
    return matches(text, pattern)


def _is_similar(text: Expression, words: str) -> Expression:
    trigrams = trigrams_of(words)
    padded = literal(" ") + folded(text) + literal(" ")
    common = sum((case((_contains(padded, trigram), 1), else_=0) for trigram in trigrams), literal(0))
    return common >= SIMILAR_SHARE * len(trigrams)


def _says_all(text: Expression, search: str) -> Expression:
    words = {word for phrase in phrases_in(search) for word in phrase.words}
    return and_(true(), *(_contains_folded(text, word) for word in sorted(words)))


_TEXT_TESTS: Final[Mapping[Operator, Callable[[Expression, str], Expression]]] = {
    Operator.IEXACT: _equals_folded,
    Operator.CONTAINS: _contains,
    Operator.ICONTAINS: _contains_folded,
    Operator.STARTSWITH: _starts_with,
    Operator.ENDSWITH: _ends_with,
    Operator.ILIKE: _is_like,
    Operator.REGEX: _matches,
    Operator.SIMILAR: _is_similar,
    Operator.WORDS: _says_all,
}

"""A request log as a row and back. Writing is positional and in C: it is done ten thousand times a second.

Columns that many logs have no value for stand last, and a row may end before them. Binding a value that is not plain
text or a plain number costs sqlite3 a search for an adapter, also None, True and members of enums: with short rows,
words for members and numbers for flags a row takes half the time.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any

from msgspec.structs import astuple

from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.store.content import Content, unpack_content
from gantry.store.tables import RARE_FROM, request_logs

INDEXED_LENGTH = 254  # characters of a text that stands in an index: PostgreSQL bounds the bytes of an index entry
_NANO = 1_000_000_000
_LARGEST = 2**63 - 1

_IN_USAGE = Usage.__struct_fields__
_RENAMED = {"usage_estimated": "estimated", "input_audio": "input_audio_seconds"}
_WORDS = ("environment", "log_method", "outcome")
_FLAGS = ("stream", "price_missing", "content_truncated", "estimated")
# What `_values_of` returns: of a name that stands twice, the plain value is the last.
_VALUES = (*RequestLog.__struct_fields__, *_IN_USAGE, *_WORDS, *_FLAGS)

COLUMNS = tuple(column.name for column in request_logs.c if column.name != "seq")
SHORT_COLUMNS = COLUMNS[: COLUMNS.index(RARE_FROM)]
_RARE = COLUMNS[len(SHORT_COLUMNS) :]


def _picker_of(columns: Sequence[str], values: Sequence[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    places = {name: place for place, name in enumerate(values)}
    return itemgetter(*(places[_RENAMED.get(name, name)] for name in columns))


_pick_plain, _pick_rare = _picker_of(SHORT_COLUMNS, _VALUES), _picker_of(_RARE, _VALUES)
_pick_common = _picker_of(SHORT_COLUMNS, _VALUES[: -len(_FLAGS)])  # with flags as they are
_NOTHING_RARE = (None,) * len(_RARE)
_STEPS = (16, 4, 1)  # in which the last known of the rare values is looked for: one by one takes four times as long
_AUDIO = _RARE.index("input_audio")
_INDEXED = tuple(SHORT_COLUMNS.index(name) for name in ("log_id", "model", "provider_id"))
_CUSTOMER = _RARE.index("customer_identifier")

# The way back: an export reads a million rows.
_ALL = tuple(request_logs.c.keys())
_SAID = Content.__struct_fields__
_pick_log = _picker_of(RequestLog.__struct_fields__, (*_ALL, *_WORDS, "usage", *_SAID))
_USAGE_COLUMNS = (*(name for name in _IN_USAGE if name in COLUMNS), "usage_estimated")
_USAGE_IN_ROW = tuple(_RENAMED.get(name, name) for name in _USAGE_COLUMNS)
_pick_usage = itemgetter(*map(_ALL.index, _USAGE_COLUMNS))
_pick_words = itemgetter(*map(_ALL.index, _WORDS))
_AUDIO_IN_ROW = _ALL.index("input_audio")
_NOTHING_SAID = Content(None, None, None, None)

Row = Sequence[Any]


def row_of(log: RequestLog) -> Row:
    """Return the values of a log in the order of COLUMNS."""
    values = _values_of(log)
    return _bounded(_pick_common(values)) + _rare_of(_pick_rare(values))


def short_row_of(log: RequestLog) -> Row:
    """Return the values in the order of COLUMNS up to the last known one, SHORT_COLUMNS at least; flags as numbers."""
    values = _values_of(log)
    rare = _pick_rare(values)
    common = _bounded(_pick_plain(values))
    end = len(rare)
    for step in _STEPS:
        while end >= step and rare[end - step : end] == _NOTHING_RARE[:step]:
            end -= step
    return common + _rare_of(rare)[:end] if end else common


def _values_of(log: RequestLog) -> tuple[Any, ...]:
    """Return all values at once: asking for each by its name takes twice as long."""
    usage = log.usage
    words = (log.environment._value_, log.log_method._value_, log.outcome._value_)
    flags = (+log.stream, +log.price_missing, +log.content_truncated, +usage.estimated)
    return (*astuple(log), *astuple(usage), *words, *flags)


def _bounded(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return common values with those in an index at their bounded length."""
    for index in _INDEXED:
        text = row[index]
        if text is not None and len(text) > INDEXED_LENGTH:
            row = (*row[:index], text[:INDEXED_LENGTH], *row[index + 1 :])
    return row


def _rare_of(values: tuple[Any, ...]) -> tuple[Any, ...]:
    row = list(values)
    if row[_AUDIO] is not None:
        row[_AUDIO] = int(row[_AUDIO] * _NANO)
    if row[_CUSTOMER] is not None:
        row[_CUSTOMER] = row[_CUSTOMER][:INDEXED_LENGTH]
    return tuple(row)


def storable(row: Row) -> Row:
    """Return a row that every engine takes: no NUL, no lone surrogate, no integer beyond 64 bits.

    Only for rows that an engine refused: what a caller sends must not be able to stop the clerk.
    """
    return [_storable(value) for value in row]


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return max(-_LARGEST, min(value, _LARGEST))
    return value


def log_of(row: Sequence[Any], content: bytes | None) -> RequestLog:
    """Return the log of a row, all columns of request_logs, with what was said in it when that was read too."""
    audio = row[_AUDIO_IN_ROW]
    usage = Usage(
        **dict(zip(_USAGE_IN_ROW, _pick_usage(row), strict=True)),
        input_audio_seconds=None if audio is None else Decimal(audio) / _NANO,
    )
    environment, log_method, outcome = _pick_words(row)
    words = (Environment(environment), LogMethod(log_method), Outcome(outcome))
    said = _NOTHING_SAID if content is None else unpack_content(content)
    return RequestLog(*_pick_log((*row[: len(_ALL)], *words, usage, *astuple(said))))

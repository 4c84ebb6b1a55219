"""A request log as a row and back. Writing is positional and in C: it is done ten thousand times a second.

Columns that many logs have no value for stand last, and a row may end before them. Binding a value that is not plain
text or a plain number costs sqlite3 a search for an adapter, also None, True and members of enums: with short rows,
words for members and numbers for flags a row takes half the time.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

from msgspec.structs import astuple

from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.store.content import Content, unpack_content
from gantry.store.log_tables import RARE_FROM, request_logs

INDEXED_LENGTH: Final = 254  # characters of a text in an index: PostgreSQL bounds the bytes of an entry
_NANO: Final = 1_000_000_000
_LARGEST: Final = 2**63 - 1

_FIELDS = RequestLog.__struct_fields__
_IN_USAGE = Usage.__struct_fields__
_RENAMED = {"usage_estimated": "estimated", "input_audio": "input_audio_seconds"}
_WORDS = ("environment", "log_method", "outcome")
_VALUES = (*_FIELDS, *_IN_USAGE)

COLUMNS = tuple(column.name for column in request_logs.c if column.name != "seq")
SHORT_COLUMNS = COLUMNS[: COLUMNS.index(RARE_FROM)]


def _picker_of(columns: Sequence[str], values: Sequence[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    places = {name: place for place, name in enumerate(values)}
    return itemgetter(*(places[_RENAMED.get(name, name)] for name in columns))


def _from(first: str, last: str, names: tuple[str, ...] = _FIELDS) -> slice:
    """Return where these names stand, and all between them."""
    return slice(names.index(first), names.index(last) + 1)


# Where those of the rare values stand that most logs have none of.
_FAILED: Final = _from("error_message", "warnings")
_KEPT: Final = _from("charged", "extra")
_TOOLS: Final = _from("tool_calls", "changes")
_LABELS: Final = _from("customer_identifier", "customer_markup_ppm")
_RARE_USED: Final = _from("input_audio_seconds", "input_video_tokens", _IN_USAGE)
_WRITTEN: Final = _IN_USAGE.index("cache_write_tokens")


def _none(run: slice) -> tuple[None, ...]:
    return (None,) * len(range(run.stop)[run])


_NONE_FAILED: Final = _none(_FAILED)
_NONE_KEPT: Final = _none(_KEPT)
_NO_TOOLS: Final = _none(_TOOLS)
_NO_LABELS: Final = _none(_LABELS)
_NONE_RARE: Final = _none(_RARE_USED)

_pick_all: Final = _picker_of(COLUMNS, _VALUES)
_pick_usual: Final = _picker_of(COLUMNS[: COLUMNS.index("reasoning_tokens") + 1], _VALUES)
_STEPS: Final = (16, 4)  # in which the last known of the rare values is looked for: one by one takes longer
_MEMBERS: Final = tuple(map(COLUMNS.index, _WORDS))
_FLAGS: Final = tuple(map(COLUMNS.index, ("stream", "usage_estimated", "price_missing", "content_truncated")))
_INDEXED: Final = tuple(map(COLUMNS.index, ("log_id", "model", "provider_id")))
_AUDIO: Final = COLUMNS.index("input_audio")
_CUSTOMER: Final = COLUMNS.index("customer_identifier")
_astuple: Final = astuple

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
Mend = Callable[[Row], Row]  # what an engine refused, or may refuse, into what it takes


def rows_of(logs: Iterable[RequestLog], row_of: Callable[[RequestLog], list[Any]], mend: Mend) -> list[Row]:
    return [mend(row_of(log)) for log in logs]


def numbered_rows(numbers: Iterable[int], rows: Iterable[Row]) -> list[list[Any]]:
    return [[number, *row] for number, row in zip(numbers, rows, strict=True)]


def row_of(log: RequestLog) -> list[Any]:
    """Return the values of a log in the order of COLUMNS."""
    row: list[Any] = [*_pick_all(_astuple(log) + _astuple(log.usage))]
    _make_storable(row)
    customer = row[_CUSTOMER]
    if customer is not None and len(customer) > INDEXED_LENGTH:
        row[_CUSTOMER] = customer[:INDEXED_LENGTH]
    if row[_AUDIO] is not None:
        row[_AUDIO] = int(row[_AUDIO] * _NANO)
    return row


def short_row_of(log: RequestLog) -> list[Any]:
    """Return the values in the order of COLUMNS up to the last known one, SHORT_COLUMNS at least; flags as numbers."""
    values, used = _astuple(log), _astuple(log.usage)
    if (
        used[_WRITTEN] is None
        and used[_RARE_USED] == _NONE_RARE
        and values[_LABELS] == _NO_LABELS
        and values[_KEPT] == _NONE_KEPT
        and values[_FAILED] == _NONE_FAILED
        and values[_TOOLS] == _NO_TOOLS
    ):
        row: list[Any] = [*_pick_usual(values + used)]
        _make_storable(row)
    else:
        row = row_of(log)
        for step in _STEPS:
            nothing = [None] * step
            while row[-step:] == nothing:
                del row[-step:]
    while row[-1] is None:
        row.pop()
    for place in _FLAGS:
        row[place] = 1 if row[place] else 0
    return row


def _make_storable(row: list[Any]) -> None:
    """Put words in the place of members, and bound the texts that stand in an index."""
    for place in _MEMBERS:
        row[place] = row[place]._value_
    for place in _INDEXED:
        text = row[place]
        if text is not None and len(text) > INDEXED_LENGTH:
            row[place] = text[:INDEXED_LENGTH]


def said_in(logs: Iterable[tuple[int, RequestLog]], mend: Mend) -> list[tuple[int, Content]]:
    """Return what was said in logs, by their numbers, of those in which something was."""
    said = []
    for seq, log in logs:
        request, asked, response, answered = log.full_request, log.input, log.full_response, log.output
        if not (request is None and asked is None and response is None and answered is None):
            said.append((seq, Content(*mend((request, asked, response, answered)))))
    return said


def as_it_is(row: Row) -> Row:
    return row


def storable(row: Row) -> Row:
    """Return a row that every engine takes: no NUL, no lone surrogate, no integer beyond 64 bits.

    Only for rows that an engine refused: what a caller sends must not be able to stop the clerk.
    """
    return [_storable(value) for value in row]


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return max(-_LARGEST, min(value, _LARGEST))
    return value


def log_of(row: Sequence[Any], content: bytes | bytearray | None) -> RequestLog:
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

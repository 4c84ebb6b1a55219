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
from gantry.store.log_tables import RARE_FROM, request_logs

INDEXED_LENGTH = 254  # characters of a text that stands in an index: PostgreSQL bounds the bytes of an index entry
_NANO = 1_000_000_000
_LARGEST = 2**63 - 1

_FIELDS = RequestLog.__struct_fields__
_IN_USAGE = Usage.__struct_fields__
_RENAMED = {"usage_estimated": "estimated", "input_audio": "input_audio_seconds"}
_WORDS = ("environment", "log_method", "outcome")
_VALUES = (*_FIELDS, *_IN_USAGE)

COLUMNS = tuple(column.name for column in request_logs.c if column.name != "seq")
SHORT_COLUMNS = COLUMNS[: COLUMNS.index(RARE_FROM)]
_RARE = COLUMNS[len(SHORT_COLUMNS) :]


def _picker_of(columns: Sequence[str], values: Sequence[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    places = {name: place for place, name in enumerate(values)}
    return itemgetter(*(places[_RENAMED.get(name, name)] for name in columns))


def _from(first: str, last: str, names: tuple[str, ...] = _FIELDS) -> slice:
    """Return where these names stand, and all between them."""
    return slice(names.index(first), names.index(last) + 1)


# Runs of fields that follow each other in a log as their columns do: a slice takes them at once.
_WHOSE = _from("log_id", "key_id")
_CALLED = _from("log_type", "attempts")
_ENDED = _from("status_code", "ended_at")
_TIMED = _from("latency", "routing_time")
_CHARGED = _from("usage_raw", "cost_by_unit")
_PRICED = _from("price_source", "price_version")
_ANSWERED = _from("finish_reason", "upstream_request_id")
_SIZED = _from("request_bytes", "response_bytes")
_SENT = _from("user_agent", "snapshot_version")
_ASKED = _from("temperature", "max_tokens")  # the first of the rare ones; two of the usage are next
# Where all other rare values stand.
_FAILED = _from("error_message", "warnings")
_KEPT = _from("charged", "extra")
_TOOLS = _from("tool_calls", "changes")
_LABELS = _from("customer_identifier", "customer_markup_ppm")
_RARE_USED = _from("input_audio_seconds", "input_video_tokens", _IN_USAGE)
_NO_OTHERS = (None,) * sum(run.stop - run.start for run in (_FAILED, _KEPT, _TOOLS, _LABELS, _RARE_USED))

_pick_rare = _picker_of(_RARE, _VALUES)
_STEPS = (16, 4)  # in which the last known of the rare values is looked for: one by one takes longer
_NOTHING_RARE = (None,) * len(_RARE)
_AUDIO = _RARE.index("input_audio")
_INDEXED = tuple(SHORT_COLUMNS.index(name) for name in ("log_id", "model", "provider_id"))
_pick_indexed = itemgetter(*_INDEXED)
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
    values, usage = astuple(log), log.usage
    flags = (log.stream, usage.estimated, log.price_missing, log.content_truncated)
    return _common_of(log, values, flags) + _rare_of(_pick_rare(values + astuple(usage)))


def short_row_of(log: RequestLog) -> Row:
    """Return the values in the order of COLUMNS up to the last known one, SHORT_COLUMNS at least; flags as numbers."""
    usage = log.usage
    values, used = astuple(log), astuple(usage)
    common = _common_of(log, values, (+log.stream, +usage.estimated, +log.price_missing, +log.content_truncated))
    others = (*used[_RARE_USED], *values[_FAILED], *values[_KEPT], *values[_TOOLS], *values[_LABELS])
    if others == _NO_OTHERS and usage.cache_write_tokens is None:
        rare: tuple[Any, ...] = (*values[_ASKED], usage.cached_input_tokens, usage.reasoning_tokens)
    else:
        rare = _rare_of(_pick_rare(values + used))
        end = len(rare)
        for step in _STEPS:
            while end >= step and rare[end - step : end] == _NOTHING_RARE[:step]:
                end -= step
        rare = rare[:end]
    while rare and rare[-1] is None:
        rare = rare[:-1]
    return common + rare


def _common_of(log: RequestLog, values: tuple[Any, ...], flags: tuple[int, int, int, int]) -> tuple[Any, ...]:
    """Return the values of SHORT_COLUMNS out of a log and its values; the flags in the order of their columns."""
    usage = log.usage
    is_stream, is_estimated, is_unpriced, is_truncated = flags
    row = (
        *values[_WHOSE],
        log.environment._value_,
        log.log_method._value_,
        *values[_CALLED],
        log.outcome._value_,
        *values[_ENDED],
        *values[_TIMED],
        is_stream,
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
        is_estimated,
        *values[_CHARGED],
        is_unpriced,
        *values[_PRICED],
        *values[_ANSWERED],
        *values[_SIZED],
        is_truncated,
        *values[_SENT],
    )
    log_id, model, provider_id = _pick_indexed(row)
    if len(log_id) <= INDEXED_LENGTH >= len(model or "") and len(provider_id or "") <= INDEXED_LENGTH:
        return row
    return tuple(
        value[:INDEXED_LENGTH] if place in _INDEXED and value is not None else value for place, value in enumerate(row)
    )


def _rare_of(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the rare values as they are stored."""
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

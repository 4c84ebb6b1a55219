"""A request log as a row and back. Writing is positional and in C: it is done ten thousand times a second."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

from gantry.core.request_log import RequestLog
from gantry.core.usage import Usage
from gantry.core.vocabulary import Environment, LogMethod, Outcome
from gantry.store.content import Content, unpack_content
from gantry.store.tables import request_logs

INDEXED_LENGTH = 254  # characters of a text that stands in an index: PostgreSQL bounds the bytes of an index entry
_NANO = 1_000_000_000
_LARGEST = 2**63 - 1

_IN_USAGE = {name: f"usage.{name}" for name in Usage.__struct_fields__}
_PATHS = {**_IN_USAGE, "usage_estimated": "usage.estimated", "input_audio": "usage.input_audio_seconds"}

COLUMNS = tuple(column.name for column in request_logs.c if column.name != "seq")
_read = attrgetter(*(_PATHS.get(name, name) for name in COLUMNS))
_AUDIO = COLUMNS.index("input_audio")
_INDEXED = tuple(COLUMNS.index(name) for name in ("log_id", "model", "provider_id", "customer_identifier"))

Row = Sequence[Any]


def row_of(log: RequestLog) -> Row:
    """Return the values of a log in the order of COLUMNS."""
    row: tuple[Any, ...] = _read(log)
    audio = row[_AUDIO]
    if audio is not None:
        row = (*row[:_AUDIO], int(audio * _NANO), *row[_AUDIO + 1 :])
    for index in _INDEXED:
        text = row[index]
        if text is not None and len(text) > INDEXED_LENGTH:
            row = (*row[:index], text[:INDEXED_LENGTH], *row[index + 1 :])
    return row


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


def log_of(row: Mapping[str, Any], content: bytes | None) -> RequestLog:
    """Return the log of a row, with what was said in it when that was read too."""
    values = {name: row[name] for name in COLUMNS if name not in _PATHS}
    audio = row["input_audio"]
    usage = Usage(
        **{name: row[name] for name in _IN_USAGE if name in row},
        input_audio_seconds=None if audio is None else Decimal(audio) / _NANO,
        estimated=row["usage_estimated"],
    )
    said = Content(None, None, None, None) if content is None else unpack_content(content)
    values["environment"] = Environment(values["environment"])
    values["log_method"] = LogMethod(values["log_method"])
    values["outcome"] = Outcome(values["outcome"])
    return RequestLog(
        **values,
        usage=usage,
        full_request=said.full_request,
        full_response=said.full_response,
        input=said.input,
        output=said.output,
    )

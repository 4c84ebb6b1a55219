"""Pricing stored logs again: reading what their prices depend on, page by page, and writing other prices.

Law: a page is priced outside of any transaction and written in one, with the sums by hour and by day. A price is put
only over the one that was read, and counts in the sums only where it was put: a log that was deleted or priced by
another in between is left, so this may run beside anybody, and end anywhere.
"""

from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, and_, bindparam, or_, select, update

from gantry.core.priced_log import NewPrice, PricedLog
from gantry.core.usage import Usage
from gantry.store.log_tables import request_logs

_NANO: Final = 1_000_000_000
_USAGE: Final = tuple(name for name in Usage.__struct_fields__ if name in request_logs.c)
_PLAIN: Final = tuple(name for name in PricedLog.__struct_fields__ if name != "usage")
_BEFORE_USAGE: Final = _PLAIN[: PricedLog.__struct_fields__.index("usage")]
_COLUMNS: Final = (*_PLAIN, *_USAGE, "usage_estimated", "input_audio")
_NEW: Final = NewPrice.__struct_fields__[1:]
WRITTEN: Final = tuple(column.name for column in request_logs.c if column.name in _NEW)  # in which order SQL has them
_IN_JSON: Final = (*WRITTEN, "seq", "cost_before", "missing_before")
_pick_new: Final = attrgetter(*WRITTEN)

Mark = tuple[int, int]  # the start and the number of the last log of a page
START: Final[Mark] = (0, 0)


class PricedQuery(Struct, frozen=True, kw_only=True):
    """The logs of an organization that started from one moment until before another, ns since the epoch."""

    organization_id: str
    since: int
    until: int
    model: str | None = None  # as it was asked for, or as it served
    provider_id: str | None = None


def read_priced(connection: Connection, query: PricedQuery, after: Mark, limit: int) -> list[PricedLog]:
    """Return the logs that follow a mark, by their start."""
    logs = request_logs.c
    started_at, seq = after
    statement = (
        select(*(logs[name] for name in _COLUMNS))
        .where(
            logs.organization_id == query.organization_id,
            logs.started_at >= max(query.since, started_at),
            logs.started_at < query.until,
            or_(logs.started_at > started_at, logs.seq > seq),
        )
        .order_by(logs.started_at, logs.seq)
        .limit(limit)
    )
    if query.model is not None:
        statement = statement.where(or_(logs.model == query.model, logs.requested_model == query.model))
    if query.provider_id is not None:
        statement = statement.where(logs.provider_id == query.provider_id)
    return [_log_of(row) for row in connection.execute(statement).all()]


def put_price() -> Any:
    """Return the statement that writes a price over the one that was read, for `parameters_of`."""
    logs = request_logs.c
    return (
        update(request_logs)
        .where(
            and_(
                logs.seq == bindparam("seq"),
                logs.cost.is_not_distinct_from(bindparam("cost_before", type_=logs.cost.type)),
                logs.price_missing == bindparam("missing_before", type_=logs.price_missing.type),
            )
        )
        .values({name: bindparam(f"new_{name}", type_=logs[name].type) for name in WRITTEN})
    )


def put_prices_at_once(dialect: Any) -> str:
    """Return the same as one statement of PostgreSQL's, for many prices as `json_of` has them.

    It returns the numbers of the rows that it wrote. One by one, each row costs a plan.
    """
    names = (*WRITTEN, "seq", "cost", "price_missing")
    kinds = [request_logs.c[name].type.compile(dialect=dialect) for name in names]
    given = ", ".join(f"{name} {kind}" for name, kind in zip(_IN_JSON, kinds, strict=True))
    written = ", ".join(f"{name} = new.{name}" for name in WRITTEN)
    return (
        f"UPDATE request_logs SET {written} FROM json_to_recordset(%s) AS new({given}) "  # noqa: S608 - names of columns
        "WHERE request_logs.seq = new.seq AND request_logs.cost IS NOT DISTINCT FROM new.cost_before "
        "AND request_logs.price_missing = new.missing_before RETURNING request_logs.seq"
    )


def json_of(prices: Sequence[NewPrice]) -> str:
    """Return the parameter of `put_prices_at_once`."""
    return msgspec.json.encode([dict(zip(_IN_JSON, parameters_of(price), strict=True)) for price in prices]).decode()


def parameters_of(price: NewPrice) -> tuple[Any, ...]:
    """Return the parameters of `put_price`, in its order."""
    log = price.log
    return (*_pick_new(price), log.seq, log.cost, log.price_missing)


def _log_of(row: Sequence[Any]) -> PricedLog:
    plain, (*counted, estimated, audio) = row[: len(_PLAIN)], row[len(_PLAIN) :]
    usage = Usage(
        **dict(zip(_USAGE, counted, strict=True)),
        estimated=estimated,
        input_audio_seconds=None if audio is None else Decimal(audio) / _NANO,
    )
    before = len(_BEFORE_USAGE)
    return PricedLog(*(*plain[:before], usage, *plain[before:]))

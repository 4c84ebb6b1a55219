"""What the response cache keeps, as rows: to be listed, summed and deleted by people. The answers are files elsewhere.

Law: rows follow the files, through the journal, and never lead: no answer is given or withheld for what stands here. An
entry has one row however often it is kept anew, and its sums go on. What was said is read from the log of the call that
an answer was first given to; where that is deleted, the entry shows none.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Float, Select, and_, bindparam, cast, delete, func, select, update

from gantry.core.request_log import RequestLog
from gantry.store.filter_sql import condition_of
from gantry.store.log_filter import EVERYTHING, NANO, Field, Filter, FilterRefused, Kind
from gantry.store.log_query import with_said
from gantry.store.log_rows import INDEXED_LENGTH, log_of, storable
from gantry.store.log_tables import cached_answers, request_log_bodies, request_logs
from gantry.store.upsert import insert_into

_LARGEST_ID: Final = 2**63 - 1

FIELDS: Final[Mapping[str, Field]] = {
    "id": Field("id", Kind.NUMBER),
    "cache_key": Field("cache_key"),
    "model": Field("model"),
    "hit_count": Field("hits", Kind.NUMBER),
    "saved_cost": Field("saved_cost", Kind.NUMBER, NANO),
    "timestamp": Field("kept_at", Kind.TIME),
    "updated_at": Field("updated_at", Kind.TIME),
    "expiry_date": Field("expires_at", Kind.TIME),
}


class AnswerKept(Struct, frozen=True, gc=False):
    """An answer was kept, under a new name or an old one."""

    organization_id: str
    cache_key: str
    log_id: str
    model: str | None
    kept_at: int
    expires_at: int


class AnswerGiven(Struct, frozen=True, gc=False):
    """A kept answer was given once more, and saved so much."""

    organization_id: str
    cache_key: str
    at: int
    cost: int
    tokens: int
    time: int


class CacheChanges(Struct, frozen=True):
    """What happened in the cache; applied in this order: what is `kept` is there now, perhaps anew."""

    swept: list[str] = []
    kept: list[AnswerKept] = []
    given: list[AnswerGiven] = []


class CacheEntry(Struct, frozen=True):
    """A row, and the log of the call that the answer was first given to. Money in nano-dollars, times in ns."""

    id: int
    cache_key: str
    model: str | None
    kept_at: int
    updated_at: int
    expires_at: int
    hits: int
    saved_cost: int
    saved_tokens: int
    saved_time: int
    log: RequestLog | None


class CacheSums(Struct, frozen=True):
    """Over all entries that match."""

    entries: int = 0
    hits: int = 0
    saved_cost: int = 0
    saved_tokens: int = 0
    saved_time: int = 0


class CacheQuery(Struct, frozen=True, kw_only=True):
    """A page of an organization's entries that have not expired `now`, those that changed last first."""

    organization_id: str
    now: int
    filters: Filter = EVERYTHING
    page: int = 1
    page_size: int = 100


def field_named(name: str) -> Field:
    """Return the field of an entry that the API calls so. Raises FilterRefused."""
    field = FIELDS.get(name)
    if field is None:
        known = ", ".join(sorted(FIELDS))
        raise FilterRefused(f"There is no field `{name}` of cache entries to filter by. Known are: {known}.", name)
    return field


def apply_changes(connection: Connection, changes: CacheChanges, *, is_sqlite: bool) -> None:
    """Bring the rows up to what happened; what has expired by the time of the last answer kept goes.

    Rows are written in the order of names, so that two nodes do not lock each other out.
    """
    columns = cached_answers.c
    if changes.swept:
        swept = sorted(set(changes.swept))
        connection.execute(delete(cached_answers).where(columns.cache_key == bindparam("k")), [{"k": k} for k in swept])
    if changes.kept:
        insert = insert_into(cached_answers, is_sqlite=is_sqlite)
        anew = {name: insert.excluded[name] for name in ("log_id", "model", "kept_at", "updated_at", "expires_at")}
        put = insert.on_conflict_do_update(index_elements=["organization_id", "cache_key"], set_=anew)
        in_order = sorted(changes.kept, key=lambda one: (one.organization_id, one.cache_key))
        connection.execute(put, [_row_of(one) for one in in_order])
        now = max(one.kept_at for one in changes.kept)
        connection.execute(delete(cached_answers).where(columns.expires_at <= now))
    if changes.given:
        same = and_(columns.organization_id == bindparam("o"), columns.cache_key == bindparam("k"))
        add = update(cached_answers).where(same)
        sums = {
            "hits": columns.hits + bindparam("count"),
            "saved_cost": columns.saved_cost + bindparam("cost"),
            "saved_tokens": columns.saved_tokens + bindparam("tokens"),
            "saved_time": columns.saved_time + bindparam("time"),
            "updated_at": bindparam("at"),
        }
        connection.execute(add.values(sums), _added_up(changes.given))


def read_entries(connection: Connection, query: CacheQuery) -> list[CacheEntry]:
    columns = cached_answers.c
    rows = connection.execute(
        select(cached_answers)
        .where(_matching(query))
        .order_by(columns.updated_at.desc(), columns.id.desc())
        .limit(query.page_size)
        .offset((query.page - 1) * query.page_size)
    ).all()
    return _entries(connection, query.organization_id, rows)


def find_entry(connection: Connection, organization_id: str, entry_id: int) -> CacheEntry | None:
    owned = and_(cached_answers.c.organization_id == organization_id, _is_one_of([entry_id]))
    found = _entries(connection, organization_id, connection.execute(select(cached_answers).where(owned)).all())
    return found[0] if found else None


def sum_entries(connection: Connection, query: CacheQuery) -> CacheSums:
    columns = cached_answers.c
    summed = (columns.hits, columns.saved_cost, columns.saved_tokens, columns.saved_time)
    sums = (func.sum(cast(column, Float)) for column in summed)  # an integer sum fails beyond 64 bits
    statement = select(func.count(), *sums).select_from(cached_answers).where(_matching(query))
    return CacheSums(*(int(value or 0) for value in connection.execute(statement).one()))


def keys_of(connection: Connection, organization_id: str, ids: Collection[int]) -> list[str]:
    """Return the names of some entries of an organization."""
    owned = and_(cached_answers.c.organization_id == organization_id, _is_one_of(ids))
    return list(connection.scalars(select(cached_answers.c.cache_key).where(owned)))


def delete_entries(connection: Connection, organization_id: str, keys: Collection[str] | None) -> list[str]:
    """Delete some entries of an organization, or all; return the names of those that were there."""
    columns = cached_answers.c
    owned: ColumnElement[bool] = columns.organization_id == organization_id
    if keys is not None:
        owned = and_(owned, columns.cache_key.in_(storable(list(keys))))
    return list(connection.scalars(delete(cached_answers).where(owned).returning(columns.cache_key)))


def _is_one_of(ids: Iterable[int]) -> ColumnElement[bool]:
    return cached_answers.c.id.in_([number for number in ids if 0 < number <= _LARGEST_ID])


def _matching(query: CacheQuery) -> ColumnElement[bool]:
    columns = cached_answers.c
    return and_(
        columns.organization_id == query.organization_id,
        columns.expires_at > query.now,
        condition_of(query.filters, cached_answers),
    )


def _entries(connection: Connection, organization_id: str, rows: Sequence[Any]) -> list[CacheEntry]:
    names = [row.log_id for row in rows]
    statement: Select[Any] = with_said(select(request_logs, request_log_bodies.c.content)).where(
        request_logs.c.organization_id == organization_id, request_logs.c.log_id.in_(names)
    )
    logs = {row.log_id: log_of(row, row.content) for row in connection.execute(statement).all()} if names else {}
    return [
        CacheEntry(
            row.id,
            row.cache_key,
            row.model,
            row.kept_at,
            row.updated_at,
            row.expires_at,
            row.hits,
            int(row.saved_cost),
            int(row.saved_tokens),
            int(row.saved_time),
            logs.get(row.log_id),
        )
        for row in rows
    ]


def _row_of(kept: AnswerKept) -> dict[str, Any]:
    model = None if kept.model is None else storable([kept.model[:INDEXED_LENGTH]])[0]
    sums = dict.fromkeys(("hits", "saved_cost", "saved_tokens", "saved_time"), 0)
    return {
        "organization_id": kept.organization_id,
        "cache_key": kept.cache_key,
        "log_id": kept.log_id,
        "model": model,
        "kept_at": kept.kept_at,
        "updated_at": kept.kept_at,
        "expires_at": kept.expires_at,
        **sums,
    }


def _added_up(given: Sequence[AnswerGiven]) -> list[dict[str, Any]]:
    """Return what to add to each entry, in the order of names.

    Bounded: a provider may report tokens whose price is more than an engine holds, and this is read until it is stored.
    """
    sums: dict[tuple[str, str], list[int]] = {}
    for one in given:
        total = sums.setdefault((one.organization_id, one.cache_key), [0, 0, 0, 0, 0])
        for place, amount in enumerate((1, one.cost, one.tokens, one.time)):
            total[place] += amount
        total[4] = max(total[4], one.at)
    return [
        dict(zip(("o", "k", "count", "cost", "tokens", "time", "at"), (*key, *storable(total)), strict=True))
        for key, total in sorted(sums.items())
    ]

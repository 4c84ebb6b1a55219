"""What the response cache keeps of an organization: listed, summed, shown and deleted, in Respan's shapes.

Law: what is deleted is deleted where answers come from first, and then here: once the answer says so, no worker of this
machine gives it again. All that was said is shown, so reading takes the scope `read`; deleting takes `manage`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import Request, Response
from msgspec import Struct

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.filter_grammar import read_filters
from gantry.console.filter_shapes import Filters
from gantry.console.pages import MOST_PAGES, page_link, page_parameters, read_number
from gantry.console.parameters import Moment
from gantry.console.request_logs import json_answer, read_bounded
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.core.audit_entry import AuditAction
from gantry.core.errors import InvalidRequest, NotFound
from gantry.core.log_item import embed, embed_bytes, iso_of, seconds_of
from gantry.core.money import usd_from_nano
from gantry.core.vocabulary import Scope
from gantry.store.cached_answers import CacheEntry, CacheQuery, CacheSums, field_named
from gantry.store.full_text import said_words
from gantry.store.log_filter import FilterRefused
from gantry.store.log_query import MAX_PAGE_SIZE

MOST_NAMED: Final = 1000  # entries deleted by name at a time
_USUAL_PAGE: Final = 100
_LARGEST_CHOICE: Final = 256 * 1024  # so many names, and some space between them
_READERS: Final = requires(Scope.READ)
_MANAGERS: Final = requires(Scope.MANAGE)
_PARAMETERS: Final = page_parameters(_USUAL_PAGE)
_EXCERPT: Final = 100  # characters

router = guarded_router("response cache")


class CacheFilters(Struct, frozen=True):
    filters: Filters = {}


class ChosenEntries(Struct, frozen=True, forbid_unknown_fields=True):
    """Which entries are meant: exactly one of these."""

    cache_keys: list[str] | None = None
    ids: list[int] | None = None
    all: bool | None = None


class ChosenByIds(Struct, frozen=True, forbid_unknown_fields=True):
    ids: list[int]


class CacheItem(Struct, frozen=True, kw_only=True):
    """An entry in a list; null is what is no longer there, since its log is not."""

    id: int
    cache_key: str
    prompt_content: str | None
    response_content: str | None
    hit_count: int
    timestamp: Moment
    updated_at: Moment
    expiry_date: Moment
    model: str | None
    log_id: str | None
    saved_cost: float
    saved_tokens: int
    saved_time: float | None


class FullCacheEntry(CacheItem, frozen=True, kw_only=True):
    request_content: str | None
    prompt_messages: Any
    full_response: Any
    response_time: float | None


class CacheSavings(Struct, frozen=True, kw_only=True):
    total_cost: float
    total_hit_count: int
    total_tokens: int
    total_time: float | None


class CacheSummary(CacheSavings, frozen=True, kw_only=True):
    total_count: int


class CachePage(Struct, frozen=True):
    count: int
    next: str | None
    previous: str | None
    current_filters: dict[str, Any]
    results: list[CacheItem]


class CacheList(Struct, frozen=True):
    summary: CacheSavings
    data: CachePage


class DeletedEntries(Struct, frozen=True):
    success_count: int
    deleted_count: int
    message: str


@router.post("/api/caches", dependencies=[_READERS], openapi_extra=_PARAMETERS)
@shaped(takes=CacheFilters, answers=CacheList)
async def list_cache_entries(request: Request, state: State, caller: Caller) -> Response:
    """List what is kept and has not expired, what changed last first; with what hits have saved."""
    page = read_number(request, "page", 1, MOST_PAGES)
    page_size = read_number(request, "page_size", _USUAL_PAGE, MAX_PAGE_SIZE)
    query, sent = _query(await read_bounded(request), state, caller, page, page_size)
    entries, sums = await state.ask_logs(lambda store: store.cache_entries(query))
    answer = {
        "summary": _summary(sums),
        "data": {
            "count": sums.entries,
            "next": page_link(request, page + 1) if page * page_size < sums.entries else None,
            "previous": page_link(request, page - 1) if page > 1 else None,
            "current_filters": sent,
            "results": [item_of(entry) for entry in entries],
        },
    }
    return json_answer(answer)


@router.post("/api/caches/summary", dependencies=[_READERS])
@shaped(takes=CacheFilters, answers=CacheSummary)
async def sum_cache_entries(request: Request, state: State, caller: Caller) -> Response:
    """Count what is kept, and sum up what hits have saved."""
    query, _ = _query(await read_bounded(request), state, caller)
    sums = await state.ask_logs(lambda store: store.cache_sums(query))
    return json_answer({"total_count": sums.entries, **_summary(sums)})


@router.get("/api/cache/{entry_id}", dependencies=[_READERS])
@shaped(answers=FullCacheEntry)
async def show_cache_entry(entry_id: int, state: State, caller: Caller) -> Response:
    """Show an entry with all that was said."""
    entry = await state.ask_logs(lambda store: store.find_cache_entry(caller.organization_id, entry_id))
    if entry is None:
        raise NotFound("Cache not found")
    return json_answer(full_item_of(entry))


@router.delete("/api/caches/bulk", dependencies=[_MANAGERS])
@shaped(takes=ChosenEntries, answers=DeletedEntries)
async def delete_cache_entries(request: Request, state: State, caller: Caller) -> Response:
    """Delete entries: `{"cache_keys": […]}`, `{"ids": […]}` or `{"all": true}`."""
    chosen = _read(
        await read_bounded(request, _LARGEST_CHOICE),
        ChosenEntries,
        '{"cache_keys": ["…"]}, {"ids": [1]} or {"all": true}',
    )
    given = [name for name in ChosenEntries.__struct_fields__ if getattr(chosen, name) is not None]
    if len(given) != 1 or chosen.all is False:
        raise InvalidRequest("Say exactly one of `cache_keys`, `ids` and `all`.", param="cache_keys")
    return await _delete(state, caller.organization_id, chosen.cache_keys, chosen.ids)


@router.delete("/api/caches", dependencies=[_MANAGERS], deprecated=True)
@shaped(takes=ChosenByIds, answers=DeletedEntries)
async def delete_cache_entries_by_ids(request: Request, state: State, caller: Caller) -> Response:
    """Delete entries by `{"ids": […]}`. Use /api/caches/bulk."""
    chosen = _read(await read_bounded(request, _LARGEST_CHOICE), ChosenEntries, '{"ids": [1]}')
    if chosen.ids is None or chosen.cache_keys is not None or chosen.all is not None:
        raise InvalidRequest("Say `ids`, and nothing else.", param="ids")
    return await _delete(state, caller.organization_id, None, chosen.ids)


async def _delete(state: ConsoleState, organization_id: str, keys: list[str] | None, ids: list[int] | None) -> Response:
    """Delete entries by their names or ids, or all."""
    if len(keys or ids or ()) > MOST_NAMED:
        raise InvalidRequest(
            f"At most {MOST_NAMED} entries are deleted at a time.", param="ids" if ids else "cache_keys"
        )
    if ids is not None:
        keys = await state.ask_logs(lambda store: store.cache_keys(organization_id, ids))
    found = await state.ask_logs(lambda store: _forget(state, organization_id, keys))
    rows = await state.ask_logs(lambda store: store.delete_cache_entries(organization_id, keys))
    gone = max(found, len(rows))
    await state.note(organization_id, AuditAction.CACHE_CLEARED, "all" if keys is None else "some", entries=gone)
    message = f"{gone} cache {'entry' if gone == 1 else 'entries'} deleted"
    return json_answer(DeletedEntries(gone, gone, message))


def _forget(state: ConsoleState, organization_id: str, keys: list[str] | None) -> int:
    """Delete the answers themselves; in a thread, for there may be many."""
    if state.answers is None:
        return 0
    return state.answers.forget_all(organization_id) if keys is None else state.answers.forget(organization_id, keys)


def item_of(entry: CacheEntry) -> dict[str, Any]:
    """Return an entry as an item of a list."""
    log = entry.log
    return {
        "id": entry.id,
        "cache_key": entry.cache_key,
        "prompt_content": None if log is None else said_words(log.input),
        "response_content": None if log is None else said_words(log.output),
        "hit_count": entry.hits,
        "timestamp": iso_of(entry.kept_at),
        "updated_at": iso_of(entry.updated_at),
        "expiry_date": iso_of(entry.expires_at),
        "model": entry.model,
        "log_id": None if log is None else log.log_id,
        "saved_cost": usd_from_nano(entry.saved_cost),
        "saved_tokens": entry.saved_tokens,
        "saved_time": seconds_of(entry.saved_time),
    }


def full_item_of(entry: CacheEntry) -> dict[str, Any]:
    """Return an entry with all that was said."""
    item, log = item_of(entry), entry.log
    return {
        **item,
        "request_content": None if log is None else said_words(log.input)[:_EXCERPT],
        "prompt_messages": None if log is None else embed(log.input),
        "full_response": None if log is None else embed_bytes(log.full_response),
        "response_time": None if log is None else seconds_of(log.latency),
    }


def _summary(sums: CacheSums) -> dict[str, Any]:
    return {
        "total_cost": usd_from_nano(sums.saved_cost),
        "total_hit_count": sums.hits,
        "total_tokens": sums.saved_tokens,
        "total_time": seconds_of(sums.saved_time),
    }


def _query(
    body: bytes, state: ConsoleState, caller: Caller, page: int = 1, page_size: int = 100
) -> tuple[CacheQuery, Mapping[str, Any]]:
    sent = _read(body, CacheFilters, '{"filters": {"hit_count": {"operator": "gte", "value": [1]}}}').filters
    try:
        filters = read_filters(sent, str, field_named)
    except FilterRefused as refused:
        raise InvalidRequest(str(refused), param=refused.field) from None
    query = CacheQuery(
        organization_id=caller.organization_id, now=state.clock(), filters=filters, page=page, page_size=page_size
    )
    return query, sent


def _read(body: bytes, shape: type[Any], like: str) -> Any:
    try:
        return msgspec.json.decode(body if body.strip() else b"{}", type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body must be like {like}: {error}") from None

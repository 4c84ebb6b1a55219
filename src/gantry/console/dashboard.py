"""Dashboards in Respan's shapes: metrics and quantiles over time, what is used most, breakdowns, customers, the cache.

Law: what is shown is summed up once (`store.usage_sums`), so rows add up to their summary and series to their total. A
key sees the figures of its own calls; with the scope `read`, its organization's. What nobody measured is null.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import Path, Request, Response
from msgspec import Meta, Struct, structs

from gantry.console.access import Caller, State, guarded_router, requires
from gantry.console.dashboard_item import (
    ActiveUsers,
    Breakdown,
    CacheHitsOverTime,
    CacheHitsSummary,
    Dashboard,
    EvaluationsOverTime,
    MetricsOverTime,
    MetricsSummary,
    PlatformStats,
    QuantilesOverTime,
    QuantilesSummary,
    StorageOverTime,
    StorageSummary,
    TopItems,
    TotalUsers,
)
from gantry.console.dashboard_question import (
    BREAKDOWNS,
    MOST_ROWS,
    USUAL_ROWS,
    Asker,
    DashboardFilters,
    DashboardGroups,
    Question,
    read_breakdown,
    read_question,
)
from gantry.console.parameters import ENVIRONMENTS, Moment, Parameter, documented
from gantry.console.request_logs import json_answer, key_it_is_bound_to, read_bounded
from gantry.console.respan_sdk import takes_bare_lists
from gantry.console.shapes import shaped
from gantry.console.state import ConsoleState
from gantry.console.usage_groups import OTHERS, UNKNOWN_OF_CUSTOMERS, Group, folded, groups_of, label_of, names_of
from gantry.console.usage_item import (
    MEASURED_BY,
    METRICS,
    added,
    cache_metrics_of,
    elapsed,
    metrics_of,
    picked,
    quantiles_of,
    rows_of,
)
from gantry.core.errors import InvalidRequest, NotFound
from gantry.core.log_item import seconds_of
from gantry.core.money import usd_from_nano
from gantry.core.sketch import Sketch, merge
from gantry.core.time_range import Summed, Tick, TimeRange, make_range, range_before
from gantry.core.vocabulary import Scope
from gantry.store import Connection
from gantry.store.active_customers import count_all, count_by_bucket
from gantry.store.cached_answers import CacheQuery
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore
from gantry.store.usage_quantiles import Sketches, read_sketches
from gantry.store.usage_sums import (
    Found,
    UsageQuery,
    first_day,
    largest_customers,
    nothing,
    read_bytes,
    read_usage,
    spans_for,
    sum_customers,
)

_READERS: Final = requires(Scope.OWN_LOGS, Scope.READ)
_USUAL: Final = Summed.LAST_24H
_WEEKS: Final = 52
_WEEK: Final = 7 * 86_400_000_000_000
_TOPS: Final = {
    "models": "model",
    "keys": "organization_key_id",
    "prompts": "prompt_id",
    "deployments": "deployment_name",
    "users": "customer_identifier",
    "providers": "provider_id",
}
_RANGE: Final = (
    Parameter("summary_type", Summed, "A range around `date`. Default: `last_24h`."),
    Parameter("date", Moment, "A day. Default: today."),
    Parameter("start_time", Moment, "From this time on, instead of `summary_type`."),
    Parameter("end_time", Moment, "Before this time. Default: now."),
    Parameter("time_tick", Tick, "Default: by the range."),
    Parameter(
        "timezone_offset",
        Annotated[float, Meta(ge=-14, le=14, multiple_of=0.25)],
        "Hours by which the zone is ahead of UTC, in quarters: 5.5 for India.",
    ),
    *ENVIRONMENTS,
)
_OF_RANGE: Final = documented(*_RANGE)
_WITH_OPTIONS: Final = documented(
    *_RANGE, Parameter("fetch_filters", bool, "true for `filter_options`: the values to filter by.")
)
_RANKING: Final = (
    Parameter("sort_by", METRICS, "Default: `number_of_requests`."),
    Parameter("limit", Annotated[int, Meta(ge=1, le=MOST_ROWS)], f"How many. Default: {USUAL_ROWS}."),
)
_BROKEN_DOWN: Final = Parameter("breakdown_by", tuple(BREAKDOWNS), "Default: `model`.")
_OF_TOP: Final = documented(*_RANGE, *_RANKING)
_OF_BREAKDOWN: Final = documented(*_RANGE, *_RANKING, _BROKEN_DOWN)
_OF_ALL: Final = documented(*_RANGE, Parameter("breakdown", ("by_model", "by_key", "none"), "Default: both."))
_OF_STATS: Final = documented(Parameter("breakdown_by", (*BREAKDOWNS, "provider"), "Default: `model`."))
_Listed = Annotated[str, Path(json_schema_extra={"enum": [*_TOPS]})]


router = guarded_router("dashboard")


class _Asked(Struct, frozen=True):
    """A question, and who asks it when."""

    state: ConsoleState
    question: Question
    now: int

    @property
    def shown(self) -> TimeRange:
        return self.question.query.shown

    async def ask(self, read: Any) -> Any:
        """Return what a reader says of one view of the store."""

        def question(store: LogStore) -> Any:
            with store.reading() as connection:
                return read(connection)

        return await self.state.ask_logs(question)

    async def usage(self, by: str | None = None, query: UsageQuery | None = None) -> Found:
        asked = query or self.question.query
        found: Found = await self.ask(lambda connection: read_usage(connection, asked, by))
        return found

    def length(self, number: int) -> int:
        return elapsed(self.shown.bounds(number), self.now)


@router.post("/api/dashboard/llm-metrics", dependencies=[_READERS], openapi_extra=_WITH_OPTIONS)
@shaped(takes=DashboardFilters, answers=MetricsOverTime)
async def show_metrics(request: Request, state: State, caller: Caller) -> Response:
    """Requests, tokens, cost, errors, latency and speed over time."""
    asked = await _asked(request, state, caller)
    rows, summary = await _metrics(asked)
    if asked.question.bare:
        return json_answer(rows)
    return json_answer({"data": rows, "summary": summary, **await _filter_options(asked)})


@router.post("/api/dashboard/llm-metrics/summary", dependencies=[_READERS], openapi_extra=_WITH_OPTIONS)
@shaped(takes=DashboardFilters, answers=MetricsSummary)
async def sum_metrics(request: Request, state: State, caller: Caller) -> Response:
    """The same of all of the range as one row, and `previous_period`: of the time before it."""
    asked = await _asked(request, state, caller)
    _, summary = await _metrics(asked)
    if asked.question.bare:  # whose clients take whole tokens only
        tokens = ("average_prompt_tokens", "average_completion_tokens", "average_tokens")
        summary |= {name: round(summary[name]) for name in tokens if summary.get(name) is not None}
    return json_answer({**summary, "previous_period": await _metrics_before(asked), **await _filter_options(asked)})


@router.post("/api/dashboard/quantiles", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=QuantilesOverTime)
async def show_quantiles(request: Request, state: State, caller: Caller) -> Response:
    """p50, p90, p95 and p99 of latency, time to the first token and speed over time, each within 2 %."""
    asked = await _asked(request, state, caller)
    sketches = await _sketches(asked)
    rows = rows_of(asked.shown, lambda number: _quantiled(asked, sketches.get(number)))
    return json_answer(rows if asked.question.bare else {"data": rows})


@router.post("/api/dashboard/quantiles/summary", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=QuantilesSummary)
async def sum_quantiles(request: Request, state: State, caller: Caller) -> Response:
    """The same of all of the range."""
    asked = await _asked(request, state, caller)
    item = _quantiled(asked, _together(await _sketches(asked)))
    return json_answer(item if asked.question.bare else {**item, "summary": item})


@router.get("/api/dashboard/top-{what}", dependencies=[_READERS], openapi_extra=_OF_TOP)
@shaped(answers=TopItems)
async def show_top(what: _Listed, request: Request, state: State, caller: Caller) -> Response:
    """What is used most: of models, keys, prompts, deployments, users or providers, by any metric."""
    return await _answer_top(what, request, state, caller)


@router.post("/api/dashboard/top-{what}", dependencies=[_READERS], openapi_extra=_OF_TOP)
@shaped(takes=DashboardGroups, answers=TopItems)
async def show_top_by_body(what: _Listed, request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body."""
    return await _answer_top(what, request, state, caller)


async def _answer_top(what: str, request: Request, state: ConsoleState, caller: Caller) -> Response:
    asked = await _asked(request, state, caller)
    name = _TOPS.get(what)
    if name is None:
        raise NotFound(f"There is no dashboard top-{what}. There are: {', '.join(f'top-{one}' for one in _TOPS)}.")
    found = await _groups(asked, name, (asked.question.sort_by,))
    groups = sorted(
        found, key=lambda group: group.key, reverse=True
    )  # or equals come as an engine happens to find them
    names = await names_of(state, caller.organization_id, name)
    items = [_top_item(asked, name, group, names) for group in groups if group.key and not group.is_rest]
    items.sort(key=lambda item: _rank(item[asked.question.sort_by]), reverse=True)
    return json_answer({f"top_{what}": items[: asked.question.limit]})


@router.post(
    "/api/dashboard/time-series/breakdown",
    dependencies=[_READERS],
    openapi_extra=_OF_BREAKDOWN,
)
@shaped(takes=DashboardGroups, answers=Breakdown)
async def show_breakdown(request: Request, state: State, caller: Caller) -> Response:
    """Metrics over time, told apart by one thing: a series for each that is used most, the rest summed as `Others`."""
    asked = await _asked(request, state, caller)
    by = asked.question.breakdown_by or "model"
    read_breakdown(by)
    metrics = asked.question.metrics or (asked.question.sort_by,)
    stray = next((name for name in metrics if name not in METRICS), None)
    if stray is not None:
        raise InvalidRequest(f"`metrics_to_aggregate` are of: {', '.join(METRICS)}.", param="metrics_to_aggregate")
    groups = await _groups(asked, by, (*metrics, asked.question.sort_by))
    series = folded(groups, asked.question.sort_by, asked.question.limit)
    tables = {metric: _series_rows(asked, series, metric) for metric in metrics}
    if asked.question.bare:
        return json_answer(tables[metrics[0]])
    names = await names_of(state, caller.organization_id, by)
    shown = {label_of(group): names.get(group.key, group.key) for group in series if group.key in names}
    return json_answer({**tables, "names": shown})


@router.post("/api/dashboard/users", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=ActiveUsers)
async def show_active_users(request: Request, state: State, caller: Caller) -> Response:
    """How many customers called, over time."""
    asked = await _asked(request, state, caller)
    counts, total = await _customers(asked)
    rows = rows_of(asked.shown, lambda number: {"active_users": counts[number]})
    if asked.question.bare:
        return json_answer(rows)
    query = asked.question.query
    spent = usd_from_nano(await asked.ask(lambda connection: sum_customers(connection, query, "cost")))
    summary = {
        "active_users": total,
        "average_cost_per_user": spent / total if total else 0.0,
        "total_user_cost": spent,
    }
    return json_answer({"activity": rows, "summary": summary})


@router.post("/api/dashboard/total-users", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=TotalUsers)
async def show_total_users(request: Request, state: State, caller: Caller) -> Response:
    """How many customers called in the range."""
    asked = await _asked(request, state, caller)
    counts, total = await _customers(asked)
    rows = rows_of(asked.shown, lambda number: {"total_users": counts[number]})
    return json_answer({"total_users": total, "data": rows, "summary": {"total_users": total}})


@router.post("/api/dashboard/cache-hit-metrics", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=CacheHitsOverTime)
async def show_cache_hits(request: Request, state: State, caller: Caller) -> Response:
    """Answers out of the response cache over time, and what they saved."""
    asked = await _asked(request, state, caller)
    found = await asked.usage()
    rows = rows_of(asked.shown, lambda number: cache_metrics_of(found.get((number, ""), nothing())))
    return json_answer(rows if asked.question.bare else {"data": rows})


@router.post("/api/dashboard/cache-hit-metrics/summary", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=CacheHitsSummary)
async def sum_cache_hits(request: Request, state: State, caller: Caller) -> Response:
    """The same of all of the range."""
    asked = await _asked(request, state, caller)
    return await _cache_summary(asked, caller)


@router.post("/api/dashboard/cache-hit-metrics/total-summary", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=CacheHitsSummary)
async def sum_all_cache_hits(request: Request, state: State, caller: Caller) -> Response:
    """The same of all time."""
    asked = await _asked(request, state, caller)
    first = await _first_day(state, caller)
    query = structs.replace(asked.question.query, shown=make_range(first, asked.now, Tick.MONTH))
    return await _cache_summary(structs.replace(asked, question=structs.replace(asked.question, query=query)), caller)


@router.get("/api/dashboard/storage-volume", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(answers=StorageOverTime)
async def show_storage(request: Request, state: State, caller: Caller) -> Response:
    """The bytes of requests and answers over time."""
    return await _answer_storage(request, state, caller)


@router.post("/api/dashboard/storage-volume", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=StorageOverTime)
async def show_storage_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body."""
    return await _answer_storage(request, state, caller)


async def _answer_storage(request: Request, state: ConsoleState, caller: Caller) -> Response:
    asked = await _asked(request, state, caller)
    said = await _stored_bytes(asked)
    rows = rows_of(asked.shown, lambda number: {"storage_bytes": said.get(number, 0)})
    return json_answer(rows if asked.question.bare else {"data": rows})


@router.get("/api/dashboard/storage-volume/summary", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(answers=StorageSummary)
async def sum_storage(request: Request, state: State, caller: Caller) -> Response:
    """The same of all of the range."""
    return await _answer_storage_sum(request, state, caller)


@router.post("/api/dashboard/storage-volume/summary", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=StorageSummary)
async def sum_storage_by_body(request: Request, state: State, caller: Caller) -> Response:
    """As GET, with filters in the body."""
    return await _answer_storage_sum(request, state, caller)


async def _answer_storage_sum(request: Request, state: ConsoleState, caller: Caller) -> Response:
    asked = await _asked(request, state, caller)
    item = {"storage_bytes": sum((await _stored_bytes(asked)).values())}
    return json_answer(item if asked.question.bare else {**item, "summary": item})


@router.post("/api/dashboard/eval-results", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=EvaluationsOverTime)
async def show_evaluations(request: Request, state: State, caller: Caller) -> Response:
    """Scores of evaluators. There are none: nothing is evaluated here."""
    asked = await _asked(request, state, caller)
    empty: dict[str, Any] = {"number_of_requests": [], "avg_primary_score": [], "total_cost": []}
    return json_answer([] if asked.question.bare else empty)


@router.post("/api/dashboard/eval-results/summary", dependencies=[_READERS], openapi_extra=_OF_RANGE)
@shaped(takes=DashboardFilters, answers=list[Any])
async def sum_evaluations(request: Request, state: State, caller: Caller) -> Response:
    """Scores of evaluators. There are none: nothing is evaluated here."""
    asked = await _asked(request, state, caller)
    return json_answer({} if asked.question.bare else [])


@router.get("/api/dashboard", dependencies=[_READERS], openapi_extra=_OF_ALL)
@shaped(answers=Dashboard)
async def show_all(request: Request, state: State, caller: Caller) -> Response:
    """All at once, as clients of 2024 ask for it: `breakdown=by_model`, `by_key` or `none`."""
    asked = await _asked(request, state, caller)
    rows, summary = await _metrics(asked)
    sketches = await _sketches(asked)
    for number, row in enumerate(rows):
        row.update(quantiles_of(sketches.get(number)))
    answer: dict[str, Any] = {"data": rows, "summary": {**summary, **quantiles_of(_together(sketches))}}
    for wanted, name in (("by_model", "model"), ("by_key", "organization_key_id")):
        if request.query_params.get("breakdown", wanted) == wanted:
            names = await names_of(state, caller.organization_id, name)
            groups = folded(await _groups(asked, name), "number_of_requests", asked.question.limit)
            items = [_top_item(asked, name, group, names) for group in groups]
            answer["model_breakdown" if name == "model" else "key_breakdown"] = items
    return json_answer(answer)


@router.get("/api/platform-stats", dependencies=[_READERS], openapi_extra=_OF_STATS)
@shaped(answers=PlatformStats)
async def show_stats(request: Request, state: State, caller: Caller) -> Response:
    """Tokens and cost of the caller's organization by week, a year back, told apart by `breakdown_by`."""
    asker = await _asker(state, caller)
    question = read_question({}, b"", asker, _USUAL)
    shown = make_range(asker.now - _WEEKS * _WEEK, asker.now, Tick.WEEK)
    query = structs.replace(question.query, shown=shown, environment=None)
    asked = _Asked(state, structs.replace(question, query=query), asker.now)
    by = request.query_params.get("breakdown_by", "model")
    by = "provider_id" if by == "provider" else by  # as Respan calls it here alone
    read_breakdown(by)
    series = folded(await _groups(asked, by), "total_tokens", question.limit)
    return json_answer({metric: _series_rows(asked, series, metric) for metric in ("total_tokens", "total_cost")})


async def _asker(state: ConsoleState, caller: Caller) -> Asker:
    return Asker(
        organization_id=caller.organization_id,
        key_id=key_it_is_bound_to(caller),
        environment=caller.policy.environment,
        now=state.clock(),
        first=await _first_day(state, caller),
    )


async def _first_day(state: ConsoleState, caller: Caller) -> int:
    def read(store: LogStore) -> int | None:
        with store.reading() as connection:
            return first_day(connection, caller.organization_id)

    found = await state.ask_logs(read)
    return state.clock() if found is None else found


async def _asked(request: Request, state: ConsoleState, caller: Caller) -> _Asked:
    body = await read_bounded(request) if request.method == "POST" else b""
    asker = await _asker(state, caller)
    bare = takes_bare_lists(request)
    return _Asked(state, read_question(dict(request.query_params), body, asker, _USUAL, bare=bare), asker.now)


async def _metrics(asked: _Asked) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the metrics of each bucket, and of all of them."""
    found = await asked.usage()
    wanted = asked.question.metrics

    def item(number: int) -> Mapping[str, Any]:
        return picked(metrics_of(found.get((number, ""), nothing()), asked.length(number)), wanted)

    whole = elapsed((asked.shown.since, asked.shown.until), asked.now)
    return rows_of(asked.shown, item), picked(metrics_of(added([*found.values()]), whole), wanted)


async def _metrics_before(asked: _Asked) -> dict[str, Any]:
    since, until = range_before(asked.question.summed, asked.shown)
    shown = TimeRange(since, until, asked.shown.tick, (since,), asked.shown.offset)
    found = await asked.usage(query=structs.replace(asked.question.query, shown=shown))
    return picked(metrics_of(added([*found.values()]), until - since), asked.question.metrics)


async def _groups(asked: _Asked, by: str, metrics: Sequence[str] = ()) -> list[Group]:
    """Return sums by what they are told apart by; of customers, the largest, from rows where days do not know a metric.

    There may be a million customers: all but the largest are `Others` already.
    """
    field, query, question = read_breakdown(by), asked.question.query, asked.question
    exactly = not set(metrics).isdisjoint(UNKNOWN_OF_CUSTOMERS)
    if by != "customer_identifier" or question.sort_by not in MEASURED_BY:
        found: Found = await asked.ask(lambda connection: read_usage(connection, query, field, exactly=exactly))
        groups = groups_of(found)
        return [structs.replace(group, is_rest=by == "customer_identifier" and not group.key) for group in groups]
    measure = MEASURED_BY[question.sort_by]
    most: list[str] = await asked.ask(lambda connection: largest_customers(connection, query, measure, question.limit))
    largest: Found = await asked.ask(
        lambda connection: read_usage(connection, query, field, only=most, exactly=exactly)
    )
    return groups_of(largest, await asked.usage(), is_partial=not exactly and bool(spans_for(query, field)))


def _series_rows(asked: _Asked, series: Sequence[Group], metric: str) -> list[dict[str, Any]]:
    def item(number: int) -> Mapping[str, Any]:
        length = asked.length(number)
        return {label_of(group): metrics_of(group.at(number), length)[metric] for group in series}

    return rows_of(asked.shown, item)


def _top_item(asked: _Asked, by: str, group: Group, names: Mapping[str, str]) -> dict[str, Any]:
    whole = elapsed((asked.shown.since, asked.shown.until), asked.now)
    key = OTHERS if group.is_rest else group.key or None
    item: dict[str, Any] = {by: names.get(group.key, key) if by == "deployment_name" else key}
    if by == "organization_key_id":
        item["organization_key_name"] = names.get(group.key)
    metrics = metrics_of(group.total, whole)
    return item | metrics | (dict.fromkeys(UNKNOWN_OF_CUSTOMERS) if group.is_partial else {})


def _rank(value: float | None) -> float:
    return float("-inf") if value is None else value


def _quantiled(asked: _Asked, sketches: Sequence[Sketch] | None) -> dict[str, Any]:
    names = asked.question.metrics
    item = quantiles_of(sketches)
    short = {"time_to_first_token": "ttft", "tokens_per_second": "tps"}
    wanted = {short.get(name, name) for name in names}
    return {name: value for name, value in item.items() if not wanted or {name, name.partition("_")[0]} & wanted}


async def _sketches(asked: _Asked) -> Sketches:
    found: Sketches = await asked.ask(lambda connection: read_sketches(connection, asked.question.query))
    return found


def _together(sketches: Sketches) -> tuple[Sketch, Sketch, Sketch]:
    together: tuple[Sketch, Sketch, Sketch] = ({}, {}, {})
    for found in sketches.values():
        for sketch, other in zip(together, found, strict=True):
            merge(sketch, other)
    return together


async def _customers(asked: _Asked) -> tuple[list[int], int]:
    query = asked.question.query

    def read(connection: Connection) -> tuple[list[int], int]:
        return count_by_bucket(connection, query), count_all(connection, query)

    counted: tuple[list[int], int] = await asked.ask(read)
    return counted


async def _stored_bytes(asked: _Asked) -> dict[int, int]:
    said: dict[int, int] = await asked.ask(lambda connection: read_bytes(connection, asked.question.query))
    return said


async def _cache_summary(asked: _Asked, caller: Caller) -> Response:
    """Sum up what hits saved; the time they saved is known of what is still kept, of all keys together."""
    sums = added([*(await asked.usage()).values()])
    metrics = cache_metrics_of(sums)
    query = CacheQuery(organization_id=caller.organization_id, now=asked.now)
    sees_all = key_it_is_bound_to(caller) is None
    kept = await asked.state.ask_logs(lambda store: store.cache_sums(query)) if sees_all else None
    item = {
        **metrics,
        "number_of_requests": metrics["cache_hit_count"],
        "total_tokens": metrics["cache_hit_tokens"],
        "total_cost": metrics["cache_hit_cost_savings"],
        "total_time_saved": None if kept is None else seconds_of(kept.saved_time),
    }
    return json_answer(item if asked.question.bare else {**item, "summary": item})


async def _filter_options(asked: _Asked) -> dict[str, Any]:
    if not asked.question.fetch_filters:
        return {}
    query = asked.question.query
    logs = LogQuery(
        organization_id=query.organization_id,
        environment=query.environment,
        since=query.shown.since,
        until=query.shown.until,
        key_id=query.key_id,
    )
    return {"filter_options": await asked.state.ask_logs(lambda store: store.options(logs))}

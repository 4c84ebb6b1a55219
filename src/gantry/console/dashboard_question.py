"""From a request of a dashboard to a question for the store: range, zone, buckets, environment, filters, what to show.

Law: a parameter or a member of the body that means nothing is refused by name. Clients of 2025 say the range in the
body and expect bare rows, as early releases of Respan's generated client do; newer ones say it in the query and expect
rows and their sum in an object.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from gantry.console.filter_grammar import read_filters
from gantry.console.filter_shapes import Filters
from gantry.console.filter_values import ValueRefused, read_flag, read_time
from gantry.console.log_question import row_id
from gantry.console.usage_item import METRICS
from gantry.core.errors import InvalidRequest
from gantry.core.time_range import (
    DAY,
    HOUR,
    MOST_OFFSET,
    QUARTER,
    RangeRefused,
    Summed,
    Tick,
    TimeRange,
    make_range,
    named_range,
)
from gantry.core.vocabulary import Environment
from gantry.store.log_filter import FilterRefused
from gantry.store.usage_sums import UsageQuery

_Word = TypeVar("_Word", bound=StrEnum)
MOST_ROWS: Final = 1000
USUAL_ROWS: Final = 10
_PARAMETERS: Final = frozenset(
    "summary_type date start_time end_time time_tick timezone_offset fetch_filters environment is_test all_envs "
    "sort_by limit breakdown_by breakdown".split()
)
BREAKDOWNS: Final = {
    "model": "model",
    "organization_key_id": "organization_key_id",
    "customer_identifier": "customer_identifier",
    "prompt_id": "prompt_id",
    "deployment_name": "credential_id",
    "provider_id": "provider_id",
}


# Texts, as they are read; a wrong one is refused by name.
_TickWord = Annotated[str, Meta(extra_json_schema={"enum": [*Tick]})]
_SummedWord = Annotated[str, Meta(extra_json_schema={"enum": [*Summed]})]
_EnvironmentWord = Annotated[str, Meta(extra_json_schema={"enum": [*Environment]})]
_MetricName = Annotated[str, Meta(extra_json_schema={"enum": [*METRICS]})]
_BreakdownName = Annotated[str, Meta(extra_json_schema={"enum": [*BREAKDOWNS]})]


class DashboardFilters(Struct, frozen=True, forbid_unknown_fields=True):
    """Of which calls, and when. What may also stand in the query holds here first."""

    filters: Filters | None = None
    time_tick: _TickWord | None = None
    summary_type: _SummedWord | None = None
    date: str | None = None
    timezone_offset: float | None = None
    environment: _EnvironmentWord | None = None
    is_test: bool | None = None
    all_envs: bool | None = None


class DashboardGroups(DashboardFilters, frozen=True, forbid_unknown_fields=True):
    """And told apart by what, by which metrics."""

    metrics_to_aggregate: list[_MetricName] | None = None
    breakdown_by: _BreakdownName | None = None
    sort_by: _MetricName | None = None
    limit: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MOST_ROWS})] | None = None


class DashboardBody(DashboardGroups, frozen=True, forbid_unknown_fields=True):
    """A request's body, with what only clients of old say in it."""

    start_time: str | None = None
    end_time: str | None = None


class Question(Struct, frozen=True):
    """What to ask the store, and what to show of it."""

    query: UsageQuery
    filters: Mapping[str, Any]  # as they were sent
    summed: Summed | None  # None: a range by its ends
    bare: bool  # rows alone, as older clients expect them
    metrics: tuple[str, ...]
    breakdown_by: str | None
    sort_by: str
    limit: int
    fetch_filters: bool


class Asker(Struct, frozen=True):
    """Whose question it is, and when it is asked. `first` is where the organization's days begin."""

    organization_id: str
    key_id: str | None  # set: only this API key's calls may be seen
    environment: Environment
    now: int
    first: int


def read_question(
    parameters: Mapping[str, str], body: bytes, asker: Asker, usual: Summed, *, bare: bool = False
) -> Question:
    """Return the question in a request. Raises InvalidRequest."""
    sent = _read_body(body)
    stray = next((name for name in parameters if name not in _PARAMETERS), None)
    if stray is not None:
        raise InvalidRequest(f"There is no parameter `{stray}`. Filters go into the body of a POST.", param=stray)
    said = {name: value for name, value in parameters.items() if value != ""}
    for name in DashboardBody.__struct_fields__:
        given = getattr(sent, name)
        if name in _PARAMETERS and given is not None:
            said[name] = str(given).lower() if isinstance(given, bool) else str(given)
    try:
        filters = read_filters(sent.filters or {}, lambda given: row_id(asker.organization_id, given))
    except FilterRefused as refused:
        raise InvalidRequest(str(refused), param=refused.field) from None
    summed, shown = _read_range(said, asker, usual)
    query = UsageQuery(
        organization_id=asker.organization_id,
        shown=shown,
        environment=_read_environment(said, asker.environment),
        key_id=asker.key_id,
        filters=filters,
    )
    return Question(
        query=query,
        filters=sent.filters or {},
        summed=summed,
        bare=bare or sent.start_time is not None,
        metrics=_read_metrics(sent.metrics_to_aggregate),
        breakdown_by=said.get("breakdown_by"),
        sort_by=_read_metric(said.get("sort_by", "number_of_requests").removeprefix("-"), "sort_by"),
        limit=_read_limit(said),
        fetch_filters=_flag(said, "fetch_filters") or False,
    )


def read_breakdown(name: str | None) -> str:
    """Return the field of a log that a breakdown goes by. Raises InvalidRequest."""
    field = BREAKDOWNS.get(name or "model")
    if field is None:
        raise InvalidRequest(f"`breakdown_by` must be one of: {', '.join(BREAKDOWNS)}.", param="breakdown_by")
    return field


def _read_body(body: bytes) -> DashboardBody:
    if not body.strip():
        return DashboardBody()
    try:
        return msgspec.json.decode(body, type=DashboardBody)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(
            f'The body must be like {{"filters": {{"model": {{"operator": "", "value": ["…"]}}}}}}: {error}.'
        ) from None


def _read_range(said: Mapping[str, str], asker: Asker, usual: Summed) -> tuple[Summed | None, TimeRange]:
    offset = _read_offset(said)
    tick = _read_word(said, "time_tick", Tick)
    try:
        if "start_time" in said or "end_time" in said:
            until = _read_moment(said, "end_time", offset) if "end_time" in said else asker.now
            since = _read_moment(said, "start_time", offset) if "start_time" in said else until - DAY
            return None, make_range(since, until, tick, offset)
        summed = _read_word(said, "summary_type", Summed) or usual
        date = _read_moment(said, "date", offset) if "date" in said else asker.now
        return summed, named_range(summed, date, asker.now, offset, tick=tick, first=asker.first)
    except RangeRefused as error:
        raise InvalidRequest(f"There is no such chart: {error}.", param="time_tick") from None
    except (ValueError, OverflowError):
        raise InvalidRequest("The range lies outside of the calendar.", param="start_time") from None


def _read_offset(said: Mapping[str, str]) -> int:
    """Return by how much the zone is ahead of UTC: hours, in quarters (5.5 in India, -3.5 in Newfoundland)."""
    try:
        offset = Decimal(said.get("timezone_offset", "0")) * HOUR
        whole = int(offset) if offset.is_finite() and abs(offset) <= MOST_OFFSET else None
    except (InvalidOperation, ValueError):
        whole = None
    if whole is None or whole % QUARTER:
        raise InvalidRequest(
            "`timezone_offset` must be the hours by which the zone is ahead of UTC, in quarters: 5.5 for India.",
            param="timezone_offset",
        )
    return whole


def _read_moment(said: Mapping[str, str], name: str, offset: int) -> int:
    """Return a time; a day without a time is the zone's. Before 1970 there is nothing."""
    text = said[name]
    try:
        moment = read_time(text)
    except ValueRefused as refused:
        raise InvalidRequest(f"`{name}` {refused}.", param=name) from None
    moment = moment - offset if len(text) <= len("2026-11-22") else moment
    return max(0, moment)


def _read_word(said: Mapping[str, str], name: str, words: type[_Word]) -> _Word | None:
    text = said.get(name)
    if text is None:
        return None
    try:
        return words(text)
    except ValueError:
        raise InvalidRequest(f"`{name}` must be one of: {', '.join(words)}.", param=name) from None


def _read_environment(said: Mapping[str, str], usual: Environment) -> Environment | None:
    if "environment" in said:
        if said["environment"] not in (*Environment, "production"):
            raise InvalidRequest("`environment` must be prod or test.", param="environment")
        return Environment.TEST if said["environment"] == "test" else Environment.PROD
    is_test = _flag(said, "is_test")
    if is_test is not None:
        return Environment.TEST if is_test else Environment.PROD
    return None if _flag(said, "all_envs") else usual


def _flag(said: Mapping[str, str], name: str) -> bool | None:
    text = said.get(name)
    try:
        return None if text is None else read_flag(text)
    except ValueRefused:
        raise InvalidRequest(f"`{name}` must be true or false.", param=name) from None


def _read_limit(said: Mapping[str, str]) -> int:
    text = said.get("limit", str(USUAL_ROWS))
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    if not 1 <= number <= MOST_ROWS:
        raise InvalidRequest(f"`limit` must be a number from 1 to {MOST_ROWS}.", param="limit")
    return number


def _read_metrics(names: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_read_metric(name, "metrics_to_aggregate") for name in names)) if names else ()


def _read_metric(name: str, param: str) -> str:
    if name not in METRICS and param == "sort_by":
        raise InvalidRequest(f"`{param}` must be one of: {', '.join(METRICS)}.", param=param)
    return name

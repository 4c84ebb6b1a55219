"""From a list request to a question for the log store: time range, paging, order, equality filters.

Law: a filter that cannot be applied is refused by name, never ignored: an answer with too many logs looks like a right
one. The API's words and units (seconds, dollars) become the store's columns and integers here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec
from msgspec import Struct

from gantry.core.errors import InvalidRequest
from gantry.core.money import nano_from_usd
from gantry.core.vocabulary import Environment
from gantry.dialects.posted import log_id_of
from gantry.store.log_query import MAX_PAGE_SIZE, METADATA_PREFIX, FilterValue, LogQuery

DEFAULT_RANGE: Final = 3600 * 1_000_000_000
DEFAULT_PAGE_SIZE: Final = 100

# What the API calls a field, where that is not the column's own name.
_COLUMNS: Final[Mapping[str, str]] = {
    "id": "log_id",
    "unique_id": "log_id",
    "organization_key_id": "key_id",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "total_request_tokens": "total_tokens",
    "all_tokens": "total_tokens",
    "prompt_cache_hit_tokens": "cached_input_tokens",
    "prompt_cache_creation_tokens": "cache_write_tokens",
    "ttft": "time_to_first_token",
    "generation_time": "latency",
    "session_identifier": "thread_identifier",
    "start_time": "started_at",
    "timestamp": "ended_at",
}
_FILTERS: Final = frozenset(
    """
    id unique_id organization_key_id log_type log_method operation model requested_model provider_id deployment_name
    outcome status_code error_message stream latency generation_time time_to_first_token ttft routing_time
    prompt_tokens completion_tokens total_tokens total_request_tokens all_tokens reasoning_tokens
    prompt_cache_hit_tokens prompt_cache_creation_tokens cost customer_identifier customer_name customer_email
    thread_identifier session_identifier custom_identifier group_identifier trace_unique_id span_unique_id
    span_parent_id span_name finish_reason response_id
    """.split()
)
_SORTS: Final = frozenset(
    """
    id timestamp start_time cost latency generation_time time_to_first_token ttft prompt_tokens completion_tokens
    all_tokens total_tokens total_request_tokens reasoning_tokens status_code model
    """.split()
)
_RESERVED: Final = frozenset(
    """
    start_time end_time sort_by page page_size all_envs is_test environment include_fields exclude fetch_filters
    """.split()
)
_KNOWN_BUT_NOT_STORED: Final = frozenset(
    """
    status prompt_id span_workflow_name temperature max_tokens tokens_per_second is_root_span tools cache_hit cache_key
    metadata messages positive_feedback evaluator_id
    """.split()
)
_EQUALITY: Final = frozenset(("", "=", "==", "eq", "equals", "in"))
_AMOUNTS: Final = frozenset(("cost", "latency", "time_to_first_token", "routing_time"))
_COUNTS: Final = frozenset(
    """
    status_code input_tokens output_tokens total_tokens reasoning_tokens cached_input_tokens cache_write_tokens
    """.split()
)
_NUMBERS: Final = _AMOUNTS | _COUNTS
_LARGEST: Final = 2**63 - 1
_BRACKETED: Final = re.compile(r"(?P<field>[^\[\]]+)\[(?P<part>value|operator|connector)\]\Z")
_ROW_ID: Final = re.compile(r"[0-9a-f]{32}\Z")
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "1": True, "false": False, "0": False}


class Filter(Struct, frozen=True):
    """One filter as the API spells it; echoed in `current_filters`."""

    value: list[FilterValue]
    operator: str = ""


class FilterBody(Struct, frozen=True):
    """The body of a list request. Members it does not name have no meaning here."""

    filters: dict[str, Any] = {}


class Question(Struct, frozen=True):
    """What to ask the store, and what to show of it."""

    query: LogQuery
    filters: dict[str, Filter]
    exclude: frozenset[str]


def read_question(
    parameters: Sequence[tuple[str, str]],
    body: bytes,
    *,
    organization_id: str,
    key_id: str | None,
    environment: Environment,
    now: int,
) -> Question:
    """Return the question in a request's query parameters and body. Raises InvalidRequest.

    `key_id` set means that only this key's logs may be seen; `environment` is the one asked about by default.
    """
    options = {name: value for name, value in parameters if name in _RESERVED}
    filters = {**_url_filters(parameters), **_body_filters(body)}
    where: dict[str, FilterValue] = dict(_condition(name, given) for name, given in filters.items())
    if "log_id" in where:
        where["log_id"] = row_id(organization_id, str(where["log_id"]))
    if key_id is not None:
        if where.get("key_id", key_id) != key_id:
            raise InvalidRequest(
                "This API key sees its own logs only. Leave the filter out, or use a key with the scope `read`.",
                param="organization_key_id",
            )
        where["key_id"] = key_id
    if _read_boolean(options, "fetch_filters"):
        raise InvalidRequest("`fetch_filters` is not supported. Leave it out.", param="fetch_filters")
    return Question(
        LogQuery(
            organization_id=organization_id,
            environment=_read_environment(options, environment),
            since=_read_time(options, "start_time", now - DEFAULT_RANGE),
            until=_read_time(options, "end_time", None),
            where=where,
            sort_by=_read_order(options.get("sort_by", "-id")),
            page=_read_number(options, "page", 1, None),
            page_size=_read_number(options, "page_size", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
        ),
        filters,
        frozenset(options.get("exclude", "").split(",")) - {""},
    )


def row_id(organization_id: str, given: str) -> str:
    """Return the id of a log's row from what its poster may know it by: that id, or the `unique_id` that was posted."""
    return given if _ROW_ID.match(given) else log_id_of(organization_id, given)


def _url_filters(parameters: Iterable[tuple[str, str]]) -> dict[str, Filter]:
    """Return `?field=value` and `?field[value]=…&field[operator]=…`; a field nobody knows means metadata."""
    parts: dict[str, dict[str, str]] = {}
    for name, value in parameters:
        if name in _RESERVED:
            continue
        match = _BRACKETED.match(name)
        field, part = (match["field"], match["part"]) if match else (name, "value")
        if field not in _FILTERS and field not in _KNOWN_BUT_NOT_STORED and not field.startswith(METADATA_PREFIX):
            field = METADATA_PREFIX + field
        if part in parts.setdefault(field, {}):
            raise InvalidRequest(f"`{name}` is given more than once. Send several values in the body.", param=name)
        parts[field][part] = value
    return {field: _url_filter(field, given) for field, given in parts.items()}


def _url_filter(field: str, given: Mapping[str, str]) -> Filter:
    if given.get("connector", "AND").upper() != "AND":
        raise InvalidRequest(f"Filters are joined by AND only; `{field}` asks for another connector.", param=field)
    if "value" not in given:
        raise InvalidRequest(f"The filter `{field}` has no value. Send `{field}=…`.", param=field)
    return Filter([given["value"]], given.get("operator", ""))


def _body_filters(body: bytes) -> dict[str, Filter]:
    if not body.strip():
        return {}
    try:
        given = msgspec.json.decode(body, type=FilterBody).filters
        filters = {field: msgspec.convert(value, Filter) for field, value in given.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(
            'The body must be like {"filters": {"model": {"operator": "", "value": ["…"]}}}: ' + str(error),
            param="filters",
        ) from None
    for field in filters:
        if field not in _FILTERS and field not in _KNOWN_BUT_NOT_STORED and not field.startswith(METADATA_PREFIX):
            raise InvalidRequest(
                f"There is no field `{field}` to filter by. For metadata write `{METADATA_PREFIX}{field}`.", param=field
            )
    return filters


def _condition(field: str, given: Filter) -> tuple[str, FilterValue]:
    """Return the column and the value that it must equal."""
    if given.operator not in _EQUALITY:
        raise InvalidRequest(
            f"The operator `{given.operator}` of the filter `{field}` is not supported; only equality is "
            '(the operator "").',
            param=field,
        )
    if field in _KNOWN_BUT_NOT_STORED:
        raise InvalidRequest(f"Filtering by `{field}` is not supported.", param=field)
    if len(given.value) != 1:
        raise InvalidRequest(f"The filter `{field}` takes exactly one value, not {len(given.value)}.", param=field)
    column = _COLUMNS.get(field, field)
    return column, _in_units(column, field, given.value[0])


def _in_units(column: str, field: str, value: FilterValue) -> FilterValue:
    """Return a value in the store's units; those of other columns are the store's to convert."""
    if isinstance(value, str) and "\0" in value:
        raise InvalidRequest(f"The filter `{field}` holds a NUL character. Leave it out.", param=field)
    if value is None or column not in _NUMBERS:
        return value
    try:
        # Seconds become nanoseconds by the same factor as dollars nano-dollars.
        number = int(str(value)) if column in _COUNTS else int(nano_from_usd(Decimal(str(value))))
    except (InvalidOperation, ValueError):
        kind = "a whole number" if column in _COUNTS else "a number"
        raise InvalidRequest(f"The filter `{field}` needs {kind}, not {value!r}.", param=field) from None
    if abs(number) > _LARGEST:
        raise InvalidRequest(f"The filter `{field}` has a number that no log can have.", param=field)
    return number


def _read_order(sort_by: str) -> str:
    name = sort_by.removeprefix("-")
    if name not in _SORTS:
        raise InvalidRequest(
            f"Sorting by `{name}` is not supported. Choose one of: {', '.join(sorted(_SORTS))}.", param="sort_by"
        )
    column = "id" if name == "id" else _COLUMNS.get(name, name)
    return f"-{column}" if sort_by.startswith("-") else column


def _read_environment(options: Mapping[str, str], default: Environment) -> Environment | None:
    if "environment" in options:
        try:
            return Environment(options["environment"])
        except ValueError:
            raise InvalidRequest("`environment` must be prod or test.", param="environment") from None
    is_test = _read_boolean(options, "is_test")
    if is_test is not None:
        return Environment.TEST if is_test else Environment.PROD
    return None if _read_boolean(options, "all_envs") else default


def _read_boolean(options: Mapping[str, str], name: str) -> bool | None:
    text = options.get(name)
    if text is None:
        return None
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise InvalidRequest(f"`{name}` must be true or false.", param=name) from None


def _read_number(options: Mapping[str, str], name: str, default: int, largest: int | None) -> int:
    text = options.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    if number < 1 or (largest is not None and number > largest):
        bounds = f"from 1 to {largest}" if largest else "from 1 on"
        raise InvalidRequest(f"`{name}` must be a number {bounds}.", param=name)
    return number


def _read_time(options: Mapping[str, str], name: str, default: int | None) -> int | None:
    """Return an ISO 8601 time as ns since the epoch; without an offset it is UTC."""
    text = options.get(name)
    if text is None:
        return default
    try:
        # A `+` of an offset that was not percent-encoded arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"`{name}` must be a time in ISO 8601, such as 2026-11-22T10:00:00Z.", param=name
        ) from None
    whole = (since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000_000 + since_epoch.microseconds * 1000
    return max(-_LARGEST, min(whole, _LARGEST))

"""From a request about logs to a question for the log store: time range, filters, order, page, fields to show.

Law: what cannot be applied is refused by name (`filter_grammar`). A page's links carry a cursor: the place where it
ended and the count that was found with the first page, so that a later page neither counts nor passes over what it
leaves behind.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from gantry.console.filter_grammar import read_filters, url_filters
from gantry.console.filter_shapes import Filters
from gantry.console.filter_values import ValueRefused, read_flag, read_time
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Environment
from gantry.dialects.posted import log_id_of
from gantry.store.log_filter import (
    SCORES_PREFIX,
    AllOf,
    Condition,
    Field,
    FilterRefused,
    Operator,
    conditions_in,
    field_named,
    parts_of,
)
from gantry.store.log_query import MAX_PAGE_SIZE, Cursor, LogQuery

DEFAULT_RANGE: Final = 3600 * 1_000_000_000
DEFAULT_PAGE_SIZE: Final = 100

SORTS: Final = frozenset(
    """
    timestamp start_time cost latency generation_time time_to_first_token ttft routing_time prompt_tokens
    completion_tokens all_tokens total_tokens total_request_tokens reasoning_tokens tokens_per_second status_code model
    customer_identifier
    """.split()
)
_RESERVED: Final = frozenset(
    """
    start_time end_time sort_by page page_size all_envs is_test environment include_fields exclude fetch_filters search
    cursor format filters
    """.split()
)
_ROW_ID: Final = re.compile(r"[0-9a-f]{32}\Z")


class FilterBody(Struct, frozen=True):
    """The body of a request. Members it does not name have no meaning here."""

    filters: Filters = {}


class Mark(Struct, frozen=True, array_like=True):
    """What the link to another page carries."""

    value: int | float | str | None
    seq: int
    before: bool
    count: int
    exact: bool


class Question(Struct, frozen=True):
    """What to ask the store, and what to show of it."""

    query: LogQuery
    filters: dict[str, Any]  # as they were sent
    exclude: frozenset[str]
    include: frozenset[str]
    fetch_filters: bool
    page: int  # as people count
    mark: Mark | None


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
    try:
        sent, written = _body_filters(body), _written_filters(options)
        by_url = url_filters([pair for pair in parameters if pair[0] not in _RESERVED])
        filters = AllOf(
            (
                *(
                    part
                    for given in (by_url, written, sent)
                    for part in parts_of(read_filters(given, lambda name: row_id(organization_id, name)))
                ),
                *_search(options),
            )
        )
    except FilterRefused as refused:
        raise InvalidRequest(str(refused), param=refused.field) from None
    if key_id is not None:
        _refuse_other_keys(filters, key_id)
    order = options.get("sort_by", "-id")
    page, mark = _read_number(options, "page", 1, None), _read_mark(options)
    query = LogQuery(
        organization_id=organization_id,
        environment=_read_environment(options, environment),
        since=_read_time(options, "start_time", now - DEFAULT_RANGE),
        until=_read_time(options, "end_time", None),
        key_id=key_id,
        filters=filters,
        sort_by=_read_sort(order.removeprefix("-")),
        descending=order.startswith("-"),
        cursor=None if mark is None else Cursor(mark.value, mark.seq, mark.before),
        page=page if mark is None else 1,
        page_size=_read_number(options, "page_size", DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE),
        count=mark is None,
    )
    return Question(
        query,
        {**by_url, **written, **sent},
        _names(options, "exclude"),
        _names(options, "include_fields"),
        _read_boolean(options, "fetch_filters") or False,
        page,
        mark,
    )


def row_id(organization_id: str, given: str) -> str:
    """Return the id of a log's row from what its poster may know it by: that id, or the `unique_id` that was posted."""
    return given if _ROW_ID.match(given) else log_id_of(organization_id, given)


def write_mark(mark: Mark) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(mark)).decode().rstrip("=")


def _read_mark(options: Mapping[str, str]) -> Mark | None:
    text = options.get("cursor")
    if text is None:
        return None
    try:
        return msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=Mark)
    except (binascii.Error, msgspec.DecodeError, UnicodeError, ValueError):
        raise InvalidRequest(
            "`cursor` is not one of ours. Follow the links `next` and `previous` as they are.", param="cursor"
        ) from None


def _body_filters(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        return msgspec.json.decode(body, type=FilterBody).filters
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(
            'The body must be like {"filters": {"model": {"operator": "", "value": ["…"]}}}: ' + str(error),
            param="filters",
        ) from None


def _written_filters(options: Mapping[str, str]) -> dict[str, Any]:
    """Return the filters of a URL that are written as in a body: where no body can be sent, as to watch or download."""
    try:
        return msgspec.json.decode(options.get("filters") or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidRequest(
            f'`filters` must be JSON like {{"model": {{"operator": "", "value": ["…"]}}}}: {error}.', param="filters"
        ) from None


def _search(options: Mapping[str, str]) -> tuple[Condition, ...]:
    if "search" not in options:
        return ()
    wanted = {"search": {"operator": "full_text_search", "value": [options["search"]]}}
    return tuple(conditions_in(read_filters(wanted, str)))


def _refuse_other_keys(filters: AllOf, key_id: str) -> None:
    """A key that sees its own logs gets no empty answer for the logs of others, but is told why."""
    for condition in conditions_in(filters):
        plain = condition.operator is Operator.EQUAL and not condition.negated
        if condition.field.column == "key_id" and plain and key_id not in condition.values:
            raise InvalidRequest(
                "This API key sees its own logs only. Leave the filter out, or use a key with the scope `read`.",
                param="organization_key_id",
            )


def _read_sort(name: str) -> Field | None:
    """Return the field to sort by; None for `id`, the order of time."""
    if name == "id":
        return None
    if name in SORTS or name.startswith(SCORES_PREFIX):
        return field_named(name)
    raise InvalidRequest(
        f"Sorting by `{name}` is not supported. Choose one of: id, {', '.join(sorted(SORTS))}.", param="sort_by"
    )


def _names(options: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(one.strip() for one in options.get(name, "").split(",")) - {""}


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
        return read_flag(text)
    except ValueRefused:
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
    text = options.get(name)
    if text is None:
        return default
    try:
        return read_time(text)
    except ValueRefused as refused:
        raise InvalidRequest(f"`{name}` {refused}.", param=name) from None

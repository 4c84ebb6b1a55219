"""A filter over request logs as a value: conditions joined by AND and OR, in the store's own words and units.

Law: a negated condition holds for exactly the logs for which the plain one does not, also where a value is unknown; and
no condition is ever half applied: what an operator cannot mean for a kind of field is `FilterRefused`, by name.

Who reads a filter out of a request is `gantry.console.filter_grammar`; who makes SQL of it, `gantry.store.filter_sql`.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Final

from msgspec import Struct

METADATA_PREFIX: Final = "metadata__"
SCORES_PREFIX: Final = "scores__"
NANO: Final = 1_000_000_000


class FilterRefused(ValueError):
    """A filter that means nothing; `field` is its name in the API."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class Kind(StrEnum):
    """What can be asked of a field."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "boolean"
    TIME = "time"
    LIST = "list"  # of texts
    OBJECT = "object"  # JSON, asked as a whole
    SAID = "words"  # what was said, found by its words


class Operator(StrEnum):
    """The plain operators; what the API calls `not_…` is one of these, negated."""

    EQUAL = ""  # to any of the values
    IEXACT = "iexact"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    CONTAINS = "contains"
    ICONTAINS = "icontains"
    STARTSWITH = "startswith"
    ENDSWITH = "endswith"
    REGEX = "regex"
    ILIKE = "ilike"
    SIMILAR = "trigram_word_similar"
    WORDS = "full_text_search"
    ISNULL = "isnull"
    EMPTY = "empty"
    HAS_KEY = "has_key"


ORDERING: Final = frozenset((Operator.LT, Operator.LTE, Operator.GT, Operator.GTE))
_ALWAYS: Final = frozenset((Operator.EQUAL, Operator.ISNULL, Operator.EMPTY))
_CONTAINING: Final = frozenset((Operator.CONTAINS, Operator.ICONTAINS))
ALLOWED: Final[Mapping[Kind, frozenset[Operator]]] = {
    Kind.TEXT: frozenset(Operator) - {Operator.HAS_KEY},
    Kind.NUMBER: _ALWAYS | ORDERING,
    Kind.TIME: _ALWAYS | ORDERING,
    Kind.FLAG: _ALWAYS,
    Kind.LIST: _ALWAYS | _CONTAINING,
    Kind.OBJECT: (_ALWAYS - {Operator.EQUAL}) | _CONTAINING | {Operator.HAS_KEY},
    Kind.SAID: _CONTAINING | {Operator.WORDS},
}

Value = str | int | float | bool | None


class Field(Struct, frozen=True):
    """A field to filter and sort by. `scale`: so many of the store's units are one of the API's; 0: not a whole number.

    `member` is a name within the JSON object that the column holds.
    """

    column: str
    kind: Kind = Kind.TEXT
    scale: int = 1
    member: str | None = None


class Condition(Struct, frozen=True):
    field: Field
    operator: Operator
    values: tuple[Value, ...]
    negated: bool = False


class AllOf(Struct, frozen=True):
    parts: tuple["Filter", ...]


class AnyOf(Struct, frozen=True):
    parts: tuple["Filter", ...]


Filter = Condition | AllOf | AnyOf

EVERYTHING: Final = AllOf(())


def parts_of(filters: Filter) -> tuple[Filter, ...]:
    """Return what must all hold."""
    return filters.parts if isinstance(filters, AllOf) else (filters,)


def conditions_in(filters: Filter) -> list[Condition]:
    """Return all conditions, wherever they stand."""
    if isinstance(filters, Condition):
        return [filters]
    return [condition for part in filters.parts for condition in conditions_in(part)]


def _fields(kind: Kind, names: str, scale: int = 1) -> dict[str, Field]:
    """Return fields by their names in the API; `name=column` where the column is called otherwise."""
    pairs = (name.partition("=") for name in names.split())
    return {name: Field(column or name, kind, scale) for name, _, column in pairs}


FIELDS: Final[Mapping[str, Field]] = {
    **_fields(
        Kind.TEXT,
        """
        id=log_id unique_id=log_id organization_key_id=key_id environment log_type log_method operation dialect tier
        model requested_model provider_id credential_id deployment_name outcome status error_message finish_reason
        customer_identifier customer_name customer_email thread_identifier session_identifier=thread_identifier
        custom_identifier group_identifier trace_unique_id span_unique_id span_parent_id span_name response_id
        upstream_request_id price_source user_agent path request_url_path=path tool_calls note cache_key=kept_under
        """,
    ),
    **_fields(
        Kind.NUMBER,
        """
        status_code prompt_tokens=input_tokens completion_tokens=output_tokens total_tokens=all_tokens all_tokens
        total_request_tokens=all_tokens reasoning_tokens prompt_cache_hit_tokens=cached_input_tokens
        prompt_cache_creation_tokens=cache_write_tokens max_tokens request_bytes response_bytes characters pages
        annotated_pages connector_tokens connector_calls input_image_tokens output_image_tokens images searches
        cache_write_1h_tokens input_audio_tokens cached_audio_tokens output_audio_tokens input_video_tokens web_searches
        billed_tool_calls
        """,
    ),
    **_fields(
        Kind.NUMBER,
        "cost cache_savings latency generation_time=latency time_to_first_token ttft=time_to_first_token routing_time",
        NANO,
    ),
    **_fields(Kind.NUMBER, "tokens_per_second temperature", 0),
    **_fields(
        Kind.FLAG,
        "stream failed has_tool_calls is_root_span cache_hit price_missing usage_estimated content_truncated is_pinned "
        "positive_feedback",
    ),
    **_fields(Kind.TIME, "timestamp=ended_at start_time=started_at"),
    **_fields(Kind.LIST, "tools changes warnings"),
    **_fields(Kind.OBJECT, "metadata properties"),
    **_fields(
        Kind.SAID,
        "messages=said prompt_messages=input completion_message=output input output full_text=said search=said",
    ),
    # Posted with a log and kept as they came, without a column.
    **{
        name: Field("extra", member=name)
        for name in (
            "prompt_id prompt_name span_workflow_name span_path trace_name category evaluation_identifier evaluator_id"
        ).split()
    },
}


def field_named(name: str) -> Field:
    """Return the field that the API calls so. Raises FilterRefused."""
    if name.startswith(METADATA_PREFIX) and len(name) > len(METADATA_PREFIX):
        return Field("metadata", member=name.removeprefix(METADATA_PREFIX))
    if name.startswith(SCORES_PREFIX):
        return Field("score", Kind.NUMBER, 0)
    field = FIELDS.get(name)
    if field is None:
        near = get_close_matches(name, FIELDS, 1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise FilterRefused(
            f"There is no field `{name}` to filter by.{hint} For metadata write `{METADATA_PREFIX}{name}`.", name
        )
    return field

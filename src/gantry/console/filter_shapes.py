"""How filters are described to clients: the grammar of `filter_grammar`, as a type.

Law: bodies are read as they stand, so that a refusal names the filter; this is for the description alone.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

_TERM: Final = {"$ref": "#/components/schemas/FilterTerm"}

FilterOperator = Literal[
    "", "=", "==", "eq", "equals", "exact", "in", "overlap", "not", "!=", "not_in", "not_overlap", "iexact",
    "lt", "lte", "gt", "gte", "contains", "not_contains", "icontains", "startswith", "not_startswith", "endswith",
    "not_endswith", "regex", "ilike", "trigram_word_similar", "full_text_search", "isnull", "empty", "not_empty",
    "notEmpty", "has_key", "mapContainsKey",
]  # fmt: skip

Filters = Annotated[
    dict[str, Any],
    Meta(
        description="Conditions by the name of a field, joined by AND.",
        extra_json_schema={"additionalProperties": {"anyOf": [_TERM, {"type": "array", "items": _TERM}]}},
    ),
]


class FilterTerm(Struct, frozen=True):
    """One condition, or, with `filter_params`, several that are joined by `connector`."""

    value: Annotated[Any, Meta(description="A list of values, or one.")] | UnsetType = UNSET
    operator: FilterOperator | UnsetType = UNSET
    connector: (
        Annotated[Literal["AND", "OR"], Meta(description="How it is joined to what stands before it.")] | UnsetType
    ) = UNSET
    filter_params: Filters | UnsetType = UNSET

"""Filters and order over models, in memory: there are some thousands at most, and no table holds them.

Law: as in the log API, what cannot be applied is refused by field, never ignored.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from gantry.core.errors import InvalidRequest

Item = Mapping[str, Any]

FIELDS: Final[Mapping[str, Callable[[Item], Any]]] = {
    **{
        name: (lambda item, name=name: item[name])  # type: ignore[misc]
        for name in """
        id model_name display_name base_model_name affiliation_category model_type max_context_window input_cost
        output_cost prompt_cost completion_cost cache_hit_input_cost cache_creation_input_cost streaming_support
        function_call image_support is_deprecated created_at updated_at
        """.split()
    },
    "provider": lambda item: (item["provider"] or {}).get("provider_id"),
    "provider_id": lambda item: (item["provider"] or {}).get("provider_id"),
    "reasoning_support": lambda item: (item["capability"] or {}).get("reasoning_support"),
    **{
        name: (lambda item, name=name: (item["throughput"] or {}).get(name))  # type: ignore[misc]
        for name in ("average_tps", "average_ttft", "average_latency", "number_of_requests")
    },
}
_TESTS: Final[Mapping[str, Callable[[Any, list[Any]], bool]]] = {
    "": lambda value, wanted: any(_same(value, one) for one in wanted),
    "in": lambda value, wanted: any(_same(value, one) for one in wanted),
    "not": lambda value, wanted: not any(_same(value, one) for one in wanted),
    "contains": lambda value, wanted: any(_folded(one) in _folded(value) for one in wanted),
    "icontains": lambda value, wanted: any(_folded(one) in _folded(value) for one in wanted),
    "startswith": lambda value, wanted: any(_folded(value).startswith(_folded(one)) for one in wanted),
    "endswith": lambda value, wanted: any(_folded(value).endswith(_folded(one)) for one in wanted),
    "gt": lambda value, wanted: value is not None and all(value > one for one in wanted),
    "gte": lambda value, wanted: value is not None and all(value >= one for one in wanted),
    "lt": lambda value, wanted: value is not None and all(value < one for one in wanted),
    "lte": lambda value, wanted: value is not None and all(value <= one for one in wanted),
    "empty": lambda value, _: value in (None, ""),
    "not_empty": lambda value, _: value not in (None, ""),
}


def filtered(items: Iterable[Item], filters: Mapping[str, Any]) -> list[Item]:
    """Return the items that pass all filters: `{"provider": {"operator": "", "value": ["mistral"]}}`.

    Raises InvalidRequest.
    """
    found = list(items)
    for name, given in filters.items():
        for one in given if isinstance(given, list) else [given]:
            found = _passing(found, name, one)
    return found


def searched(items: Iterable[Item], text: str) -> list[Item]:
    """Return the items that have each of the words in a name, an alias or their provider's name."""
    words = text.lower().split()
    return [item for item in items if all(word in _named(item) for word in words)]


def ordered(items: Iterable[Item], sort_by: str | None) -> list[Item]:
    """Return the items by a field, `-` in front for descending; unknown values stand last. Raises InvalidRequest."""
    name = (sort_by or "model_name").removeprefix("-")
    read = _field(name, "sort_by")
    known = [item for item in items if read(item) is not None]
    unknown = [item for item in items if read(item) is None]
    known.sort(key=lambda item: (read(item), item["model_name"]), reverse=bool(sort_by) and str(sort_by)[0] == "-")
    return known + unknown


def _passing(items: list[Item], name: str, given: Any) -> list[Item]:
    read = _field(name, "filters")
    if not isinstance(given, Mapping):
        given = {"value": given}
    operator, values = given.get("operator", ""), given.get("value")
    test = _TESTS.get(operator) if isinstance(operator, str) else None
    if test is None:
        known = ", ".join(repr(one) for one in _TESTS)
        raise InvalidRequest(f"filters.{name}.operator: {operator!r} is none of {known}.", param=f"filters.{name}")
    wanted = values if isinstance(values, list) else [values]
    try:
        return [item for item in items if test(read(item), wanted)]
    except TypeError:
        raise InvalidRequest(f"filters.{name}: {operator} cannot compare with {values!r}.", param=name) from None


def _field(name: str, where: str) -> Callable[[Item], Any]:
    read = FIELDS.get(name)
    if read is None:
        raise InvalidRequest(f"{where}: models have no field {name!r}; they have {', '.join(FIELDS)}.", param=where)
    return read


def _named(item: Item) -> str:
    provider = (item["provider"] or {}).get("provider_name", "")
    return " ".join((item["model_name"], item["display_name"], *item["aliases"], provider)).lower()


def _same(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) or (isinstance(value, str) and value.lower() == str(wanted).lower())


def _folded(value: Any) -> str:
    return "" if value is None else str(value).lower()

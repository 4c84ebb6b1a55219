"""The filter grammar of the log API: what a request says, as a filter in the store's words and units. Pure.

    {"model": {"operator": "contains", "value": ["mistral"]}, "cost": [{"operator": "gte", "value": [0.01]}, …],
     "any name": {"connector": "OR", "filter_params": {…}}}

Law: members are joined in the order in which they stand, each with all that stands before it, by its own `connector` or
else by that of the bundle around it (AND where none is given). What cannot be applied is refused by field and operator,
never ignored: an answer with too many logs looks like a right one.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from gantry.console.filter_values import ValueRefused, read_flag, reader_of
from gantry.store.log_filter import (
    ALLOWED,
    EVERYTHING,
    FIELDS,
    METADATA_PREFIX,
    ORDERING,
    SCORES_PREFIX,
    AllOf,
    AnyOf,
    Condition,
    Field,
    Filter,
    FilterRefused,
    Operator,
    field_named,
)

Connector = Literal["AND", "OR"]
RowId = Callable[[str], str]  # the id of a log's row, from what its poster may know it by
_Shape = TypeVar("_Shape")

MOST_VALUES: Final = 1000  # of all conditions together
MOST_DEPTH: Final = 10
_BRACKETED: Final = re.compile(r"(?P<field>[^\[\]]+)\[(?P<part>value|operator|connector)\]\Z")
_OPERATORS: Final[Mapping[str, tuple[Operator, bool]]] = {
    **{operator.value: (operator, False) for operator in Operator},
    **dict.fromkeys(("=", "==", "eq", "equals", "exact", "in", "overlap"), (Operator.EQUAL, False)),
    **dict.fromkeys(("not", "!=", "not_in", "not_overlap"), (Operator.EQUAL, True)),
    "not_contains": (Operator.CONTAINS, True),
    "not_startswith": (Operator.STARTSWITH, True),
    "not_endswith": (Operator.ENDSWITH, True),
    "not_empty": (Operator.EMPTY, True),
    "notEmpty": (Operator.EMPTY, True),
    "mapContainsKey": (Operator.HAS_KEY, False),
}


class Param(Struct, frozen=True, omit_defaults=True):
    """One condition as it is sent."""

    value: Any = None
    operator: str = ""
    connector: str | None = None
    operator_function: str | None = None


class Bundle(Struct, frozen=True):
    """Conditions as they are sent, joined."""

    filter_params: dict[str, Any]
    connector: str | None = None


def read_filters(given: Mapping[str, Any], row_id: RowId, field_of: Callable[[str], Field] = field_named) -> Filter:
    """Return the filter in the `filters` of a body, over fields that `field_of` knows. Raises FilterRefused."""
    return _Reader(row_id, field_of).bundle(given, 0)


def url_filters(parameters: Iterable[tuple[str, str]], known: Container[str] = FIELDS) -> dict[str, Any]:
    """Return `?field=value` and `?field[value]=…&field[operator]=…` as a body does; unknown names mean metadata."""
    parts: dict[str, dict[str, str]] = {}
    for name, value in parameters:
        match = _BRACKETED.match(name)
        field, part = (match["field"], match["part"]) if match else (name, "value")
        if field not in known and not field.startswith((METADATA_PREFIX, SCORES_PREFIX)):
            field = METADATA_PREFIX + field
        if part in parts.setdefault(field, {}):
            raise FilterRefused(f"`{name}` is given more than once. Send several values in the body.", name)
        parts[field][part] = value
    return {field: _url_param(given) for field, given in parts.items()}


def _url_param(given: Mapping[str, str]) -> dict[str, Any]:
    value = [given["value"]] if "value" in given else []
    return {**{name: text for name, text in given.items() if name != "value"}, "value": value}


class _Reader:
    """One reading: it counts, so that a filter stays one that a database can answer."""

    def __init__(self, row_id: RowId, field_of: Callable[[str], Field]) -> None:
        self._row_id: Final = row_id
        self._field_of: Final = field_of
        self._values = 0

    def bundle(self, given: Mapping[str, Any], depth: int) -> Filter:
        if depth > MOST_DEPTH:
            raise FilterRefused(f"The filters are nested deeper than {MOST_DEPTH} bundles.", "filters")
        connector: Connector = "AND"
        if "filter_params" in given:
            bundle = _shaped(given, Bundle, "filters")
            connector, given = _connector(bundle.connector, "AND", "filters"), bundle.filter_params
        joined: Filter | None = None
        for name, member in given.items():
            joiner, part = self._member(name, member, connector, depth)
            joined = part if joined is None else _join(joiner, joined, part)
        return EVERYTHING if joined is None else joined

    def _member(self, name: str, given: Any, connector: Connector, depth: int) -> tuple[Connector, Filter]:
        """Return a member, and how it is joined to what stands before it."""
        if isinstance(given, Mapping) and "filter_params" in given:
            return connector, self.bundle(given, depth + 1)
        params = [_shaped(one, Param, name) for one in (given if isinstance(given, list) else [given])]
        if not params:
            raise FilterRefused(f"The filter `{name}` is an empty list. Leave it out.", name)
        joined: Filter = self._condition(name, params[0])
        for param in params[1:]:
            joined = _join(_connector(param.connector, "AND", name), joined, self._condition(name, param))
        return _connector(params[0].connector, connector, name), joined

    def _condition(self, name: str, param: Param) -> Condition:
        field = self._field_of(name)
        given = param.operator_function or param.operator
        if given not in _OPERATORS:
            known = ", ".join(sorted(word for word in _OPERATORS if word))
            raise FilterRefused(f"The filter `{name}` has the unknown operator `{given}`. Known are: {known}.", name)
        operator, negated = _OPERATORS[given]
        where = f"The filter `{name}` with the operator `{given}`"
        if operator not in ALLOWED[field.kind]:
            raise FilterRefused(f"{where} cannot be applied: `{name}` is of the kind {field.kind}.", name)
        values = param.value if isinstance(param.value, list) else [param.value]
        self._values += max(len(values), 1)
        if self._values > MOST_VALUES:
            raise FilterRefused(f"There are more than {MOST_VALUES} values to filter by.", name)
        try:
            if operator in (Operator.ISNULL, Operator.EMPTY):
                wanted = True if not values or values[0] in (None, "") else read_flag(values[0])
                return Condition(field, operator, (), negated is wanted)
            _check_count(operator, values)
            read = self._row_id_of if field.column == "log_id" and not operator else reader_of(field, operator)
            return Condition(field, operator, tuple(None if one is None else read(one) for one in values), negated)
        except ValueRefused as error:
            raise FilterRefused(f"{where} {error}.", name) from None

    def _row_id_of(self, given: object) -> str:
        return self._row_id(str(given))


def _check_count(operator: Operator, values: list[Any]) -> None:
    if not values:
        raise ValueRefused("has no value")
    if operator in ORDERING and len(values) != 1:
        raise ValueRefused(f"takes exactly one value, not {len(values)}")
    if None in values and operator is not Operator.EQUAL:
        raise ValueRefused("takes no null")


def _join(connector: Connector, left: Filter, right: Filter) -> Filter:
    joined = AllOf if connector == "AND" else AnyOf
    return joined((*(left.parts if isinstance(left, joined) else (left,)), right))


def _connector(given: str | None, default: Connector, name: str) -> Connector:
    match (given or default).upper():
        case "AND":
            return "AND"
        case "OR":
            return "OR"
    raise FilterRefused(f"The connector of the filter `{name}` must be AND or OR, not `{given}`.", name)


def _shaped(given: object, shape: type[_Shape], name: str) -> _Shape:
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise FilterRefused(
            f'The filter `{name}` must be like {{"operator": "gte", "value": [5]}}: {error}.', name
        ) from None

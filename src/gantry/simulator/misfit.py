"""Where a body does not fit its schema, and how: a decoder's error taken apart, for each provider to word."""

import re
from enum import Enum, auto
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

Place: TypeAlias = tuple[str | int, ...]

_PATH = re.compile(r"^(.*?)(?: - at `\$(.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_QUOTED = re.compile(r"`([^`]+)`")
_KINDS = {"int": "integer", "float": "number", "str": "string", "bool": "boolean", "array": "list"}
_BOUNDS = (
    (" >= ", "Input should be greater than or equal to"),
    (" <= ", "Input should be less than or equal to"),
    (" > ", "Input should be greater than"),
    (" < ", "Input should be less than"),
)


class Fault(Enum):
    UNKNOWN_FIELD = auto()
    MISSING_FIELD = auto()
    UNKNOWN_TAG = auto()
    WRONG_VALUE = auto()


class Misfit(Struct, frozen=True):
    """`where` ends with the field that is unknown, missing or wrong; `text` is the decoder's."""

    fault: Fault
    where: Place
    text: str

    @property
    def phrase(self) -> str:
        """What is wrong, as a pydantic server says it."""
        match self.fault:
            case Fault.UNKNOWN_FIELD:
                return "Extra inputs are not permitted"
            case Fault.MISSING_FIELD:
                return "Field required"
            case Fault.UNKNOWN_TAG | Fault.WRONG_VALUE:
                return _phrase(self.text)


def misfit(failure: msgspec.ValidationError) -> Misfit:
    found = _PATH.match(str(failure))
    text, path = (found[1], found[2] or "") if found else (str(failure), "")
    where: Place = tuple(name or (int(index) if index.isdigit() else index) for name, index in _STEP.findall(path))
    quoted = _QUOTED.search(text)
    if text.startswith("Object contains unknown field"):
        return Misfit(Fault.UNKNOWN_FIELD, (*where, quoted[1] if quoted else ""), text)
    if text.startswith("Object missing required field"):
        return Misfit(Fault.MISSING_FIELD, (*where, quoted[1] if quoted else ""), text)
    if text.startswith("Invalid value") and where and where[-1] == "type":
        return Misfit(Fault.UNKNOWN_TAG, where, text)
    return Misfit(Fault.WRONG_VALUE, where, text)


def value_at(value: Any, where: Place) -> Any:
    """Return what is at a place of decoded JSON, or None."""
    for step in where:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _phrase(text: str) -> str:
    if "matching regex" in text:
        return f"String should match pattern {text.partition('matching regex ')[2].partition(', got')[0]}"
    for mark, words in _BOUNDS:
        if mark in text and "length" not in text:
            return f"{words} {text.partition(mark)[2].partition(',')[0]}"
    if text.startswith("Invalid"):
        return f"Input should be a permitted value: {text[0].lower()}{text[1:]}"
    quoted = _QUOTED.search(text)
    kind = (quoted[1] if quoted else "object").partition(" | ")[0]
    return f"Input should be a valid {_KINDS.get(kind, 'dictionary')}"

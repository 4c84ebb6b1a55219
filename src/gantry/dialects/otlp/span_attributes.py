"""The attributes of one span that are still to be read, by the names they may have.

Law: nothing here fails. A value of another kind than its name says is left where it is, and ends as metadata.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Raw

from gantry.dialects.otlp.message import MOST_VALUES, Attributes, Value
from gantry.dialects.otlp.names import (
    ADDRESSES,
    CONTENT_PREFIXES,
    CREDENTIALS,
    HEADERS,
    OLD_PREFIX,
    PREFIX,
)

_DEEPEST = 12  # parts of a name that stands for a tree
_LONGEST = 9  # digits of a place in a list


class SpanAttributes:
    """What is read is gone from `rest`."""

    __slots__ = ("rest",)

    def __init__(self, attributes: Attributes) -> None:
        self.rest = {_renamed(name): value for name, value in attributes.items() if not _is_credential(name)}

    def add(self, attributes: Attributes) -> None:
        """Take what an event says of its span, where the span does not say it."""
        for name, value in SpanAttributes(attributes).rest.items():
            self.rest.setdefault(name, value)

    def text(self, *names: str) -> str | None:
        for name in names:
            value = self.rest.get(name)
            if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
                del self.rest[name]
                return str(value)
        return None

    def count(self, *names: str) -> int | None:
        number = self.number(*names)
        return None if number is None else int(number)

    def number(self, *names: str) -> int | float | None:
        """Take a number from 0 on; it may stand in a text."""
        for name in names:
            number = _number_in(self.rest.get(name))
            if number is not None:
                del self.rest[name]
                return number
        return None

    def flag(self, *names: str) -> bool | None:
        for name in names:
            value = self.rest.get(name)
            if isinstance(value, bool):
                del self.rest[name]
                return value
        return None

    def document(self, *names: str) -> Any:
        """Take a list or an object, as it is or as JSON in a text."""
        for name in names:
            found = document_in(self.rest.get(name))
            if found is not None:
                del self.rest[name]
                return found
        return None

    def said(self, *names: str) -> Any:
        """Take what was said: a document, or else the text or number it is."""
        for name in names:
            value = self.rest.pop(name, None)
            if value is not None:
                return value if (found := document_in(value)) is None else found
        return None

    def tree(self, prefix: str) -> list[Any]:
        """Take a list that stands in as many attributes as it has leaves: `prefix.0.role`, `prefix.0.content`, …"""
        found: dict[str, Any] = {}
        for name in [name for name in self.rest if name.startswith(prefix + ".")]:
            parts = name[len(prefix) + 1 :].split(".")
            if _is_place(parts[0]) and len(parts) <= _DEEPEST:
                _put(found, parts, self.rest.pop(name))
        return _listed(found) if found else []

    def members(self, prefix: str) -> dict[str, Value]:
        """Take what stands under a prefix, by the rest of the names."""
        names = [name for name in self.rest if name.startswith(prefix + ".")]
        return {name[len(prefix) + 1 :]: self.rest.pop(name) for name in names}

    def content(self) -> dict[str, Value]:
        """Take all that may hold what was said."""
        return {name: self.rest.pop(name) for name in [name for name in self.rest if name.startswith(CONTENT_PREFIXES)]}


def document_in(value: Value) -> Any:
    """Return the list or the object that a value is, or holds as JSON; None when it is none, or too many values.

    Those of a text were not counted when the request was read, and each may take a hundred times its bytes in memory.
    """
    if isinstance(value, list | dict):
        return value
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and sum(map(value.count, ",[{")) <= MOST_VALUES:
        try:
            msgspec.json.decode(value, type=Raw)
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
    return None


def _number_in(value: Value) -> int | float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < 1e15 else None  # which NaN is not


def _renamed(name: str) -> str:
    return PREFIX + name.removeprefix(OLD_PREFIX) if name.startswith(OLD_PREFIX) else name


def _is_credential(name: str) -> bool:
    return name.startswith(HEADERS) or name.rpartition(".")[2].lower().replace("_", "-") in CREDENTIALS


def _put(tree: dict[str, Any], parts: list[str], value: Value) -> None:
    for part in parts[:-1]:
        below = tree.setdefault(part, {})
        if not isinstance(below, dict):
            return  # a name that is both a leaf and a branch: the leaf stays
        tree = below
    tree.setdefault(parts[-1], value)


def _is_place(name: str) -> bool:
    return name.isdecimal() and len(name) <= _LONGEST


def _listed(tree: Any) -> Any:
    """Return a tree with a list in place of each object whose names are numbers."""
    if not isinstance(tree, dict):
        return tree
    if tree and all(map(_is_place, tree)):
        return [_listed(tree[name]) for name in sorted(tree, key=int)]
    return {name: _listed(value) for name, value in tree.items()}


def without_query(attributes: Iterable[tuple[str, Value]]) -> Iterator[tuple[str, Value]]:
    """Yield attributes, addresses without what stands behind their question mark."""
    for name, value in attributes:
        if name not in ADDRESSES:
            yield name, value
        elif isinstance(value, str) and name != "url.query":
            yield name, value.partition("?")[0]

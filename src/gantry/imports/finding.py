"""What became of each member of an imported document: a table's word for it, and what the values told beyond that.

Law: a member that was given has one finding. Null, an empty text, list or object say nothing, and have none.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

_INDEX: Final = re.compile(r"\[\d+\]")
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})
_SEVERAL: Final = "*"  # in a table's name: any letters of one member's


class Fate(StrEnum):
    CARRIED = "carried over"
    CHANGED = "carried over, and means something else here"
    KEPT = "kept with the log, and not read"
    NEEDLESS = "needs nothing"  # it is so anyway, or there is nothing to say it of
    LEFT = "left behind"
    UNKNOWN = "unknown"  # to the table, so left behind


# What a reader of a report must look at, and in which order.
TO_BE_READ: Final = (Fate.UNKNOWN, Fate.LEFT, Fate.CHANGED)


class Field(Struct, frozen=True):
    """What a member comes to, and in words what it is here, or what to do in its place."""

    fate: Fate
    words: str


class Finding(Struct, frozen=True, omit_defaults=True):
    place: str
    fate: Fate
    words: str
    line: int | None = None
    count: int | None = None  # of rows that have it


Table = Mapping[str, Field]


def carried(words: str) -> Field:
    return Field(Fate.CARRIED, words)


def changed(words: str) -> Field:
    return Field(Fate.CHANGED, words)


def kept(words: str = "as it was, in the log's `imported`") -> Field:
    return Field(Fate.KEPT, words)


def needless(words: str) -> Field:
    return Field(Fate.NEEDLESS, words)


def left(words: str) -> Field:
    return Field(Fate.LEFT, words)


def for_all(field: Field, names: str, begin: str = "") -> dict[str, Field]:
    """Return a table of some names, all with the same beginning, which come to the same."""
    return {begin + name: field for name in names.split()}


UNKNOWN_FIELD: Final = Field(Fate.UNKNOWN, "this version of Gantry does not know it; nothing was done with it")


class Notes:
    """What the values of a document told: it stands in the place of the table's word, or beside all of them."""

    def __init__(self) -> None:
        self._by_place: dict[str, Field] = {}
        self._abandoned: dict[str, Field] = {}

    def abandon(self, place: str, words: str) -> None:
        """Note that nothing was done with a member, nor with what is in it, whatever the table says of those."""
        self.settle(place, left(words))

    def settle(self, place: str, field: Field) -> None:
        """Note what became of a member and of all that is in it."""
        self._abandoned[place] = field

    def say(self, place: str, field: Field) -> None:
        """Note what became of the member at a place. Of several words for one, the gravest stays."""
        known = self._by_place.get(place)
        if known is None or _gravity(field) > _gravity(known):
            self._by_place[place] = field

    def findings(self, document: Any, table: Table, lines: Mapping[str, int] | None = None) -> tuple[Finding, ...]:
        """Return a finding for each member of a document, in its order."""
        rest = dict(self._by_place)
        found = [
            Finding(place, field.fate, field.words, (lines or {}).get(place))
            for place, said in survey(document, table)
            for field in (self._abandoning(place) or rest.pop(place, said),)
        ]
        rest = {place: field for place, field in rest.items() if self._abandoning(place) is None}
        found += [Finding(place, field.fate, field.words, (lines or {}).get(place)) for place, field in rest.items()]
        return tuple(found)

    def _abandoning(self, place: str) -> Field | None:
        beginnings = (place[:end] for end in (*_ends(place), len(place)))
        return next((self._abandoned[one] for one in beginnings if one in self._abandoned), None)


def survey(document: Any, table: Table) -> Iterator[tuple[str, Field]]:
    """Yield the place of each member that says something, with the table's word for it."""
    yield from _Survey(table).within(document, "", UNKNOWN_FIELD)


class _Survey:
    """A table, and what follows from it: where others lie within, and the names that stand for several."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._inner = {pattern[:end] for pattern in table for end in _ends(pattern)}
        self._several = [(_several(pattern), field) for pattern, field in table.items() if _SEVERAL in pattern]

    def within(self, value: Any, place: str, otherwise: Field) -> Iterator[tuple[str, Field]]:
        """Yield what stands within a value; `otherwise` is the word for what the table does not name in it."""
        if isinstance(value, dict):
            for name, member in value.items():
                yield from self._look_at(member, f"{place}.{name}" if place else str(name), otherwise)
        elif isinstance(value, list):
            for index, member in enumerate(value):
                yield from self._look_at(member, f"{place}[{index}]", otherwise)

    def _look_at(self, member: Any, place: str, otherwise: Field) -> Iterator[tuple[str, Field]]:
        if any(member is nothing or member == nothing for nothing in _NOTHING):
            return
        pattern = pattern_of(place)
        field = self._table.get(pattern) or self._of_several(pattern)
        if pattern in self._inner and isinstance(member, dict | list):
            yield from self.within(member, place, field or otherwise)
        else:
            yield place, field or otherwise

    def _of_several(self, pattern: str) -> Field | None:
        return next((field for several, field in self._several if several.fullmatch(pattern)), None)


def _several(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(re.escape(_SEVERAL), r"[^.\[\]]*"))


def pattern_of(place: str) -> str:
    """Return the place of a member as tables have it: of any element of a list."""
    return _INDEX.sub("[]", place)


def _ends(pattern: str) -> Iterator[int]:
    """Yield where the places that a pattern lies in end."""
    for index, character in enumerate(pattern):
        if character in ".[" and index:
            yield index
        if character == "]":
            yield index + 1


def _gravity(field: Field) -> int:
    return TO_BE_READ[::-1].index(field.fate) if field.fate in TO_BE_READ else -1

"""Counts out of a JSON object by a table of paths.

Law: never raises, never guesses. Only the members that are there are looked at, and what is not a count is named in a
warning and left out: a string of digits and a whole float are counts, a boolean is none.
"""

import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

from gantry.dialects.usage_paths import Paths

_SUM: Final = "*"
_SECONDS: Final = sys.intern("input_audio_seconds")  # the one unit that may have a fraction


Place: TypeAlias = tuple[str, int]  # a unit, and the rank of this spelling: the lowest that is there counts
Tree: TypeAlias = "dict[str, Place | Tree]"
Found = dict[str, Any]  # counts by unit: whole numbers, and a Decimal of seconds


def tree_of(paths: Paths) -> Tree:
    """Return a table of paths as what `collect` walks."""
    tree: Tree = {}
    for unit, spellings in paths.items():
        for rank, path in enumerate(spellings):
            *parents, name = path.split(".")
            node = tree
            for parent in parents:
                inner = node.setdefault(parent, {})
                assert isinstance(inner, dict), f"{path}: {parent} is a count"
                node = inner
            assert name not in node, f"{path} stands twice"
            node[name] = (sys.intern(unit), rank)
    return tree


def collect(
    members: Mapping[str, Any],
    tree: Tree,
    found: Found,
    warnings: list[str],
    ranks: dict[str, int] | None = None,
    where: str = "usage.",
) -> None:
    """Put the counts that an object's members give into `found`. `ranks` are those of what is found, where not 0."""
    if ranks is None:
        ranks = {}
    for name, value in members.items():
        place = tree.get(name)
        if place is None or value is None:
            continue
        if isinstance(place, dict):
            _collect_inner(place, value, found, warnings, ranks, where + name)
            continue
        unit, rank = place
        if type(value) is not int or unit is _SECONDS:
            value = _seconds_of(value) if unit is _SECONDS else _count_of(value)
            if value is None:
                warnings.append(f"{where}{name}: not of the expected type")
                continue
        if unit not in found or rank < ranks.get(unit, 0):
            found[unit] = value
            if rank or unit in ranks:
                ranks[unit] = rank


def _collect_inner(
    tree: Tree, value: Any, found: Found, warnings: list[str], ranks: dict[str, int], where: str
) -> None:
    if type(value) is list:
        value = _by_modality(value)
    if type(value) is not dict:
        warnings.append(f"{where}: not of the expected type")
    elif _SUM in tree:
        collect({_SUM: _summed(value, warnings, where)}, tree, found, warnings, ranks, where)
    else:
        collect(value, tree, found, warnings, ranks, f"{where}.")


def _count_of(value: Any) -> int | None:
    """Return a count that is not written as a whole number; None where it is none."""
    if type(value) is float:
        return int(value) if value.is_integer() else None
    if type(value) is str:
        try:
            return int(value)
        except ValueError:
            return None
    return None


def _seconds_of(value: Any) -> Decimal | None:
    if type(value) not in (int, float, str):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None


def _summed(members: Mapping[str, Any], warnings: list[str], where: str) -> int | None:
    """Return the sum of all members; None where there are none."""
    counts = []
    for name, value in members.items():
        count = value if type(value) is int else _count_of(value)
        if count is None:
            warnings.append(f"{where}.{name}: not of the expected type")
        else:
            counts.append(count)
    return sum(counts) if counts else 0


def _by_modality(items: list[Any]) -> Found | None:
    """Return Gemini's list of counts as an object by modality; None where it is no such list."""
    counts: Found = {}
    for item in items:
        if type(item) is not dict:
            return None
        name = _modality_of(item.get("modality"))
        count, known = item.get("tokenCount"), counts.get(name)
        counts[name] = known + count if type(known) is int and type(count) is int else count
    return counts


def _modality_of(told: Any) -> str:
    return _MODALITIES.get(told.upper() if type(told) is str else told, "") if type(told) in (str, int) else ""


# Some answers number their enums; a document's pages are pictures of it.
_MODALITIES: Final[Mapping[Any, str]] = {
    "TEXT": "TEXT",
    "IMAGE": "IMAGE",
    "DOCUMENT": "IMAGE",
    "AUDIO": "AUDIO",
    "VIDEO": "VIDEO",
    1: "TEXT",
    2: "IMAGE",
    3: "VIDEO",
    4: "AUDIO",
    5: "IMAGE",
}

"""A call's arguments as Vertex AI streams them: piece by piece, each with its place in the object (`$.city[0].name`).

Spec: https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final

import msgspec

from gantry.dialects.gemini.answer_wire import PartialArg

_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"](.*?)['\"]\]")
_MOST_ITEMS: Final = 10_000


class StreamedCall:
    """A call whose arguments are still coming."""

    __slots__ = ("_arguments", "_unfinished", "part")

    def __init__(self, part: int) -> None:
        self.part = part
        self._arguments: dict[str, Any] = {}
        self._unfinished: str | None = None  # the place of a string that goes on

    def add(self, pieces: Iterable[PartialArg]) -> None:
        """Put pieces in their places. Raises ValueError for a place that cannot be."""
        for piece in pieces:
            value = _value(piece)
            steps = _steps(piece.json_path)
            goes_on = self._unfinished == piece.json_path and isinstance(value, str)
            _put(self._arguments, steps, value, append=goes_on)
            self._unfinished = piece.json_path if piece.will_continue else None

    def arguments(self) -> str:
        return msgspec.json.encode(self._arguments).decode()


def _value(piece: PartialArg) -> Any:
    if piece.string_value is not None:
        return piece.string_value
    if piece.number_value is not None:
        number = piece.number_value
        return int(number) if number.is_integer() else number
    return piece.bool_value


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for name, index, quoted in _STEP.findall(path):
        steps.append(int(index) if index else name or quoted)
    if not steps or any(isinstance(step, int) and step > _MOST_ITEMS for step in steps):
        raise ValueError(f"no place in a call's arguments: {path}")
    return steps


def _put(into: Any, steps: list[str | int], value: Any, *, append: bool) -> None:
    for step, following in pairwise(steps):
        into = _at(into, step, [] if isinstance(following, int) else {})
    known = _at(into, steps[-1], None)
    into[steps[-1]] = known + value if append and isinstance(known, str) else value


def _at(into: Any, step: str | int, default: Any) -> Any:
    """Return what stands at a step, put there first if nothing does."""
    if isinstance(into, dict) and isinstance(step, str):
        return into.setdefault(step, default)
    if isinstance(into, list) and isinstance(step, int):
        into.extend([None] * (step + 1 - len(into)))
        if into[step] is None:
            into[step] = default
        return into[step]
    raise ValueError("a call's arguments contradict themselves")

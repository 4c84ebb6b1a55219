"""How a call stood to its limits, as its log tells it: Respan's words, money in dollars. Pure."""

from typing import Final

import msgspec
from msgspec import Struct

from gantry.core.limits import Asked, LimitUnit
from gantry.journal.frames import LimitNote

_PER_USD: Final = 1_000_000_000  # nano-dollars
_encode: Final = msgspec.json.Encoder().encode


class _Told(Struct, frozen=True, gc=False):
    name: str
    current_value: float
    new_value: float
    limit_value: float
    is_within_limit: bool


def limit_info(note: LimitNote | None, told: bytes) -> str | None:
    """Return what a log says of the limits that were asked, as JSON; None where none were.

    It comes in a note, or `told`, as the close frame has it of older workers.
    """
    if note is None:
        return told.decode() or None
    limits = [_described(*one, refuses=place == note.refusing) for place, one in enumerate(note.standings)]
    return _encode({"is_allowed": note.is_allowed, "limits": limits}).decode()


def _described(asked: Asked, current: int, new: int, *, refuses: bool) -> _Told:
    limit = asked.capacity
    is_within = not refuses and (new <= limit or new == current)
    if asked.reserve is not None:  # credits are told as what is left of them
        whole, limit = limit + asked.reserve, asked.reserve
        current, new = whole - current, whole - new
    if asked.unit == LimitUnit.COST:
        return _Told(asked.name, current / _PER_USD, new / _PER_USD, limit / _PER_USD, is_within)
    return _Told(asked.name, current, new, limit, is_within)

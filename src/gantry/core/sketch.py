"""Sketches: what is kept of many values so that their quantiles can be told within 2 % (DDSketch).

Law: pure. A value counts in the bin of its logarithm, so merging is adding counts, and neither the order in which
values come nor the one in which sketches are merged makes a difference. Values are integers; those below 1 count as 0.

A bin is 4 % wide, and what lies in it is told as the number that is within 2 % of all of it. From a microsecond to an
hour in nanoseconds there are 550 bins; a hundred calls have some dozens of them, at three bytes each.
"""

import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from functools import cache
from math import ceil, inf, log
from typing import Final

ACCURACY: Final = 0.02
_GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)
_BINS_PER_E: Final = 1 / log(_GAMMA)
_MIDDLE: Final = 2 / (1 + _GAMMA)  # of a bin, as a part of its upper end
_ZERO: Final = 0  # the bin of values that have no logarithm
_FIRST: Final = 1  # the bin of the value 1
_LARGEST: Final = 2**63 - 1
_COUNTS: Final = ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))  # widths in bytes, and what the array module calls them
_CODES: Final = dict(_COUNTS)
_IS_FOREIGN: Final = sys.byteorder == "big"

Sketch = dict[int, int]  # counts by bins


def sketch_of(values: Iterable[int]) -> Sketch:
    """Return the sketch of some values. In order, those of a bin lie together and need one logarithm."""
    ordered = sorted(values)
    sketch: Sketch = {}
    start = 0
    while start < len(ordered):
        place = bin_of(ordered[start])
        end = bisect_left(ordered, _end_of(place), start)
        sketch[place] = end - start
        start = end
    return sketch


def bin_of(value: int) -> int:
    """Return the bin of a value; what 64 bits do not hold counts as the most that they do."""
    return _FIRST + ceil(log(min(value, _LARGEST)) * _BINS_PER_E) if value >= 1 else _ZERO


@cache
def _end_of(place: int) -> float:
    """Return the first integer beyond a bin; there are some thousand bins."""
    end = bisect_right(range(_LARGEST), place, key=bin_of)
    return end if end < _LARGEST else inf


def merge(into: Sketch, other: Mapping[int, int]) -> None:
    """Add the counts of one sketch to another."""
    for place, count in other.items():
        into[place] = into.get(place, 0) + count


def quantile(sketch: Mapping[int, int], part: float) -> float | None:
    """Return the value that this part of all values (0 to 1) does not exceed, within 2 %; None where there are none."""
    left = part * (sum(sketch.values()) - 1)
    if left < 0:
        return None
    for place in sorted(sketch):
        left -= sketch[place]
        if left < 0:
            break
    return 0.0 if place == _ZERO else _MIDDLE * _GAMMA ** (place - _FIRST)


def encode_sketch(sketch: Mapping[int, int]) -> bytes:
    """Return a sketch as bytes: the width of a count, the bins in ascending order, the counts."""
    places = sorted(sketch)
    counts = [sketch[place] for place in places]
    largest = max(counts, default=0)
    width, code = next((width, code) for width, code in _COUNTS if largest < 1 << 8 * width)
    return bytes((width,)) + _little(array("H", places)) + _little(array(code, counts))


def decode_sketch(data: bytes) -> Sketch:
    """Return the sketch of `encode_sketch`."""
    places, counts = _arrays(data)
    return dict(zip(places, counts, strict=True))


def add_encoded(counts: list[int], data: bytes) -> None:
    """Add an encoded sketch to counts by bin, which grow with it: to merge many so takes a third of the time."""
    places, amounts = _arrays(data)
    if places and places[-1] >= len(counts):
        counts.extend(bytes(places[-1] + 1 - len(counts)))
    for place, count in zip(places, amounts, strict=True):
        counts[place] += count


def sketch_in(counts: list[int]) -> Sketch:
    """Return counts by bin as a sketch."""
    return {place: count for place, count in enumerate(counts) if count}


def _arrays(data: bytes) -> tuple["array[int]", "array[int]"]:
    width = data[0]
    end = 1 + (len(data) - 1) // (width + 2) * 2
    places, counts = array("H", data[1:end]), array(_CODES[width], data[end:])
    if _IS_FOREIGN:
        places.byteswap()
        counts.byteswap()
    return places, counts


def _little(values: "array[int]") -> bytes:
    if _IS_FOREIGN:
        values.byteswap()
    return values.tobytes()

"""Sketches: quantiles within their bound of the exact ones, whatever the order of adding and merging."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gantry.core.sketch import (
    ACCURACY,
    Sketch,
    add_encoded,
    decode_sketch,
    encode_sketch,
    merge,
    quantile,
    sketch_in,
    sketch_of,
)

VALUES = st.lists(st.integers(min_value=-5, max_value=2**63 - 1) | st.integers(min_value=1, max_value=1000))
PARTS = st.floats(min_value=0, max_value=1)


@given(VALUES.filter(bool), PARTS)
def test_a_quantile_is_within_two_per_cent_of_the_exact_one(values: list[int], part: float) -> None:
    exact = max(sorted(values)[int(part * (len(values) - 1))], 0)
    told = quantile(sketch_of(values), part)
    assert told is not None
    assert abs(told - exact) <= exact * (ACCURACY + 1e-9)


@given(st.lists(VALUES), st.randoms(use_true_random=False))
def test_the_order_of_merging_makes_no_difference(parts: list[list[int]], chance: Random) -> None:
    whole = sketch_of([value for part in parts for value in part])
    sketches = [sketch_of(part) for part in parts]
    chance.shuffle(sketches)
    merged: Sketch = {}
    for sketch in sketches:
        merge(merged, decode_sketch(encode_sketch(sketch)))
    assert merged == whole


@given(st.dictionaries(st.integers(0, 1200), st.integers(1, 2**64 - 1)))
def test_bytes_hold_all_of_a_sketch(sketch: Sketch) -> None:
    assert decode_sketch(encode_sketch(sketch)) == sketch


def test_nothing_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile(decode_sketch(encode_sketch({})), 0.5) is None


def test_what_a_hundred_calls_leave_is_small() -> None:
    values = [1_000_000_000 + 17_000_000 * number for number in range(100)]
    assert len(encode_sketch(sketch_of(values))) < 120
    assert quantile(sketch_of(values), 0.5) is not None


def test_many_sketches_are_merged_by_bins() -> None:
    chance = Random(8)
    sketches = [sketch_of(chance.randrange(10 ** chance.randrange(1, 30)) for _ in range(50)) for _ in range(40)]
    sketches += [{}, sketch_of([5] * 300), sketch_of([5] * 70_000)]
    together: Sketch = {}
    counts: list[int] = []
    for sketch in sketches:
        merge(together, sketch)
        add_encoded(counts, encode_sketch(sketch))
    assert sketch_in(counts) == together

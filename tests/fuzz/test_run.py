"""A slice of every fuzz run that is kept in seeds.txt."""

import pytest

from tests.fuzz.run import kept_seeds, run


@pytest.mark.parametrize(("target", "seed"), kept_seeds())
def test_a_slice_of_each_kept_run_holds(target: str, seed: int) -> None:
    assert run(target, 3000, seed).endswith("every law held")

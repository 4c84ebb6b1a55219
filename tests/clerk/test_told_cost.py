"""A cost that a provider tells is compared and said, and never billed."""

import pytest

from gantry.clerk.charge import Charge
from gantry.clerk.told_cost import find_difference


@pytest.mark.parametrize(
    ("usage", "cost", "said"),
    [
        ('{"cost":0.01}', 10_000_000, None),
        ('{"cost":0.01}', 10_100_000, None),
        (
            '{"cost":0.01}',
            10_200_000,
            "the provider says that this cost 0.010000000 USD; by our rates it is 0.010200000",
        ),
        ('{"cost":1.5}', 200_000, "the provider says that this cost 1.500000000 USD; by our rates it is 0.000200000"),
        ('{"cost":0.000001}', 0, None),
        ('{"cost":0.01}', None, "the provider says that this cost 0.010000000 USD; by our rates it is unknown"),
        ('{"cost_details":{}}', 5, None),
        ("{}", 5, None),
        (None, 5, None),
    ],
)
def test_a_difference_is_said_in_words(usage: str | None, cost: int | None, said: str | None) -> None:
    assert find_difference(usage, Charge(cost=cost)) == said

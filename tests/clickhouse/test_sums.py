"""What dashboards are made of, where sums are in SQL and rows in ClickHouse: some of the store's own tests."""

import pytest

from tests.store.test_usage_sums import (
    test_a_key_sees_its_own_and_all_environments_add_up,
    test_quantiles_are_within_two_per_cent,
    test_the_largest_customers,
)

__all__ = [
    "test_a_key_sees_its_own_and_all_environments_add_up",
    "test_quantiles_are_within_two_per_cent",
    "test_the_largest_customers",
]
pytestmark = pytest.mark.slow

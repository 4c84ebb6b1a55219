"""Groups of logs and their sums, on both engines."""

from gantry.core.usage import Usage
from gantry.store.log_filter import Condition, Operator, field_named
from gantry.store.log_groups import read_groups
from gantry.store.log_query import LogQuery
from gantry.store.logs import LogStore, RecordBatch
from gantry.store.usage_sums import MEASURES
from tests.store.conftest import address_of_logs as address
from tests.store.logs_of_tests import ORGANIZATION, OTHER, make_log

__all__ = ["address"]


def test_a_page_of_groups_those_that_cost_most_first(logs: LogStore) -> None:
    some = [("a", 5), ("a", 6), ("b", 100), ("c", 1), (None, 1000)]
    logs.record(
        RecordBatch(
            logs=[
                make_log(str(n), thread_identifier=thread, cost=cost, usage=Usage(input_tokens=3, output_tokens=4))
                for n, (thread, cost) in enumerate(some)
            ]
            + [make_log("x", organization_id=OTHER, thread_identifier="a", cost=7)]
        )
    )
    thread, cost = field_named("thread_identifier"), MEASURES.index("cost")
    query = LogQuery(organization_id=ORGANIZATION, page_size=1)
    with logs.reading() as connection:
        first = read_groups(connection, query, thread, ("cost", None))
        second = read_groups(
            connection, LogQuery(organization_id=ORGANIZATION, page_size=1, page=2), thread, ("cost", None)
        )
        by_mean = read_groups(connection, LogQuery(organization_id=ORGANIZATION), thread, ("cost", "requests"))
        few = read_groups(
            connection,
            LogQuery(organization_id=ORGANIZATION, filters=Condition(field_named("cost"), Operator.LT, (6,))),
            thread,
            ("requests", None),
        )
    assert [(called, sums[cost]) for called, sums in first] == [("b", 100), ("a", 11)], "one more than the page has"
    assert [called for called, _ in second] == ["a", "c"]
    assert [called for called, _ in by_mean] == ["b", "a", "c"]
    assert [(called, sums[MEASURES.index("total_tokens")]) for called, sums in few] == [("a", 7), ("c", 7)]
